"""Jackknife intervals: the mean's is the textbook one, groups hold the truth, bounds stay where values can be."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.maths.grouped_moments import GroupedRows, sentence_groups
from probekit.maths.jackknife import describe_jackknife, jackknife_interval


def test_the_interval_of_a_mean_is_the_t_interval() -> None:
    from scipy.stats import sem, t

    x = np.random.default_rng(0).normal(size=12)
    found = jackknife_interval(x.mean(), (x.sum() - x) / 11, fisher=False)
    reach = t.ppf(0.975, 11) * sem(x)
    assert found == pytest.approx((x.mean(), x.mean() - reach, x.mean() + reach))


def test_groups_of_sentences_hold_the_truth_of_a_correlation() -> None:
    held = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        effect, own = rng.normal(size=(60, 2)), np.repeat(np.arange(60), 4)
        rows = (effect[own] + rng.normal(size=(240, 2))) / np.sqrt(2)
        rows[:, 1] = 0.8 * rows[:, 0] + 0.6 * rows[:, 1]
        group = sentence_groups(own, 10, seed)
        values = [np.corrcoef(rows[group != g].T)[0, 1] for g in range(10)]
        found = jackknife_interval(np.corrcoef(rows.T)[0, 1], np.array(values))
        held += found.low <= 0.8 <= found.high
    assert held >= 134  # fewer at a true 95 % happen in 0.3 % of such tests


def test_fishers_scale_keeps_bounds_below_1() -> None:
    found = jackknife_interval(0.99, np.array([0.995, 0.999, 0.98, 0.97, 0.99]))
    assert found.low < 0.99 < found.high < 1
    assert jackknife_interval(1.0, np.ones(8)) == (1.0, 1.0, 1.0)


def test_no_interval_where_none_can_be_had() -> None:
    for value, without in ((0.5, [0.5] * 4), (0.5, [0.4, 0.5, 0.6, 0.5, np.nan]), (np.nan, [0.1] * 9)):
        found = jackknife_interval(value, np.array(without))
        assert np.isnan(found.low)
        assert np.isnan(found.high)
    assert describe_jackknife(10, "groups", "") == "jackknife over 10 groups, t interval, 95%"


def test_groups_keep_sentences_whole_and_even() -> None:
    own = np.repeat(np.arange(23), 3)
    group = sentence_groups(own, 10)
    assert all(len(set(group[own == k])) == 1 for k in range(23))
    assert set(np.bincount(group) // 3) == {2, 3}
    assert sentence_groups(np.array([5, 5, 9]), 10).max() == 1


def test_covariances_without_a_group() -> None:
    rng = np.random.default_rng(0)
    X, Y, group = rng.normal(size=(40, 3)) + 9, rng.normal(size=(40, 2)), rng.integers(0, 5, 40)
    a, b = GroupedRows(X, group), GroupedRows(Y, group)
    products = a.cross(b)
    for without in (None, 0, 3):
        kept = group != (-1 if without is None else without)
        full = np.cov(X[kept].T, Y[kept].T, bias=True)
        np.testing.assert_allclose(a.covariance(b, without, products), full[:3, 3:], atol=1e-12)
        np.testing.assert_allclose(a.covariance(a, without), full[:3, :3], atol=1e-12)
