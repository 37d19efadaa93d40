"""Transport maps carry one covariance to the other and cost least; the barycentre is a fixed point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.transport import barycentre, root, transport_map


def covariance(rng: np.random.Generator, dim: int = 4) -> np.ndarray:
    factor = rng.normal(size=(dim, 2 * dim))
    return factor @ factor.T / dim


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_roots_and_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = covariance(rng), covariance(rng)
    np.testing.assert_allclose(root(a) @ root(a), a, atol=1e-10)
    np.testing.assert_allclose(root(a, -0.5) @ a @ root(a, -0.5), np.eye(4), atol=1e-7)
    t = transport_map(a, b)
    np.testing.assert_allclose(t, t.T)
    np.testing.assert_allclose(t @ a @ t.T, b, atol=1e-7)
    assert np.linalg.eigvalsh(t).min() > 0
    # any other map of a to b is t followed by a rotation of b: it moves more
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    other = root(b) @ turn @ root(b, -0.5) @ t
    np.testing.assert_allclose(other @ a @ other.T, b, atol=1e-7)
    cost = [np.trace((m - np.eye(4)) @ a @ (m - np.eye(4)).T) for m in (t, other)]
    assert cost[0] <= cost[1] + 1e-9


def test_the_barycentre_of_numbers_averages_deviations_not_variances() -> None:
    found = barycentre(np.array([[[1.0]], [[9.0]], [[25.0]]]), np.array([0.5, 0.25, 0.25]))
    assert found[0, 0] == pytest.approx((0.5 * 1 + 0.25 * 3 + 0.25 * 5) ** 2)


def test_the_barycentre_is_moved_nowhere_by_the_mean_of_its_maps() -> None:
    rng = np.random.default_rng(3)
    given_, weights = np.stack([covariance(rng) for _ in range(4)]), np.array([0.1, 0.2, 0.3, 0.4])
    center = barycentre(given_, weights)
    mean_map = sum(w * transport_map(center, s) for w, s in zip(weights, given_, strict=True))
    np.testing.assert_allclose(mean_map, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(barycentre(np.stack([center] * 2), np.array([0.5, 0.5])), center, atol=1e-9)
