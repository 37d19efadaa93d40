"""What is asked of a batch."""

from __future__ import annotations

import numpy as np

from probekit.models.training.batches import Batch
from probekit.models.training.objective import Causal, Masked

ORDINARY = np.arange(5, 105)
MASK = 4


def batch(rows: int = 400, length: int = 50) -> Batch:
    ids = np.random.default_rng(0).integers(5, 105, size=(rows, length))
    ids[:, 0], ids[:, -1] = 2, 3
    return Batch(ids)


def test_causal_asks_for_the_next_piece() -> None:
    lesson = Causal().lesson(Batch(np.array([[2, 7, 8], [2, 9, 6]])), np.random.default_rng(0))
    assert lesson.positions.tolist() == [0, 1, 3, 4]
    assert lesson.labels.tolist() == [7, 8, 9, 6]


def test_masked_shares() -> None:
    given = batch()
    lesson = Masked(MASK, ORDINARY, share=0.2).lesson(given, np.random.default_rng(1))
    flat, changed = given.ids.reshape(-1), lesson.ids.reshape(-1)
    ordinary = np.isin(flat, ORDINARY)
    assert ordinary[lesson.positions].all()
    assert (flat[lesson.positions] == lesson.labels).all()
    untouched = np.ones(len(flat), bool)
    untouched[lesson.positions] = False
    assert (flat[untouched] == changed[untouched]).all()
    chosen = changed[lesson.positions]
    n = len(chosen)
    assert abs(n / ordinary.sum() - 0.2) < 0.01
    assert abs((chosen == MASK).mean() - 0.8) < 0.03
    # a random piece is the old one in 1 % of the cases
    assert abs((chosen == lesson.labels).mean() - 0.101) < 0.02
    assert np.isin(chosen, [*ORDINARY, MASK]).all()
    assert (given.ids[:, 0] == 2).all(), "the batch itself stays as it was"


def test_marked_words_are_masked_whole_and_by_their_share() -> None:
    given = batch()
    marks = np.zeros(given.ids.shape, bool)
    marks[:, 10:13] = True
    marks[:, 20] = True
    lesson = Masked(MASK, ORDINARY, share=1e-9, mark_share=0.5).lesson(
        Batch(given.ids, marks), np.random.default_rng(2)
    )
    hit = lesson.ids == MASK
    assert not (hit & ~marks).any()
    assert (hit[:, 10] == hit[:, 12]).all()
    assert (hit[:, 10] == hit[:, 11]).all()
    assert abs(hit[:, 10].mean() - 0.5) < 0.08
    assert abs(hit[:, 20].mean() - 0.5) < 0.08
    assert 0.15 < (hit[:, 10] & hit[:, 20]).mean() < 0.35, "one draw for each word"
    assert hit.sum() == len(lesson.positions)


def test_a_batch_always_teaches_something() -> None:
    given = Batch(np.array([[2, 9, 3], [2, 8, 3]]))
    for seed in range(20):
        lesson = Masked(MASK, ORDINARY, share=1e-9).lesson(given, np.random.default_rng(seed))
        assert len(lesson.labels) == 1
        assert lesson.labels[0] in (8, 9)
