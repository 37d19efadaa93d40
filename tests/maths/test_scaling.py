"""Points in a plane from their distances: recovered where a plane allows it, never worse than where it began."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.scaling import classical_scaling, distances, scale_to_plane


def points(seed: int, n: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def stress(distance: np.ndarray, found: np.ndarray) -> float:
    total = 0.0
    for i in range(len(found)):
        for j in range(i):
            total += (distance[i, j] - float(np.linalg.norm(found[i] - found[j]))) ** 2
    return total


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.integers(3, 12))
def test_a_plane_is_recovered(seed: int, n: int) -> None:
    apart = distances(points(seed, n, 2))
    np.testing.assert_allclose(distances(scale_to_plane(apart)), apart, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.integers(4, 12))
def test_the_stress_only_falls(seed: int, n: int) -> None:
    apart = distances(points(seed, n, 6))
    path = [stress(apart, scale_to_plane(apart, steps=steps, starts=1)) for steps in (0, 1, 3, 30)]
    assert np.isclose(path[0], stress(apart, classical_scaling(apart)), rtol=1e-9)
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(path))
    assert path[-1] < path[0]


def test_it_is_as_good_as_another_implementation() -> None:
    """That of scikit-learn, from several random places, finds no plane that is clearly better."""
    from sklearn.manifold import smacof

    apart = distances(points(3, 10, 5))
    other, _ = smacof(apart, n_components=2, n_init=4, random_state=0, normalized_stress=False, max_iter=500)
    assert stress(apart, scale_to_plane(apart)) <= 1.01 * stress(apart, other)
    assert stress(apart, scale_to_plane(apart, starts=1)) > 1.05 * stress(apart, other)  # hence several


def test_distances_that_no_space_has_are_laid_out_too() -> None:
    apart = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 1.0], [5.0, 1.0, 0.0]])  # no triangle
    found = scale_to_plane(apart)
    assert np.isfinite(found).all()
    line = distances(found)
    assert np.isclose(line[0, 2], line[0, 1] + line[1, 2], atol=1e-4)


def test_alike_and_alone() -> None:
    assert not scale_to_plane(np.zeros((4, 4))).any()
    assert scale_to_plane(np.zeros((1, 1))).tolist() == [[0.0, 0.0]]
    two = scale_to_plane(np.array([[0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_allclose(two, [[1, 0], [-1, 0]], atol=1e-12)


def test_the_same_every_time() -> None:
    apart = distances(points(1, 8, 4))
    assert np.array_equal(scale_to_plane(apart), scale_to_plane(apart.copy()))
