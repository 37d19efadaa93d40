"""The mean cosine of rows of different groups, over all such pairs and without making any.

The cosine of two rows is the product of their unit vectors, so the sum over all pairs is the squared length of a sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def unit_rows(X: Array) -> tuple[Array, Array]:
    """Rows [n, dim] scaled to length 1, float32 or float64 as they were, and which of them have a direction, bool [n].

    Rows of zeros stay zeros.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))[0].tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    some = lengths > 0
    units = X / np.where(some, lengths, 1.0)[:, None].astype(X.dtype)
    return units, some


def sums_by(rows: Array, codes: Array, n_codes: int) -> Array:
    """The sum of the rows [n, dim] of each code int[n], float64 [codes, dim].

    >>> sums_by(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 3).tolist()
    [[2.0], [5.0], [0.0]]
    """
    found = np.zeros((n_codes, rows.shape[1]))
    if len(rows):
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
        found[ordered[starts]] = np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64)
    return found


def cosine_parts(sums: Array, sizes: Array) -> Array:
    """What each dimension adds to the mean cosine of two rows of different groups, float64 [dim]; NaN without a pair.

    ``sums`` float64 [groups, dim] of unit rows, ``sizes`` how many rows each group has. The parts add up to the mean
    cosine (Timkey & van Schijndel 2021).

    >>> units = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]])
    >>> cosine_parts(units, np.ones(3)).round(3).tolist()  # the cosines are 0.6, 0.6 and -0.28
    [0.52, -0.213]
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    pairs = sizes.sum() ** 2 - (sizes**2).sum()
    if pairs <= 0:
        return np.full(sums.shape[1], np.nan)
    return np.asarray((sums.sum(axis=0) ** 2 - (sums**2).sum(axis=0)) / pairs)


def cosines_by_kind(sums: Array, sizes: Array, kinds: Array, n_kinds: int) -> Array:
    """The mean cosine of two rows of one kind and different groups, float64 [kinds]; NaN where a kind has no pair.

    ``sums`` float64 [cells, dim] of unit rows; each cell holds the rows of one kind, int [cells], and one group.

    >>> sums = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> cosines_by_kind(sums, np.ones(3), np.array([0, 0, 1]), 2).round(6).tolist()
    [0.6, nan]
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    total = sums_by(sums, kinds, n_kinds)
    n, squares, own = (
        np.bincount(kinds, weights=weights, minlength=n_kinds)
        for weights in (sizes, sizes**2, np.einsum("ij,ij->i", sums, sums))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ((total**2).sum(axis=1) - own) / (n**2 - squares)
    return np.where(n**2 - squares > 0, found, np.nan)
