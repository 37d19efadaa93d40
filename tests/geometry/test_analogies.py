"""Analogies: a planted offset, nearness without one, what is left out, intervals over word pairs, bad input."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from probekit.data.read_analogies import Analogy
from probekit.errors import DataError
from probekit.geometry.analogies import Analogies, analogies
from probekit.geometry.word_vectors import WordVectors


def made(
    n: int = 8, *, offset: float = 2.0, noise: float = 0.05, seed: int = 0
) -> tuple[WordVectors, list[Analogy]]:
    """Word pairs x0:y0, x1:y1, ... whose y is x moved by one offset, and words that stand about."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 12))
    moved = base + offset * np.eye(12)[0] + noise * rng.normal(size=(n, 12))
    words = [f"x{i}" for i in range(n)] + [f"y{i}" for i in range(n)] + [f"z{i}" for i in range(20)]
    vectors = np.concatenate([base, moved, rng.normal(size=(20, 12))])
    questions = [
        Analogy("moved, or so", f"x{i}", f"y{i}", f"x{j}", f"y{j}") for i, j in permutations(range(n), 2)
    ]
    return WordVectors(tuple(words), vectors, "made vectors", "not there"), questions


def rows_of(found: Analogies, metric: str, method: str, group: str) -> list[float | None]:
    return [
        r.value
        for r in found.rows
        if (r.metric, r.group) == (metric, group) and r.method.startswith(f"{method},")
    ]


def test_a_planted_offset_is_found_and_beats_nearness() -> None:
    found = analogies(*made(14, offset=4.0))
    assert found.accuracy() > 0.9
    assert found.accuracy("nearest to c") < 0.7
    assert found.accuracy("opposite offset") == 0.0
    assert rows_of(found, "accuracy", "3CosAdd", "section=all, question words=excluded") == [found.accuracy()]
    row = next(r for r in found.rows if r.metric == "accuracy_difference" and "moved" in r.group)
    assert row.group == "section=moved, or so, question words=excluded"
    assert row.low is not None
    assert row.low > 0
    assert row.p is not None
    assert row.p < 0.05
    assert "word pairs" in row.interval
    assert found.panels[1].labels["rows"] == ["all (182)", "moved, or so (182)"]


def test_where_pairs_are_near_nearness_answers_and_inclusion_ends_it() -> None:
    """No offset at all, but pairs near each other: excluding a, b and c, both are right; included, c answers itself."""
    found = analogies(*made(offset=0.0, noise=0.1))
    assert found.accuracy() == found.accuracy("nearest to c") == 1.0
    assert found.accuracy(among="included") < 0.05
    assert found.instead["c"] > 0.95
    row = next(r for r in found.rows if r.metric == "accuracy_difference")
    assert (row.value, row.p) == (0.0, 1.0)
    share = {r.group.rpartition("=")[2]: r.value for r in found.rows if r.metric == "answer_share"}
    assert share == found.instead
    # a share of 1 cannot be resampled: exact bounds over the 8 word pairs
    first = next(r for r in found.rows if r.metric == "accuracy")
    assert (first.low, first.high) == pytest.approx((0.025 ** (1 / 8), 1.0))
    assert first.interval.startswith("exact binomial over word pairs")


def test_what_cannot_be_asked_is_counted_by_reason_and_section() -> None:
    vectors, questions = made()
    more = [
        Analogy("rest", "x0", "y0", "x1", "gone"), Analogy("rest", "x0", "y0", "x0", "y0"),
        Analogy("rest", "x0", "y0", "x1", "y0"), Analogy("rest", "x0", "y0", "x1", "y1"),
    ]  # fmt: skip
    found = analogies(vectors, [*questions, *more])
    assert found.left_out == {"rest": {"not there": 1, "a word stands twice": 2}}
    row = next(r for r in found.rows if r.group == "section=rest")
    assert (row.value, row.reason, row.n, row.n_left_out) == (
        None,
        "fewer than 10 questions can be asked",
        1,
        3,
    )
    whole = next(r for r in found.rows if r.group.startswith("section=all"))
    assert (whole.n, whole.n_left_out) == (57, 3)
    assert found.panels[2].labels["rows"] == [["moved, or so", 56, 0], ["rest", 1, 3]]


def test_intervals_are_wider_than_over_questions() -> None:
    found = analogies(*made(12, offset=1.0, noise=0.6))
    row = next(r for r in found.rows if r.metric == "accuracy")
    assert row.value is not None
    assert 0.1 < row.value < 0.9
    naive = 2 * 1.96 * np.sqrt(row.value * (1 - row.value) / row.n)
    assert row.high - row.low > 1.3 * naive


def test_one_question_alone_has_no_interval() -> None:
    vectors, questions = made()
    found = analogies(vectors, questions[:1])
    row = next(r for r in found.rows if r.metric == "accuracy")
    assert (row.value, row.low, row.interval) == (1.0, None, "")
    assert "1 of 1 question can be asked" in found.summary
    assert "  " not in found.summary


def test_bad_input() -> None:
    vectors, questions = made()
    with pytest.raises(DataError, match=r"none of 1 question can be asked of 36 words \(not there\)"):
        analogies(vectors, [Analogy("s", "a", "b", "c", "d")])
    with pytest.raises(DataError, match="all 5 vectors are identical"):
        analogies(WordVectors(tuple("abcde"), np.ones((5, 3)), "made", ""), questions)
    with pytest.raises(DataError, match="1 word: analogies need four or more"):
        analogies(WordVectors(("a",), np.ones((1, 3)), "made", ""), questions)
    with pytest.raises(DataError, match="a word's vector is 0"):
        analogies(WordVectors(tuple("abcde"), np.zeros((5, 3)), "made", ""), questions)
    with pytest.raises(DataError, match="none of 0 questions"):
        analogies(vectors, [])
