"""The thin matrices equal the formula written out, on the easy way and on the careful one; shrinkage helps."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.maths.guarding import guarding_directions, orthogonal_directions, shrink

EPS = float(np.finfo(np.float64).eps)


def written_out(covariance: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """W^+ P W with the symmetric root of the pseudoinverse (Belrose et al. 2023, theorem 4.2)."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * values[-1]
    whitening = (vectors[:, kept] * values[kept] ** -0.5) @ vectors[:, kept].T
    span = np.linalg.svd(whitening @ directions, full_matrices=False)
    u = span[0][:, span[1] > 1e-9]
    return np.linalg.pinv(whitening, rcond=1e-9) @ u @ u.T @ whitening


@pytest.mark.parametrize("rows", [200, 6], ids=["full rank", "fewer rows than dimensions"])
@pytest.mark.parametrize("scale", [1.0, 1e3], ids=["even", "one large feature"])
def test_equals_the_formula_written_out(rows: int, scale: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 9)) @ rng.normal(size=(9, 9))
    X[:, 2] *= scale
    X -= X.mean(axis=0)
    directions = X.T @ rng.normal(size=(rows, 2)) / rows
    covariance = X.T @ X / rows
    found = guarding_directions(covariance, directions, eps=EPS, most=2)
    expected = written_out(covariance, directions)
    assert found.rank == 2
    apart = found.left @ found.right - expected
    assert np.abs(apart).max() <= 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(found.right @ found.left, np.eye(2), atol=1e-8)


def test_correlations_are_canonical_and_the_rank_is_capped() -> None:
    found = guarding_directions(np.diag([4.0, 1.0, 9.0]), np.diag([1.0, 1.0, 0.0])[:, :2], eps=EPS, most=2)
    np.testing.assert_allclose(found.correlations, [1.0, 0.5])
    assert guarding_directions(np.eye(3), 0.1 * np.eye(3), eps=EPS, most=1).rank == 1


def test_nothing_varies_and_nothing_correlates() -> None:
    assert guarding_directions(np.zeros((3, 3)), np.zeros((3, 1)), eps=EPS, most=1).left.shape == (3, 0)
    assert guarding_directions(np.eye(3), np.zeros((3, 2)), eps=EPS, most=2).rank == 0


def test_small_scales_are_no_reason_to_overlook_a_direction() -> None:
    # the concept lies in a feature 10^12 times smaller than the other; a cut on covariances would lose it
    found = guarding_directions(np.diag([1.0, 1e-24]), np.array([[0.0], [1e-12]]), eps=EPS, most=1)
    np.testing.assert_allclose(found.left @ found.right, np.diag([0.0, 1.0]))


def test_a_given_tolerance_is_a_share_of_the_largest_eigenvalue_and_leaves_no_concept() -> None:
    covariance = np.array([[1.0, 0.99], [0.99, 1.0]])  # eigenvalues 1.99 along and 0.01 across the diagonal
    directions = np.array([[0.55], [0.5]])
    found = {
        tolerance: guarding_directions(covariance, directions, eps=EPS, most=1, tolerance=tolerance)
        for tolerance in (None, 0.004, 0.006, 0.5)
    }
    for one in found.values():
        np.testing.assert_allclose(one.left @ one.right @ directions, directions, atol=1e-12)
    # what reads is Sigma^-1 times the directions; from 0.005 on the small eigenvalue counts as larger than it is
    across = {t: float(np.subtract(*one.right[0]) / one.right[0].sum()) for t, one in found.items()}
    assert across[None] == pytest.approx((0.05 / 0.01) / (1.05 / 1.99))
    assert across[0.004] == pytest.approx(across[None])
    assert across[0.006] == pytest.approx((0.05 / (0.006 * 1.99)) / (1.05 / 1.99))
    assert across[0.5] == pytest.approx((0.05 / (0.5 * 1.99)) / (1.05 / 1.99))


def test_what_did_not_vary_is_read_only_where_the_concept_shows() -> None:
    covariance = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # nothing across the first two
    along = guarding_directions(covariance, np.array([[0.5], [0.5], [0.2]]), eps=EPS, most=1)
    assert abs(float(along.right[0] @ [1.0, -1.0, 0.0])) < 1e-12
    across = guarding_directions(covariance, np.array([[0.5 + 1e-9], [0.5], [0.2]]), eps=EPS, most=1)
    np.testing.assert_allclose(
        across.left @ across.right @ [0.5 + 1e-9, 0.5, 0.2], [0.5 + 1e-9, 0.5, 0.2], atol=1e-15
    )


def test_orthogonal_directions_span_the_given_ones() -> None:
    given = np.random.default_rng(0).normal(size=(5, 2)) @ np.array([[1.0, 1.0, 2.0], [0.0, 1e-3, 1e-3]])
    basis = orthogonal_directions(given, 2)
    np.testing.assert_allclose(basis @ basis.T @ given, given, atol=1e-14)


@pytest.mark.parametrize(("dim", "n"), [(20, 15), (20, 60), (50, 100)])
def test_shrinking_comes_nearer_to_the_truth(dim: int, n: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth = np.diag(np.linspace(0.5, 2.0, dim))
        X = rng.normal(size=(n, dim)) @ np.sqrt(truth)
        sample = np.cov(X.T, bias=True)
        assert np.linalg.norm(shrink(sample, n) - truth) < np.linalg.norm(sample - truth)
    assert np.trace(shrink(sample, n)) == pytest.approx(np.trace(sample))


def test_shrinking_leaves_a_sphere_and_much_data_alone() -> None:
    np.testing.assert_allclose(shrink(2.0 * np.eye(3), 10), 2.0 * np.eye(3))
    np.testing.assert_allclose(shrink(np.diag([1.0, 2.0]), 10**9), np.diag([1.0, 2.0]), atol=1e-6)
    np.testing.assert_allclose(shrink(np.zeros((2, 2)), 3), 0.0)
