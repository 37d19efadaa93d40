"""Orthogonal Procrustes: how far two representations of the same rows stay apart when one may be turned onto the other.

Each side is centred and scaled to length 1 as a whole; then min over rotations Q of |X - Y Q|^2 = 2 - 2 |X'Y|_* (the
sum of singular values; Schoenemann 1966). Used for representations by Ding, Denain & Steinhardt 2021.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import DataError
from probekit.maths.cka import paired_rows

Array = np.ndarray[Any, Any]


def procrustes(X: Any, Y: Any) -> float:
    """The orthogonal Procrustes distance of rows X [n, p] and Y [n, q]: 0 the same up to rotation and scale, at most 2.

    The narrower side is thought to be filled up with zeros. It shrinks where rows are few, also between unrelated rows.
    Raises DataError for rows that do not fit together or do not vary. Ding, Denain & Steinhardt 2021.

    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> abs(round(pk.procrustes(X, 3 * X[:, ::-1] + 1), 6))
    0.0
    >>> round(pk.procrustes(X, [[0.0], [0.0], [1.0]]), 3)  # one of two directions is missing
    0.156
    """
    X, Y, _ = paired_rows(X, Y)
    X, Y = (side - side.mean(axis=0, dtype=np.float64) for side in (X, Y))
    return distance(float((X**2).sum()), float((Y**2).sum()), X.T @ Y)


def distance(length: float, other: float, cross: Array, *, fast: bool = False) -> float:
    """The distance from both sides' squared lengths and their products [p, q], all on one scale.

    ``fast`` takes half the time and is right to 1e-6 only. Raises DataError where a side does not vary.

    >>> distance(4.0, 9.0, np.diag([6.0, 0.0]))
    0.0
    """
    if not (length > 0 and other > 0):
        raise DataError("rows do not vary: there is nothing to compare")
    overlap = float(singular_values(cross, fast=fast).sum() / np.sqrt(length * other))
    return 2.0 - 2.0 * min(overlap, 1.0)


def singular_values(matrix: Array, *, fast: bool = False) -> Array:
    """The singular values [the smaller side]; ``fast``: as roots of eigenvalues, whose small ones are inexact.

    >>> singular_values(np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]), fast=True).tolist()
    [3.0, 4.0]
    """
    if not fast:
        return np.asarray(np.linalg.svd(matrix, compute_uv=False))
    small = matrix.T if matrix.shape[0] >= matrix.shape[1] else matrix
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(small @ small.T), 0.0)))
