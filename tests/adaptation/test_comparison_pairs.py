"""When a difference is called shown: with seeds that differ, p over sentences alone would claim far too much."""

from __future__ import annotations

import numpy as np

from probekit.adaptation.comparison_judged import Judged
from probekit.adaptation.comparison_pairs import Difference, against_majority, differences
from probekit.adaptation.comparison_runs import Arm
from probekit.adaptation.comparison_scores import Scores
from probekit.maths.resampling import Interval, holm

N = 400


def judged(name: str, rng: np.random.Generator, hard: np.ndarray, *, better: float = 0.0, spread: float = 0.15,
           seeds: int = 3, stream: int = 0) -> Judged:  # fmt: skip
    """Runs that are right where a threshold, which differs from seed to seed, exceeds how hard a unit is."""
    threshold = 1.4 + better + spread * rng.normal(size=(seeds, 1))
    wrong = 0.8 * hard + 0.6 * rng.normal(size=(seeds, N)) > threshold
    scores = Scores(
        np.zeros(N, np.int64), wrong.astype(np.int64), np.arange(N), 2, stream=stream, resamples=200
    )
    return Judged(Arm(name, "fine-tuning", 1.0, ()), scores, scores)


def compare(better: float, draw: int) -> Difference:
    rng = np.random.default_rng([60, draw])
    hard = rng.normal(size=N)
    sides = [judged("a", rng, hard, better=better, stream=0), judged("b", rng, hard, stream=1)]
    (one,) = differences(sides, ["accuracy"], swaps=199)
    return one


def test_equal_strategies_are_rarely_told_apart_though_p_alone_would() -> None:
    found = [compare(0.0, draw) for draw in range(80)]
    by_p = np.mean([one.p_adjusted < 0.05 for one in found])
    shown = np.mean([one.shown for one in found])
    assert by_p > 0.15
    assert shown <= 0.1


def test_a_large_difference_is_mostly_shown() -> None:
    assert np.mean([compare(0.8, draw).shown for draw in range(20)]) >= 0.8


def test_p_is_corrected_over_the_pairs_of_one_metric() -> None:
    rng = np.random.default_rng(61)
    hard = rng.normal(size=N)
    sides = [judged(name, rng, hard, better=0.3 * i, stream=i) for i, name in enumerate("abcd")]
    found = differences(sides, ["accuracy", "weighted_f1"], swaps=499)
    for metric in ("accuracy", "weighted_f1"):
        own = [one for one in found if one.metric == metric]
        assert [one.family for one in own] == [6] * 6
        np.testing.assert_allclose([one.p_adjusted for one in own], holm(np.array([one.p for one in own])))


def test_the_majority_is_a_family_of_its_own() -> None:
    rng = np.random.default_rng(62)
    gold = rng.integers(0, 2, size=N)
    right = np.where(rng.random((3, N)) < 0.9, gold, 1 - gold)
    good = Scores(gold, right, np.arange(N), 2, resamples=200)
    constant = Scores(gold, np.zeros((1, N), np.int64), np.arange(N), 2, resamples=200, fixed=True)
    arms = [
        Judged(Arm(name, "fine-tuning", share, ()), good, good) for name, share in (("a", 1.0), ("a", 0.1))
    ]
    found = against_majority(
        [*arms, Judged(Arm("b", "fine-tuning", 1.0, ()), None, None)], constant, ["accuracy"]
    )
    assert [(one.a, one.b, one.fraction, one.family, one.shown) for one in found] == [
        ("a", "majority", 1.0, 2, True), ("a", "majority", 0.1, 2, True),
    ]  # fmt: skip


def test_shown_needs_p_and_the_interval_over_seeds() -> None:
    def made(p: float, low: float, high: float) -> bool:
        items = Interval(0.1, 0.05, 0.15)
        return Difference("a", "b", "accuracy", 1.0, items, Interval(0.1, low, high), p, p, 1).shown

    assert made(0.01, 0.02, 0.2)
    assert made(0.01, -0.2, -0.02)
    assert not made(0.01, -0.01, 0.2)
    assert not made(0.2, 0.02, 0.2)
    assert not made(0.01, np.nan, np.nan)
    assert not made(np.nan, 0.02, 0.2)
