"""Moments of a stream equal those of numpy over the whole, however the rows are cut, ordered, placed and scaled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.maths import moments as module
from probekit.maths.moments import Moments

RNG = np.random.default_rng(0)


def cut(n: int, cuts: list[int]) -> list[slice]:
    edges = sorted({0, n, *(c % n for c in cuts)})
    return [slice(a, b) for a, b in pairwise(edges)]


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
    far=st.sampled_from([0.0, 3.0, 1e4]),
    dtype=st.sampled_from([np.float64, np.float32]),
    chunk=st.sampled_from([3, 7, 2048]),
    pending=st.sampled_from([1, 2, 256]),
    ordered=st.booleans(),
)
def test_a_stream_equals_the_whole(cuts, far, dtype, chunk, pending, ordered) -> None:
    rng = np.random.default_rng(len(cuts))
    n, dim = 60, 5
    codes = rng.integers(0, 4, n)
    if ordered:
        codes.sort()  # the first chunks are far from the mean of all
    X = (rng.normal(size=(n, dim)) + 5.0 * codes[:, None] + far).astype(dtype)
    Z = rng.normal(size=(n, 2)) + X[:, :2]
    one, two = Moments(dim), Moments(dim)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "PENDING", pending)
        for rows in cut(n, cuts):
            one.add_classes(X[rows], codes[rows])
            two.add_numbers(X[rows], Z[rows])
    exact = X.astype(np.float64)
    close = {"rtol": 1e-12, "atol": 1e-11} if dtype == np.float64 else {"rtol": 2e-6, "atol": 2e-5}
    for seen in (one, two):
        assert seen.n == n
        np.testing.assert_allclose(seen.mean, exact.mean(axis=0), rtol=1e-7 if dtype == np.float32 else 1e-13)
        np.testing.assert_allclose(seen.covariance(), np.cov(exact.T, bias=True), **close)
    expected = np.stack([exact[codes == c].mean(axis=0) for c in range(4)])
    single = dtype == np.float32
    np.testing.assert_allclose(
        one.class_means(), expected, rtol=1e-7 if single else 1e-13, atol=3e-6 if single else 1e-13
    )
    mean_z, cross, spread = two.number_covariances()
    whole = np.cov(np.concatenate([exact, Z], axis=1).T, bias=True)
    np.testing.assert_allclose(mean_z, Z.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        cross, whole[:dim, dim:], rtol=1e-6, atol=1e-4 * (far > 10) + 1e-9 + close["atol"]
    )
    np.testing.assert_allclose(spread, whole[dim:, dim:], rtol=1e-7, atol=1e-9)


def test_a_mean_large_against_the_spread_costs_no_digits() -> None:
    # the plain mean of squares less the square of the mean, in float32, is off by more than the variance itself
    X = (RNG.normal(size=(5000, 3)) + 4096.0).astype(np.float32)
    naive = (X.T @ X) / np.float32(5000) - np.outer(X.mean(axis=0), X.mean(axis=0))
    exact = np.cov(X.astype(np.float64).T, bias=True)
    assert np.abs(naive - exact).max() > 0.5
    seen = Moments(3)
    seen.add(X)
    np.testing.assert_allclose(seen.covariance(), exact, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_constant_feature_has_no_variance_at_all(dtype) -> None:
    X = RNG.normal(size=(5000, 4)).astype(dtype)
    X[:, 1], X[:, 3] = 0.1, 12345.678
    seen = Moments(4)
    for start in range(0, 5000, 700):
        seen.add(X[start : start + 700])
    covariance = seen.covariance()
    assert not covariance[[1, 3]].any()
    assert not covariance[:, [1, 3]].any()
    assert covariance[0, 0] > 0.9


def test_many_classes_are_summed_like_few() -> None:
    X, codes = RNG.normal(size=(900, 6)), RNG.integers(0, 200, 900)
    codes[0] = 250  # some codes in between have no row
    seen = Moments(6)
    seen.add_classes(X, codes)
    expected = np.stack(
        [X[codes == c].mean(axis=0) if (codes == c).any() else np.zeros(6) for c in range(251)]
    )
    np.testing.assert_allclose(seen.class_means(), expected, atol=1e-13)
    assert seen.class_counts.sum() == 900


def test_double_multiplies_float32_in_float64() -> None:
    X = RNG.normal(size=(400, 3)).astype(np.float32)
    coarse, fine = Moments(3), Moments(3, double=True)
    coarse.add(X)
    fine.add(X)
    exact = np.cov(X.astype(np.float64).T, bias=True)
    assert np.abs(fine.covariance() - exact).max() < 1e-14
    assert coarse.eps == np.finfo(np.float32).eps > fine.eps


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_by_its_row_and_not_added(bad: float) -> None:
    X = RNG.normal(size=(3000, 2))
    X[2500, 1] = bad
    seen = Moments(2)
    with pytest.raises(DataError, match="row 2500"):
        seen.add_classes(X, np.zeros(3000, np.int64))
    assert seen.n == 2048
    assert np.isfinite(seen.covariance()).all()


def test_numbers_too_large_to_multiply_are_refused() -> None:
    with pytest.raises(DataError, match="too large for products in float32"):
        Moments(2).add(np.array([[1e30, 0.0], [0.0, 1.0]], dtype=np.float32))
