"""Numbers under a plane: against slow plain twins, scikit-learn, and cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import trustworthiness

from probekit.maths.planes import faith, lay_over, same_label_chance, same_label_share


def spread(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def distances(X: np.ndarray) -> np.ndarray:
    return squareform(pdist(X))


def slow_stress(space: np.ndarray, plane: np.ndarray) -> float:
    """The least over a fine grid of scales."""
    pairs = [(i, j) for i in range(len(space)) for j in range(i)]
    d = np.array([space[i, j] for i, j in pairs])
    e = np.array([plane[i, j] for i, j in pairs])
    return min(float(np.sqrt(((d - s * e) ** 2).sum() / (d**2).sum())) for s in np.linspace(0, 5, 5001))


def slow_kept(space: np.ndarray, plane: np.ndarray, k: int) -> float:
    shares = []
    for i in range(len(space)):
        others = [j for j in range(len(space)) if j != i]
        near = [set(sorted(others, key=lambda j: (d[i, j], j))[:k]) for d in (space, plane)]
        shares.append(len(near[0] & near[1]) / k)
    return float(np.mean(shares))


@settings(max_examples=6, deadline=None)
@given(st.integers(5, 25), st.integers(0, 10_000))
def test_faith_equals_plain_twins(n: int, seed: int) -> None:
    X, flat = spread(n, 6, seed), spread(n, 2, seed + 1)
    k = 2
    found = faith(distances(X), distances(flat), k)
    assert found.stress == pytest.approx(slow_stress(distances(X), distances(flat)), abs=1e-3)
    assert found.kept == pytest.approx(slow_kept(distances(X), distances(flat), k))
    assert found.trustworthiness == pytest.approx(trustworthiness(X, flat, n_neighbors=k))
    assert found.chance == k / (n - 1)


def test_a_plane_of_any_size_is_perfect_where_the_space_is_a_plane() -> None:
    X = spread(30, 2, 0)
    found = faith(distances(X), distances(0.001 * X), 5)
    assert (found.stress, found.trustworthiness, found.kept) == (0.0, 1.0, 1.0)


def test_equal_points_are_never_their_own_neighbours() -> None:
    X = np.repeat(spread(3, 2, 0), 2, axis=0)  # three pairs of equal points
    share = same_label_share(distances(X), np.array([0, 0, 1, 1, 2, 2]), neighbours=1)
    assert (
        share.tolist() == [1.0] * 6
    )  # a point that met itself would be right too, but one of 5 must be its copy
    other = same_label_share(distances(X), np.array([0, 1, 0, 1, 0, 1]), neighbours=1)
    assert other.tolist() == [0.0] * 6


def test_trustworthiness_is_none_where_its_norm_is_not_made_for_so_many_neighbours() -> None:
    X = spread(6, 3, 0)
    assert np.isnan(faith(distances(X), distances(X[:, :2]), 3).trustworthiness)


def test_chance_of_equal_labels_is_the_mean_over_permutations() -> None:
    rng = np.random.default_rng(0)
    codes = np.array([0] * 12 + [1] * 5 + [2] * 3)
    d = distances(spread(20, 3, 1))
    drawn = [same_label_share(d, rng.permutation(codes), 4).mean() for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(same_label_chance(codes), abs=0.01)
    assert same_label_chance(codes) != pytest.approx(
        ((codes[:, None] == codes).mean()), abs=1e-3
    )  # not with itself


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0.2, 5.0))
def test_lay_over_undoes_turn_mirror_and_shift_and_never_stretches(
    seed: int, mirror: bool, size: float
) -> None:
    X = spread(15, 2, seed)
    angle = np.random.default_rng(seed).uniform(0, 6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = size * (X @ turn) * ([1, -1] if mirror else [1, 1]) + [3, -8]
    laid, fit = lay_over(moved, X)
    assert np.allclose(laid, size * (X - X.mean(axis=0)), atol=1e-8)
    assert fit == pytest.approx(1.0)


def test_fit_of_planes_without_relation_is_far_from_one() -> None:
    laid, fit = lay_over(spread(500, 2, 1), spread(500, 2, 2))
    assert fit < 0.05
    assert np.allclose(distances(laid), distances(spread(500, 2, 1)))
    assert np.isnan(lay_over(np.zeros((4, 2)), spread(4, 2, 0))[1])
