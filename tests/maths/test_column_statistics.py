"""Streamed statistics of columns equal those of the whole, whatever the batches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.column_statistics import ColumnStatistics, middles


def streamed(X: np.ndarray, size: int) -> ColumnStatistics:
    seen = ColumnStatistics(X.shape[1])
    for start in range(0, len(X), size):
        seen.add(X[start : start + size])
    return seen


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 120), st.integers(1, 50), st.integers(0, 1000))
def test_any_batches_give_the_statistics_of_the_whole(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, 4)) * [1e-2, 1, 30, 0] + [0, 1000, -3, 2]).astype(np.float32)
    seen, exact = streamed(X, size), X.astype(np.float64)
    assert seen.n == n
    np.testing.assert_allclose(seen.mean, exact.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(seen.spread, exact.std(axis=0), rtol=1e-6, atol=1e-9)
    assert seen.spread[3] == 0
    assert seen.low.tolist() == X.min(axis=0).tolist()
    assert seen.high.tolist() == X.max(axis=0).tolist()
    np.testing.assert_allclose(seen.share_positive, (X > 0).mean(axis=0))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.floats(0.001, 1), st.integers(0, 1000))
def test_quantiles_are_within_a_sixteenth_of_the_value(n: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, 5)) * [1e-5, 0.1, 1, 50, 0]).astype(np.float32)
    exact = np.quantile(X, share, axis=0, method="inverted_cdf")
    found = streamed(X, 37).quantile(share)
    assert (np.abs(found - exact) <= np.abs(exact) / 16 + 1e-3).all()


def test_bins_ascend_and_hold_every_value_once() -> None:
    assert (np.diff(middles()) > 0).all()
    X = np.array([[-5000.0], [-1.0], [-1e-9], [0.0], [-0.0], [1e-9], [1.0], [5000.0]], np.float32)
    seen = streamed(X, 3)
    assert seen.counts is not None
    assert seen.counts.sum() == len(X)
    assert seen.quantile(1.0)[0] == 5000  # extremes are exact though their bin is shared
    assert seen.quantile(0.0001)[0] <= middles()[0]


def test_nothing_seen_yet_and_an_empty_batch() -> None:
    seen = ColumnStatistics(2)
    seen.add(np.zeros((0, 2), np.float32))
    assert np.isnan(seen.quantile(0.5)).all()
    assert np.isnan(ColumnStatistics(2, sketch=False).quantile(0.5)).all()
