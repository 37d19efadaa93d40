"""Scores over seeds: values and both intervals against plain twins that resample predictions one by one."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.adaptation.comparison_scores import Scores, mean_of_defined
from probekit.maths.resampling import draw_weights
from probekit.maths.scores import score

RNG = np.random.default_rng(0)
CLUSTER = np.repeat(np.arange(20), 2)
GOLD = RNG.integers(0, 3, size=40)
ANSWERS = np.where(RNG.random((4, 40)) < 0.7, GOLD, (GOLD + 1) % 3)


def units_of(weights: np.ndarray) -> np.ndarray:
    """The units of a resample: each cluster's as often as it was drawn."""
    return np.concatenate(
        [np.flatnonzero(c == CLUSTER).repeat(int(times)) for c, times in enumerate(weights)]
    )


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1", "mcc"])
def test_resamples_are_those_of_whole_predictions(metric: str) -> None:
    scores = Scores(GOLD, ANSWERS, CLUSTER, 3, resamples=30)
    weights = np.concatenate(list(draw_weights(20, 30, 0)))
    plain = np.array([
        [score(metric, GOLD[own], one[own], 3) for one in ANSWERS] for own in map(units_of, weights)
    ])  # fmt: skip
    np.testing.assert_allclose(scores.draws(metric), plain)
    assert scores.value(metric) == pytest.approx(np.mean([score(metric, GOLD, one, 3) for one in ANSWERS]))
    low, high = np.quantile(plain.mean(axis=1), [0.025, 0.975])
    assert scores.interval(metric)[1:] == pytest.approx((low, high))


@pytest.mark.parametrize("metric", ["r2", "pearson", "spearman"])
def test_numbers_likewise(metric: str) -> None:
    gold = RNG.normal(size=40)
    answers = gold + RNG.normal(size=(3, 40))
    scores = Scores(gold, answers, CLUSTER, 0, resamples=20)
    weights = np.concatenate(list(draw_weights(20, 20, 0)))
    plain = [[score(metric, gold[own], one[own]) for one in answers] for own in map(units_of, weights)]
    np.testing.assert_allclose(scores.draws(metric), plain, atol=1e-9)


def test_both_sources_of_chance_add_up_and_few_seeds_are_not_taken_for_many() -> None:
    # 400 units of which seeds get 60 % to 90 % right, independently: the variance of the mean over 3 seeds is
    # (variance between seeds) / 3, where a plain draw of 3 of 3 seeds would have two thirds of it
    rng = np.random.default_rng(1)
    gold = np.zeros(400, np.int64)
    answers = (rng.random((3, 400)) > np.array([[0.6], [0.75], [0.9]])).astype(np.int64)
    scores = Scores(gold, answers, np.arange(400), 2, resamples=4000)
    seeds, items = scores.per_seed("accuracy").var(ddof=1) / 3, scores.over_items("accuracy").var()
    both = scores.over_both("accuracy").var()
    assert both == pytest.approx(seeds + items, rel=0.12)
    assert both > 1.3 * (seeds * 2 / 3 + items)
    assert scores.sd("accuracy") == pytest.approx(scores.per_seed("accuracy").std(ddof=1))


def test_seeds_are_drawn_for_each_strategy_by_itself_and_sentences_for_all_alike() -> None:
    one, other = (Scores(GOLD, ANSWERS, CLUSTER, 3, stream=stream, resamples=50) for stream in (0, 1))
    np.testing.assert_array_equal(one.over_items("accuracy"), other.over_items("accuracy"))
    assert (one.over_both("accuracy") != other.over_both("accuracy")).any()


def test_one_seed_has_no_interval_over_seeds_and_a_fixed_answer_that_of_sentences() -> None:
    single = Scores(GOLD, ANSWERS[:1], CLUSTER, 3, resamples=20)
    assert single.sd("accuracy") is None
    assert np.isnan(single.total("accuracy").low)
    fixed = Scores(GOLD, ANSWERS[:1], CLUSTER, 3, resamples=20, fixed=True)
    assert fixed.total("accuracy") == fixed.interval("accuracy")


def test_an_accuracy_of_one_has_exact_bounds() -> None:
    scores = Scores(GOLD, GOLD[None], CLUSTER, 3, resamples=20)
    value, low, high = scores.interval("accuracy")
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(0.025 ** (1 / 20))


def test_labels_by_hand_and_one_never_predicted() -> None:
    gold, answers = np.array([0, 0, 1, 2]), np.array([[0, 1, 1, 1], [0, 0, 1, 1]])
    scores = Scores(gold, answers, np.arange(4), 3, resamples=200)
    precision, low, high = scores.by_label("precision")
    np.testing.assert_allclose(precision, [1.0, (1 / 3 + 1 / 2) / 2, np.nan])
    assert np.isnan(low[2])
    np.testing.assert_allclose(scores.by_label("recall")[0], [0.75, 1.0, 0.0])
    assert low[1] <= precision[1] <= high[1]


def test_the_mean_of_what_is_defined() -> None:
    values = np.array([[1.0, np.nan], [2.0, np.nan]])
    np.testing.assert_array_equal(mean_of_defined(values, axis=0), [1.5, np.nan])
