"""Covariances of rows and between two sides of the same rows, for all rows and without each group of sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import DataError

Array = np.ndarray[Any, Any]

GROUPS = 10


def sentence_groups(codes: Array, groups: int = GROUPS, seed: int = 0) -> Array:
    """The group of each row, int64[n]: sentences (by their numbers, int[n]) dealt out at random to equal groups.

    There are never more groups than sentences.

    >>> sentence_groups(np.array([0, 0, 1, 2, 2]), 3).tolist()
    [0, 0, 1, 2, 2]
    """
    found, own = np.unique(codes, return_inverse=True)
    order = np.random.default_rng([seed, 5]).permutation(len(found))
    group = np.empty(len(found), np.int64)
    group[order] = np.arange(len(found)) % max(1, min(groups, len(found)))
    return np.asarray(group[own.reshape(-1)])


class GroupedRows:
    """Rows [n, p] less their mean, ordered by group int[n], in float64.

    Raises DataError where a value is not a finite number.

    >>> rows = GroupedRows(np.array([[0.0], [2.0], [7.0]]), np.array([0, 0, 1]))
    >>> rows.covariance(rows, None).tolist(), rows.covariance(rows, 1).tolist()
    ([[8.666666666666666]], [[1.0]])
    """

    def __init__(self, X: Array, group: Array) -> None:
        if not np.isfinite(X).all():
            raise DataError("rows hold a value that is not a finite number; leave such rows out")
        self.group = group
        self.order = np.argsort(group, kind="stable")
        ordered = X[self.order].astype(np.float64)
        self.X = ordered - ordered.mean(axis=0)
        self.sizes = np.bincount(group)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.sums = np.add.reduceat(self.X, self.starts, axis=0)
        self._own: tuple[Array, Array] | None = None

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self.sizes)

    def n(self, without: int | None) -> int:
        """How many rows there are, without a group or (None) with all."""
        return len(self.X) - (0 if without is None else int(self.sizes[without]))

    def cross(self, other: GroupedRows) -> tuple[Array, Array]:
        """X'Y of all rows [p, q], and of each group [groups, p, q]."""
        stops = self.starts + self.sizes
        parts = np.stack([self.X[i:j].T @ other.X[i:j] for i, j in zip(self.starts, stops, strict=True)])
        return parts.sum(axis=0), parts

    def covariance(
        self, other: GroupedRows, without: int | None, products: tuple[Array, Array] | None = None
    ) -> Array:
        """Covariance of both sides [p, q] without a group (None: with all); the divisor is the number of rows.

        ``products`` is what `cross` gave for both, if it was asked before.
        """
        if products is None:
            if other is self:
                self._own = self._own or self.cross(self)
            products = self._own if other is self and self._own else self.cross(other)
        total, parts = products
        n = self.n(without)
        if without is None:
            return np.asarray(total / n)
        mean, other_mean = -self.sums[without] / n, -other.sums[without] / n
        return np.asarray((total - parts[without]) / n - np.outer(mean, other_mean))

    def forget(self) -> None:
        """Give the memory of the products with itself back."""
        self._own = None
