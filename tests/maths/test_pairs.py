"""Pairs within and between classes: plain twins, ties, clusters, and levels of the permutation test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.pairs import apart, apart_by_chance, apart_draws, mean_draws, p_above
from probekit.maths.ranks import auc


def pairs_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(n, 1)
    return first, second


def slow_area(values: list[float], within: list[bool], times: list[float]) -> float:
    total = right = 0.0
    for v, w, t in zip(values, within, times, strict=True):
        for v2, w2, t2 in zip(values, within, times, strict=True):
            if w and not w2:
                total += t * t2
                right += t * t2 * (1.0 if v > v2 else 0.5 if v == v2 else 0.0)
    return right / total


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=3, max_size=30))
def test_area_is_that_of_the_curve_with_ties(pairs: list[tuple[int, bool]]) -> None:
    values = np.array([v for v, _ in pairs], dtype=float)
    within = np.array([w for _, w in pairs])
    if within.all() or not within.any():
        assert np.isnan(apart(values, within).area)
        return
    assert apart(values, within).area == pytest.approx(auc(values, within.astype(int)))
    assert apart(values, within).difference == pytest.approx(values[within].mean() - values[~within].mean())


@pytest.mark.parametrize("tied", [False, True])
def test_a_resample_is_a_weighted_mean_over_pairs(tied: bool) -> None:
    """The plain twin copies items; a pair of two copies of one item is no pair."""
    from probekit.maths.resampling import draw_weights

    rng = np.random.default_rng(0)
    n = 8
    first, second = pairs_of(n)
    values = rng.integers(0, 4, len(first)).astype(float) if tied else rng.normal(size=len(first))
    codes = rng.integers(0, 3, n)
    within = codes[first] == codes[second]
    draws = apart_draws(values, within, first, second, np.arange(n), resamples=5, seed=3)
    for weights, (difference, area) in zip(np.concatenate(list(draw_weights(n, 5, 3))), draws, strict=True):
        times = weights[first] * weights[second]
        if not times[within].sum() or not times[~within].sum():
            assert np.isnan(area)
            continue
        assert area == pytest.approx(slow_area(values.tolist(), within.tolist(), times.tolist()))
        one, other = (np.average(values[w], weights=times[w]) for w in (within, ~within))
        assert difference == pytest.approx(one - other)


def test_items_of_a_cluster_are_drawn_together() -> None:
    first, second = np.array([0, 1, 0, 1]), np.array([2, 2, 3, 3])
    values, within = np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, True, False, False])
    draws = apart_draws(values, within, first, second, np.array([0, 0, 1, 1]), resamples=40)
    known = draws[np.isfinite(draws).all(axis=1)]
    assert np.allclose(
        known, [0.8, 1.0]
    )  # 2 and 3 are one cluster, so their pairs are there together or not at all
    assert 0 < len(known) < 40


def test_intervals_over_items_are_wider_than_over_pairs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 3))
    codes = np.repeat([0, 1], 20)
    X[codes == 1] += 0.7
    first, second = pairs_of(40)
    values = (X[first] * X[second]).sum(axis=1)
    within = codes[first] == codes[second]
    draws = apart_draws(values, within, first, second, np.arange(40), resamples=400)[:, 0]
    naive = [
        apart(values[pick], within[pick]).difference
        for pick in (rng.integers(0, len(values), len(values)) for _ in range(200))
    ]
    assert np.nanstd(draws) > 1.5 * np.std(naive)


def test_chance_deals_labels_out_within_strata_only() -> None:
    """In each stratum all labels are equal, so a deal changes nothing; over all items it would."""
    codes = np.array([0, 0, 0, 1, 1, 1])
    first, second = pairs_of(6)
    values = (codes[first] == codes[second]).astype(float)
    inside = apart_by_chance(values, codes, first, second, codes, permutations=50)
    assert np.allclose(inside[:, 0], 1.0)
    over = apart_by_chance(values, codes, first, second, np.zeros(6, int), permutations=50)
    assert over[:, 0, 1].mean() < 0.8


def test_chance_of_many_sets_equals_one_by_one_and_a_plain_twin() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, 9)
    first, second = pairs_of(9)
    values = np.round(rng.normal(size=(2, len(first))), 1)
    both = apart_by_chance(values, codes, first, second, np.zeros(9, int), permutations=30, seed=4)
    for i in range(2):
        one = apart_by_chance(values[i], codes, first, second, np.zeros(9, int), permutations=30, seed=4)
        assert np.allclose(both[:, i], one[:, 0], equal_nan=True)
    keys = np.random.default_rng([4, 12]).random((30, 9))
    dealt = codes[np.argsort(keys[0])]
    assert both[0, 1] == pytest.approx(apart(values[1], dealt[first] == dealt[second]))


def test_p_is_uniform_where_there_is_nothing() -> None:
    """Share of p <= 0.1 over 100 data sets without an effect, within the exact binomial bound."""
    from scipy.stats import binom

    first, second = pairs_of(16)
    small = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(16, 4))
        values = (X[first] * X[second]).sum(axis=1)
        codes = rng.integers(0, 2, 16)
        within = codes[first] == codes[second]
        chance = apart_by_chance(values, codes, first, second, np.zeros(16, int), permutations=99, seed=seed)
        small += p_above(apart(values, within).area, chance[:, 0, 1]) <= 0.1
    assert binom.ppf(0.0005, 100, 0.1) <= small <= binom.ppf(0.9995, 100, 0.1)


def test_p_counts_equal_values_and_itself() -> None:
    assert p_above(1.0, np.ones(9)) == 1.0
    assert p_above(1.0, np.zeros(9)) == 0.1
    assert np.isnan(p_above(float("nan"), np.ones(3)))


def test_mean_draws_resample_the_items_of_pairs() -> None:
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    values = np.array([[1.0, 0.0, 0.0]])
    draws = mean_draws(values, first, second, 3, resamples=200)
    from probekit.maths.resampling import draw_weights

    weights = np.concatenate(list(draw_weights(3, 200, 0)))
    times = weights[:, first] * weights[:, second]
    known = times.sum(axis=1) > 0
    assert np.allclose(draws[known, 0], times[known, 0] / times[known].sum(axis=1))
    assert np.isnan(draws[~known]).all()
    assert (~known).any()
