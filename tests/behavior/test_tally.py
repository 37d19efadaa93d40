"""Means and resamples of many columns in many groups, against a loop that draws cluster by cluster."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.behavior.groups import Grouping
from probekit.behavior.tally import tally
from probekit.maths.resampling import draw_weights

RESAMPLES = 40


def made(seed: int, n: int = 60) -> tuple[list[np.ndarray], list[Grouping], np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 2, n).astype(float), rng.random(n)]
    columns[1][rng.random(n) < 0.2] = np.nan  # left out of one column alone
    whole = Grouping("", ("",), np.zeros(n, np.int32))
    parts = Grouping("g", ("g=a", "g=b", "g=c"), rng.integers(-1, 3, n).astype(np.int32))
    return columns, [whole, parts], rng.integers(0, 9, n) * 7


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_every_cell_equals_a_plain_loop(seed: int) -> None:
    columns, groupings, cluster = made(seed)
    found = tally(columns, [True, False], groupings, cluster, resamples=RESAMPLES, seed=3)
    names, codes = np.unique(cluster, return_inverse=True)
    weights = np.concatenate(list(draw_weights(len(names), RESAMPLES, 3)))
    for column, scores in enumerate(columns):
        for group, inside in enumerate([groupings[0].code == 0, *(groupings[1].code == k for k in range(3))]):
            kept = inside & ~np.isnan(scores)
            assert found.n[column, group] == kept.sum()
            assert found.n_clusters[column, group] == len(set(codes[kept]))
            if kept.any():
                assert found.mean[column, group] == pytest.approx(scores[kept].mean())
            for draw, weight in enumerate(weights):
                drawn = np.repeat(scores[kept], weight[codes[kept]].astype(int))
                expected = drawn.mean() if len(drawn) else np.nan
                assert found.draws[draw, column, group] == pytest.approx(expected, nan_ok=True)


def test_a_macro_mean_counts_each_group_alike_and_skips_empty_ones() -> None:
    code = np.array([0, 0, 0, 1, -1], np.int32)
    groupings = [Grouping("", ("",), np.zeros(5, np.int32)), Grouping("g", ("a", "b", "empty"), code)]
    found = tally([np.array([1.0, 1.0, 0.0, 0.0, 1.0])], [True], groupings, np.arange(5), resamples=200)
    bounds, n = found.macro(0, slice(1, 4))
    assert (bounds.value, n) == (pytest.approx((2 / 3 + 0) / 2), 2)
    assert bounds.low < bounds.value < bounds.high
    assert np.isnan(found.macro(0, slice(3, 4))[0].value)


def test_extremes_of_shares_are_exact_and_of_differences_are_not() -> None:
    groupings = [Grouping("", ("",), np.zeros(8, np.int32))]
    found = tally([np.ones(8), np.zeros(8)], [True, False], groupings, np.arange(8) // 2, resamples=100)
    assert found.interval(0, 0).low == pytest.approx(0.025 ** (1 / 4))
    assert tuple(found.interval(1, 0)) == (0.0, 0.0, 0.0)


def test_one_cluster_has_no_bounds() -> None:
    groupings = [Grouping("", ("",), np.zeros(4, np.int32))]
    found = tally([np.array([1.0, 0.0, 1.0, 0.0])], [True], groupings, np.zeros(4, int), resamples=50)
    bounds = found.interval(0, 0)
    assert bounds.value == 0.5
    assert np.isnan(bounds.low)
    assert np.isnan(bounds.high)


def test_nothing_judged_is_nan() -> None:
    groupings = [Grouping("", ("",), np.zeros(2, np.int32))]
    found = tally([np.full(2, np.nan)], [True], groupings, np.arange(2), resamples=20)
    assert np.isnan(found.interval(0, 0).value)
