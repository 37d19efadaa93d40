"""The n-gram model equals its formulas written down with dictionaries, and every distribution sums to 1."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import ConfigError, DataError, StoreError
from probekit.models import kneser_ney
from probekit.models.kneser_ney import FALLBACK, Ngram, discounts

V = 6
SEQUENCES = st.lists(st.lists(st.integers(0, V - 1), max_size=9), min_size=1, max_size=25).filter(any)


class Plain:
    """Interpolated modified Kneser-Ney, one n-gram at a time; "<" is the mark before a sequence."""

    def __init__(self, sequences: list[list[int]], order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        raw: dict[int, Counter[tuple[object, ...]]] = defaultdict(Counter)
        for sequence in sequences:
            marked = ["<", *sequence]
            for k in range(1, order + 1):
                for i in range(len(marked) - k + 1):
                    raw[k][tuple(marked[i : i + k])] += 1
        self.count: dict[int, dict[tuple[object, ...], int]] = {}
        for k in range(1, order + 1):
            del raw[k][("<",)]
            self.count[k] = dict(raw[k])
            if k < order:
                for gram in raw[k]:
                    if gram[0] != "<":
                        self.count[k][gram] = sum(longer[1:] == gram for longer in raw[k + 1])
        self.d = {k: self.estimate(list(self.count[k].values())) for k in self.count}

    @staticmethod
    def estimate(counts: list[int]) -> tuple[float, float, float]:
        n = [sum(c == i for c in counts) for i in range(5)]
        if 0 in n[1:]:
            return (0.5, 1.0, 1.5)
        y = n[1] / (n[1] + 2 * n[2])
        d = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
        return d if all(0 < x <= i for i, x in enumerate(d, 1)) else (0.5, 1.0, 1.5)

    def p(self, context: tuple[object, ...], piece: int) -> float:
        return self.at(context[-(self.order - 1) :] if self.order > 1 else (), piece)

    def at(self, context: tuple[object, ...], piece: int) -> float:
        k = len(context) + 1
        shorter = self.at(context[1:], piece) if context else 1 / self.vocabulary
        following = {gram[-1]: c for gram, c in self.count[k].items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return shorter
        d = self.d[k]
        taken = sum(d[min(c, 3) - 1] for c in following.values())
        c = following.get(piece, 0)
        own = c - d[min(c, 3) - 1] if c else 0.0
        return (own + taken * shorter) / total


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.lists(st.lists(st.integers(0, V - 1), max_size=8), max_size=4), st.integers(1, 5))
def test_equals_the_formulas(text: list[list[int]], asked: list[list[int]], order: int) -> None:
    ngram, plain = Ngram.fit(text, order, vocabulary=V), Plain(text, order, V)
    np.testing.assert_allclose(ngram.discounts, [plain.d[k] for k in range(1, order + 1)])
    for sequence, found in zip(text + asked, ngram.logprob(text + asked), strict=True):
        expected = [math.log(plain.p(("<", *sequence[:i]), piece)) for i, piece in enumerate(sequence)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.lists(st.integers(0, V - 1), max_size=6), st.integers(1, 5))
def test_every_distribution_sums_to_one_and_leaves_nothing_at_zero(
    text: list[list[int]], context: list[int], order: int
) -> None:
    ngram = Ngram.fit(text, order, vocabulary=V)
    p = np.exp([one[-1] for one in ngram.logprob([[*context, piece] for piece in range(V)])])
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert (p > 0).all()


def test_a_larger_text_with_discounts_of_its_own() -> None:
    rng = np.random.default_rng(0)
    text = [np.minimum(rng.zipf(1.3, rng.integers(1, 30)) - 1, 49).tolist() for _ in range(300)]
    ngram, plain = Ngram.fit(text, 3, vocabulary=60), Plain(text, 3, 60)
    assert FALLBACK not in ngram.discounts[1:]
    np.testing.assert_allclose(ngram.discounts, [plain.d[k] for k in (1, 2, 3)])
    for sequence, found in zip(text[:3], ngram.logprob(text[:3]), strict=True):
        expected = [math.log(plain.p(("<", *sequence[:i]), piece)) for i, piece in enumerate(sequence)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_by_hand() -> None:
    # pairs: <0 three times, 01 twice, 02 once; each of 0, 1, 2 follows one piece; all discounts are the fallback's
    ngram = Ngram.fit([[0, 1], [0, 1], [0, 2]], 2, vocabulary=4)
    single = (1 - 0.5) / 3 + 1.5 / 3 / 4  # seen 0, 1, 2; raw counts would make 1 likelier than 2
    unseen = 1.5 / 3 / 4
    np.testing.assert_allclose(
        np.exp(np.concatenate(ngram.logprob([[0, 1], [3, 1], [0, 3]]))),
        [
            (3 - 1.5) / 3 + 1.5 / 3 * single,
            (2 - 1.0) / 3 + (1.0 + 0.5) / 3 * single,
            1.5 / 3 * unseen,
            single,  # nothing was seen after 3
            (3 - 1.5) / 3 + 1.5 / 3 * single,
            (1.0 + 0.5) / 3 * unseen,
        ],
    )


def test_a_frequent_piece_with_one_predecessor_is_unlikely_elsewhere() -> None:
    # "francisco" (1) is as frequent as "cat" (2), but stands after "san" (0) only
    text = [[0, 1]] * 4 + [[3, 2], [4, 2], [5, 2], [6, 2]]
    first, second = (x[-1] for x in Ngram.fit(text, 2, vocabulary=8).logprob([[7, 1], [7, 2]]))
    assert second - first > 0.5
    first, second = (x[-1] for x in Ngram.fit(text, 1, vocabulary=8).logprob([[7, 1], [7, 2]]))
    assert first == second


def test_an_order_longer_than_any_sequence_adds_nothing() -> None:
    long, short = Ngram.fit([[0], [0, 1]], 5, vocabulary=V), Ngram.fit([[0], [0, 1]], 3, vocabulary=V)
    asked = [[0, 1, 2, 0, 1, 3], [4]]
    np.testing.assert_allclose(np.concatenate(long.logprob(asked)), np.concatenate(short.logprob(asked)))


def test_order_one_is_the_discounted_relative_frequency() -> None:
    ngram = Ngram.fit([[0, 0, 0, 1], [2, 0]], 1, vocabulary=5)
    taken = (1.5 + 0.5 + 0.5) / 6
    expected = [(4 - 1.5) / 6 + taken / 5, 0.5 / 6 + taken / 5, 0.5 / 6 + taken / 5, taken / 5, taken / 5]
    np.testing.assert_allclose(np.exp(ngram.logprob([range(5)])[0]), expected)


def test_discounts_by_chen_and_goodman() -> None:
    assert discounts([10, 4, 2, 1]) == pytest.approx(
        (10 / 18, 2 - 3 * (10 / 18) * 2 / 4, 3 - 4 * (10 / 18) / 2)
    )
    assert discounts([10, 4, 2, 0]) == FALLBACK
    assert discounts([10, 4, 40, 1]) == FALLBACK  # D2 would be negative


def test_chunks_empty_sequences_and_arrays_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    text = [rng.integers(0, V, n).tolist() for n in (0, 5, 1, 0, 7, 12, 0)]
    ngram = Ngram.fit((np.array(one, np.int32) for one in text), 3, vocabulary=V)
    whole = ngram.logprob(text)
    assert [len(one) for one in whole] == [len(one) for one in text]
    monkeypatch.setattr(kneser_ney, "AT_ONCE", 4)
    for one, other in zip(whole, ngram.logprob(text), strict=True):
        np.testing.assert_array_equal(one, other)
    assert ngram.logprob([]) == []


def test_is_kept_whole(tmp_path: Path) -> None:
    ngram = Ngram.fit([[0, 1, 2, 1], [3, 1]], 3, vocabulary=V)
    ngram.save(tmp_path / "model.3")
    again = Ngram.load(tmp_path / "model.3")
    asked = [[0, 1, 5], [3, 1, 2]]
    np.testing.assert_array_equal(np.concatenate(again.logprob(asked)), np.concatenate(ngram.logprob(asked)))
    assert repr(again) == "<Ngram of order 3 over 6 pieces: 4, 6, 4 n-grams>"
    data = tmp_path / "model.3.safetensors"
    data.write_bytes(data.read_bytes()[:-1] + b"\1")
    with pytest.raises(StoreError, match="damaged"):
        Ngram.load(tmp_path / "model.3")


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(DataError, match="at least one piece"):
        Ngram.fit([[], []], 2, vocabulary=V)
    with pytest.raises(DataError, match="at least one piece"):
        Ngram.fit([], 2, vocabulary=V)
    for bad in (V, -1):
        with pytest.raises(DataError, match=rf"piece {bad} is outside the vocabulary of 6 pieces \(0 to 5\)"):
            Ngram.fit([[0, bad]], 2, vocabulary=V)
    with pytest.raises(DataError, match="piece 6 is outside"):
        Ngram.fit([[0]], 2, vocabulary=V).logprob([[6]])
    for order in (0, 10, 2.5, True):
        with pytest.raises(ConfigError, match="from 1 to 9"):
            Ngram.fit([[0]], order, vocabulary=V)  # type: ignore[arg-type]
