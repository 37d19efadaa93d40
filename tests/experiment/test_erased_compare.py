"""Means and paired differences: against plain loops, with units left out, and corrected over the family."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.experiment.erased_compare import Ground
from probekit.maths.resampling import holm, paired_difference
from probekit.results.measurement import Measurement

ROW = Measurement(metric="used", reason="not measured")


def test_a_mean_leaves_out_what_has_no_value() -> None:
    values = np.array([1.0, 0.0, np.nan, 1.0])
    row = Ground(np.arange(4), "items", 200).mean(ROW, values)
    assert (row.value, row.n, row.n_left_out) == (pytest.approx(2 / 3), 3, 1)
    assert row.low < row.value < row.high
    assert "items" in row.interval
    nothing = Ground(np.arange(2), "items", 200).mean(ROW, np.full(2, np.nan))
    assert nothing.value is None
    assert nothing.reason == "every unit was left out"


def test_all_alike_is_not_certain() -> None:
    row = Ground(np.arange(5), "items", 200).mean(ROW, np.ones(5))
    assert row.value == row.high == 1.0
    assert row.low == pytest.approx(0.025 ** (1 / 5))
    shares = Ground(np.arange(5), "items", 200).mean(ROW, np.full(5, 0.5))
    assert (shares.value, shares.low, shares.high) == (0.5, 0.5, 0.5)


def test_differences_are_paired_tested_by_cluster_and_corrected_over_the_family() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(30), 2)
    a = rng.integers(0, 2, (3, 60)).astype(float)
    b = np.stack([a[0] * (rng.random(60) > 0.6), rng.permutation(a[1]), a[2]])
    rows = Ground(cluster, "clusters of items", 300).differences([ROW] * 3, list(zip(a, b, strict=True)))
    plain = [paired_difference(x, y, cluster, resamples=300) for x, y in zip(a, b, strict=True)]
    for row, one in zip(rows, plain, strict=True):
        assert row.value == pytest.approx(one.difference)
        assert (row.low, row.high) == (pytest.approx(one.low), pytest.approx(one.high))
        assert row.p == pytest.approx(one.p, abs=0.02)  # other flips
        assert row.family_size == 3
        assert row.interval.startswith("paired cluster bootstrap over clusters of items")
    assert [row.p_adjusted for row in rows] == pytest.approx(holm(np.array([row.p for row in rows])).tolist())
    assert rows[0].p_adjusted < 0.01 < 0.9 < rows[2].p_adjusted


def test_what_either_lacks_is_left_out_of_that_difference_alone() -> None:
    a = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    b = np.array([[np.nan, 0.0, 0.0, 0.0], [np.nan] * 4])
    first, second = Ground(np.arange(4), "items", 100).differences([ROW] * 2, list(zip(a, b, strict=True)))
    assert (first.value, first.n, first.n_left_out, first.family_size) == (pytest.approx(2 / 3), 3, 1, 1)
    assert second.value is None
    assert second.reason == "no unit was answered by both"
