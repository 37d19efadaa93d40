"""Subspaces: orthonormal bases, and the angles between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-10  # singular values below this share of the largest one are rounding


def orthonormal_basis(vectors: Array, *, tolerance: float = TOLERANCE) -> Array:
    """Orthonormal columns float64[dim, rank] that span the columns of `vectors` [dim, k].

    The rank counts the singular values above `tolerance` times the largest one.

    >>> orthonormal_basis(np.array([[2.0, 4.0], [0.0, 0.0]])).shape
    (2, 1)
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if not vectors.size or not vectors.any():
        return np.zeros((vectors.shape[0], 0))
    u, s, _ = np.linalg.svd(vectors, full_matrices=False)
    basis: Array = u[:, s > tolerance * s[0]]
    return basis


def orthonormal_range(left: Array, right: Array, *, tolerance: float = TOLERANCE) -> Array:
    """Orthonormal columns float64[dim, rank] that span the range of left @ right, which is not formed.

    `left` is [dim, k], `right` [k, dim]; what counts as rank is measured on the product, so that a column of `left`
    which no row of `right` reads adds nothing.

    >>> orthonormal_range(np.eye(2), np.array([[1.0, 1.0], [1.0, 1.0]])).shape
    (2, 1)
    """
    if not right.size:
        return np.zeros((left.shape[0], 0))
    rows, columns = np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=0)
    both = (rows > 0) & (columns > 0)
    # features in units in which both factors are alike: a similarity, which leaves the rank of a map as it is
    units = np.where(both, np.sqrt(np.divide(rows, columns, out=np.ones(len(rows)), where=both)), 1.0)
    rank = orthonormal_basis(_product(left / units[:, None], right * units), tolerance=tolerance).shape[1]
    basis: Array = np.linalg.svd(_product(left, right), full_matrices=False)[0][:, :rank]
    return basis


def _product(left: Array, right: Array) -> Array:
    """A matrix [dim, at most k] with the range and the singular values of left @ right."""
    _, triangle = np.linalg.qr(np.asarray(right, dtype=np.float64).T)
    product: Array = left @ triangle.T
    return product


def principal_angles(a: Array, b: Array) -> Array:
    """Principal angles in degrees, ascending, float64[min(rank a, rank b)], between the columns' spans.

    `a` and `b` are [dim, k], not necessarily orthonormal. Small angles are taken from sines, which keep their digits
    where cosines lose them (Bjorck & Golub 1973).

    >>> principal_angles(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])).round(6).tolist()
    [45.0]
    """
    a, b = orthonormal_basis(a), orthonormal_basis(b)
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    cosines = np.linalg.svd(a.T @ b, compute_uv=False)[: b.shape[1]]
    sines = np.sort(np.linalg.svd(b - a @ (a.T @ b), compute_uv=False))[: b.shape[1]]
    small = cosines**2 > 0.5
    angles = np.where(small, np.arcsin(np.minimum(sines, 1.0)), np.arccos(np.clip(cosines, -1.0, 1.0)))
    degrees: Array = np.degrees(angles)
    return degrees
