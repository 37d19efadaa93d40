"""How far rows moved between two versions of one model, and how much of that is one shift of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import DataError

Array = np.ndarray[Any, Any]


def relative_change(before: Array, after: Array) -> Array:
    """Length of each row's change as a share of the row's own length before, float64[n]; NaN for a row of zeros.

    `before` and `after` are [n, dim] over the same rows; DataError where their shapes differ.

    >>> relative_change(np.array([[3.0, 4.0]]), np.array([[3.0, 9.0]])).tolist()
    [1.0]
    """
    before, after = _paired(before, after)
    lengths = np.linalg.norm(before, axis=1)
    moved = np.linalg.norm(after - before, axis=1)
    return np.asarray(np.divide(moved, lengths, out=np.full(len(before), np.nan), where=lengths > 0))


def row_cosines(before: Array, after: Array) -> Array:
    """Cosine of each row with itself as it was, float64[n]; NaN where either is a row of zeros.

    >>> row_cosines(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 0.0]
    """
    before, after = _paired(before, after)
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    products = np.einsum("ij,ij->i", before, after)
    return np.asarray(np.divide(products, lengths, out=np.full(len(before), np.nan), where=lengths > 0))


def common_shift(before: Array, after: Array) -> float:
    """Share of the squared change that is one vector added to every row: 1 where all moved alike, NaN where none did.

    A linear probe that is fitted anew with an intercept is blind to this share.

    >>> common_shift(np.eye(3), np.eye(3) + 2.0)
    1.0
    """
    before, after = _paired(before, after)
    change = after - before
    total = float((change**2).sum())
    if not total:
        return float("nan")
    return float(len(change) * (change.mean(axis=0) ** 2).sum() / total)


def _paired(before: Array, after: Array) -> tuple[Array, Array]:
    before, after = (np.asarray(side, dtype=np.float64) for side in (before, after))
    if before.shape != after.shape or before.ndim != 2:
        raise DataError(
            f"rows before and after must be the same, [rows, dimensions]; got {before.shape} and {after.shape}"
        )
    return before, after
