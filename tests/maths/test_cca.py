"""Canonical correlations and their means, against definitions that go another way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.maths.cca import cca, pwcca, svcca
from probekit.maths.procrustes import singular_values

Array = np.ndarray[Any, Any]


def sides(seed: int = 0, n: int = 60) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [9, 5, 2, 1, 0.3] + 4
    return X, X @ rng.normal(size=(5, 4)) + 3 * rng.normal(size=(n, 4))


def slow_cca(X: Array, Y: Array) -> tuple[Array, Array]:
    """Correlations and variates of X: the singular values of the product of orthonormal bases of both column spaces."""
    bases = [np.linalg.svd(side - side.mean(axis=0), full_matrices=False)[0] for side in (X, Y)]
    U, found, _ = np.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    return found, bases[0] @ U


def main_directions(X: Array, kept: float) -> Array:
    U, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    k = next(k for k in range(1, len(values) + 1) if (values[:k] ** 2).sum() >= kept * (values**2).sum())
    return (U * values)[:, :k]


def test_equals_the_bases_of_both_column_spaces() -> None:
    X, Y = sides()
    np.testing.assert_allclose(cca(X, Y), slow_cca(X, Y)[0], atol=1e-10)


def test_first_correlation_is_the_largest_that_weights_find() -> None:
    X, Y = sides()
    first = cca(X, Y)[0]
    rng = np.random.default_rng(1)
    for _ in range(200):
        r = np.corrcoef(X @ rng.normal(size=5), Y @ rng.normal(size=4))[0, 1]
        assert abs(r) <= first + 1e-12


def test_svcca_is_the_mean_over_main_directions() -> None:
    X, Y = sides()
    reduced = [main_directions(side, 0.9) for side in (X, Y)]
    assert reduced[0].shape[1] < 5
    assert svcca(X, Y, kept=0.9) == pytest.approx(slow_cca(*reduced)[0].mean(), abs=1e-10)


def test_pwcca_weighs_by_what_variates_account_for_in_the_first_side() -> None:
    X, Y = sides()
    found, variates = slow_cca(X, Y)
    centred = X - X.mean(axis=0)
    weights = np.array(
        [sum(abs(variates[:, i] @ centred[:, j]) for j in range(5)) for i in range(len(found))]
    )
    assert pwcca(X, Y) == pytest.approx((weights / weights.sum()) @ found, abs=1e-10)
    assert pwcca(X, Y) != pytest.approx(found.mean(), abs=1e-3)
    assert pwcca(X, Y) != pytest.approx(pwcca(Y, X), abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_changes_nothing(seed: int) -> None:
    X, Y = sides(seed)
    rng = np.random.default_rng(seed)
    A, B = (rng.normal(size=(k, k)) + 3 * np.eye(k) for k in (5, 4))
    np.testing.assert_allclose(cca(X @ A + 1, Y @ B - 2), cca(X, Y), atol=1e-8)
    assert svcca(X @ A, Y @ B, kept=1.0) == pytest.approx(svcca(X, Y, kept=1.0), abs=1e-8)
    turn, turn_y = np.linalg.qr(A)[0], np.linalg.qr(B)[0]
    assert svcca(7 * X @ turn, 0.1 * Y @ turn_y) == pytest.approx(svcca(X, Y), abs=1e-8)
    assert pwcca(7 * X, Y @ B - 2) == pytest.approx(pwcca(X, Y), abs=1e-8)


def test_a_dimension_that_repeats_others_adds_no_correlation() -> None:
    X, Y = sides()
    doubled = np.concatenate([X, X[:, :2]], axis=1)
    np.testing.assert_allclose(cca(doubled, Y), cca(X, Y), atol=1e-8)


def test_fast_singular_values() -> None:
    matrix = np.random.default_rng(0).normal(size=(20, 30))
    np.testing.assert_allclose(singular_values(matrix, fast=True)[::-1], singular_values(matrix), atol=1e-6)


def test_rows_too_few_for_the_dimensions_are_refused() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 20)), rng.normal(size=(30, 15))
    with pytest.raises(
        DataError, match="30 rows are too few for canonical correlations of 20 and 15 dimensions"
    ):
        pk.cca(X, Y)
    with pytest.raises(DataError, match="identical"):
        pk.cca(np.ones((30, 2)), Y)
    with pytest.raises(ConfigError, match="kept must be a share above 0"):
        svcca(X, Y, kept=0)
