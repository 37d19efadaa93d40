"""Word in context: thresholds by a plain search, choices on train and dev, a planted layer, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.data.read_wic import WordPairs
from probekit.data.sentence import Sentence
from probekit.errors import DataError, StoreError
from probekit.geometry.word_in_context import best_threshold, word_in_context
from tests.geometry.planted_rows import Planted, planted
from tests.tiny_models import tiny_model


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=25))
def test_no_threshold_is_right_more_often(pairs: list[tuple[int, bool]]) -> None:
    values, same = np.array([v / 6 for v, _ in pairs]), np.array([s for _, s in pairs])
    found = ((values >= best_threshold(values, same)) == same).sum()
    assert found == max(((values >= t) == same).sum() for t in np.linspace(-1.1, 1.1, 500))


def made(
    n: int = 90, *, splits: tuple[str, ...] = ("train", "dev", "test"), seed: int = 0
) -> tuple[Planted, WordPairs]:
    """Pairs of texts; layer 1 knows the answer (the offset of its cosines is far from 0), 0 and 2 nothing."""
    rng = np.random.default_rng(seed)
    same = np.arange(n) % 2 == 0
    split = [splits[(i // 2) % len(splits)] for i in range(n)]
    corpus = Corpus([
        Sentence.from_text(f"t{i}-{j}", f"we play {i} {'ab'[j]}", split=split[i]) for i in range(n) for j in range(2)
    ])  # fmt: skip
    noise = rng.normal(size=(3, 2 * n, 20))

    def vector(layer: str, s: int, w: int) -> np.ndarray:
        i = int(layer)
        if i != 1:
            return noise[i, s]
        base = noise[1, s - s % 2] if same[s // 2] else noise[1, s]
        return 6 * np.eye(20)[0] + base + 0.05 * noise[2, s]

    place = np.stack([np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)], axis=1)
    pairs = WordPairs(
        corpus, place, np.ones((n, 2), dtype=int), same, tuple(f"w{i // 2}" for i in range(n)),
        tuple("NV"[i % 2] for i in range(n)), tuple(split), tuple(map(str, range(n))),
    )  # fmt: skip
    return planted(corpus, vector), pairs


def test_a_planted_layer_is_chosen_on_dev_and_right_on_test() -> None:
    acts, pairs = made()
    twin = Planted(acts.entry, acts.corpus).plant(
        lambda layer, s, w: np.random.default_rng([s, 5]).normal(size=8)
    )
    found = word_in_context(acts, pairs, twins=[twin])
    assert found.layer == "1"
    own = next(r for r in found.rows if (r.metric, r.layer, r.group, r.control) == ("accuracy", "1", "", ""))
    assert own.value is not None
    assert own.value > 0.95
    assert own.split == "test"
    assert own.n == 30
    assert "target words" in own.interval
    assert found.models[0].thresholds[1] > 0.5  # a threshold of 0 would call all pairs the same
    less = {r.reference: r for r in found.rows if r.reference}
    assert set(less) == {"majority", "layer=0", "random-twin 1"}
    assert all(r.p_adjusted is not None and r.p_adjusted < 0.05 and r.family_size == 3 for r in less.values())
    controls = {r.control: r.value for r in found.rows if r.metric == "accuracy" and not r.layer}
    assert controls["majority"] == 0.5
    assert controls["same-form"] == 0.5  # all are written alike
    groups = {r.group for r in found.rows}
    assert {"pos=N", "pos=V", "form=same", "text-overlap=excluded"} <= groups
    assert "form=different" not in groups
    area = next(r for r in found.rows if (r.metric, r.layer, r.control) == ("same_meaning_auc", "1", ""))
    assert area.value is not None
    assert area.value > 0.99
    assert "At layer 1, chosen on dev" in found.summary
    assert found.panels[1].arrays["value"].shape == (2, 3)
    assert np.isfinite(found.panels[1].arrays["value"]).all()


def test_pairs_of_one_split_have_an_area_and_no_accuracy() -> None:
    acts, pairs = made(20, splits=("train",))
    found = word_in_context(acts, pairs)
    assert found.layer is None
    row = next(r for r in found.rows if r.metric == "accuracy")
    assert (row.value, row.reason) == (None, "needs pairs of both answers in train and dev, and two in test")
    assert "the best of 3 on these very pairs" in found.summary
    assert np.isfinite(found.panels[1].arrays["value"]).all()


def test_identical_vectors_are_told() -> None:
    acts, pairs = made(20)
    same = acts.plant(lambda layer, s, w: np.ones(4) * (layer != "0"))
    found = word_in_context(same, pairs)
    assert {r.reason for r in found.rows if r.metric == "same_meaning_auc"} == {"all cosines are equal"}
    assert found.layer is None
    assert "all cosines are equal at every layer" in found.summary


def test_bad_input() -> None:
    acts, pairs = made(20)
    with pytest.raises(DataError, match="10 pairs, all of one answer"):
        word_in_context(acts, pairs.take(np.arange(0, 20, 2)))
    with pytest.raises(DataError, match="1 pair, all with two vectors; pairs of both answers are needed"):
        word_in_context(acts, pairs.take(np.array([0])))
    with pytest.raises(StoreError, match=r"extract pairs\.corpus"):
        word_in_context(made(18)[0], pairs)
    with pytest.raises(StoreError, match=r"extract pairs\.corpus"):
        word_in_context(pk.extract(tiny_model("bert"), pairs.corpus, unit="sentence", pool="mean"), pairs)
