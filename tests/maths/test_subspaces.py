"""Bases span what they are made of; angles by hand, and where cosines alone would lose them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from probekit.maths.subspaces import orthonormal_basis, orthonormal_range, principal_angles


def test_a_basis_spans_its_vectors_and_no_more() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(7, 3)) @ rng.normal(size=(3, 6)) * 1e-8
    basis = orthonormal_basis(vectors)
    assert basis.shape == (7, 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(basis @ basis.T @ vectors, vectors, atol=1e-22)
    assert orthonormal_basis(np.zeros((4, 2))).shape == (4, 0)
    assert orthonormal_basis(np.zeros((4, 0))).shape == (4, 0)


def test_a_range_is_that_of_the_product() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(6, 3)), rng.normal(size=(3, 6))
    right[1] = 0.0  # the second column of left is read by nothing
    basis = orthonormal_range(left, right)
    assert basis.shape == (6, 2)
    np.testing.assert_allclose(principal_angles(basis, orthonormal_basis(left @ right)), 0.0, atol=1e-6)
    assert orthonormal_range(np.zeros((6, 0)), np.zeros((0, 6))).shape == (6, 0)


def test_angles_by_hand() -> None:
    plane = np.eye(4)[:, :2]
    turned = np.stack([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, np.sqrt(3.0), 0.0]], axis=1)
    np.testing.assert_allclose(principal_angles(plane, turned), [0.0, 60.0], atol=1e-10)
    np.testing.assert_allclose(principal_angles(plane, np.eye(4)[:, 2:]), [90.0, 90.0])
    assert principal_angles(plane, np.zeros((4, 0))).shape == (0,)


@pytest.mark.parametrize("angle", [1e-9, 1e-4, 0.3, 1.2, np.pi / 2])
def test_small_angles_keep_their_digits(angle: float) -> None:
    a, b = np.array([[1.0], [0.0]]), np.array([[np.cos(angle)], [np.sin(angle)]])
    assert np.radians(principal_angles(a, b)[0]) == pytest.approx(angle, rel=1e-9)


@given(st.integers(0, 500), st.integers(1, 5), st.integers(1, 5))
def test_angles_equal_scipy_and_do_not_depend_on_order(seed: int, k: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(6, k)), rng.normal(size=(6, m))
    found = principal_angles(a, b)
    np.testing.assert_allclose(found, np.degrees(np.sort(subspace_angles(a, b))), atol=1e-5)
    np.testing.assert_allclose(found, principal_angles(b, a), atol=1e-6)
