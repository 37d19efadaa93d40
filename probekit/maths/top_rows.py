"""The rows of a stream at which each column is highest, at most one of a group."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class TopRows:
    """For every column of the rows so far the k highest values, each from another group.

    ``value`` float32 [dim, k] (highest first, -inf where there are fewer), ``tag`` int64 [dim, k]: what the row was
    called (-1 where there is none). Of equal values the one that came first is kept.

    >>> top = TopRows(1, 2)
    >>> top.add(np.array([[3.0], [5.0], [4.0]], np.float32), group=np.array([0, 0, 1]), tag=np.array([10, 11, 12]))
    >>> top.value.tolist(), top.tag.tolist()
    ([[5.0, 4.0]], [[11, 12]])
    """

    def __init__(self, dim: int, k: int) -> None:
        self.dim, self.k = dim, k
        self.value = np.full((dim, k), -np.inf, np.float32)
        self.tag = np.full((dim, k), -1, np.int64)
        self._group = np.full((dim, k), -1, np.int64)

    def add(self, X: Array, group: Array, tag: Array) -> None:
        """Take rows [m, dim] in; group and tag are int [m]."""
        if not len(X):
            return
        order = np.argsort(group, kind="stable")
        X, group, tag = np.asarray(X, np.float32)[order], group[order], tag[order]
        start = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
        best = np.maximum.reduceat(X, start, axis=0)  # [groups, dim]
        columns = np.flatnonzero((best > self.value[:, -1]).any(axis=0))
        if not len(columns):
            return
        found = best[:, columns].T
        n = min(self.k, found.shape[1])
        which = np.sort(np.argpartition(-found, n - 1, axis=1)[:, :n], axis=1)
        value = np.take_along_axis(found, which, axis=1)
        row = self._rows_of(X, start, columns, which, value)
        self._merge(columns, value, group[start][which], tag[row])

    def _rows_of(self, X: Array, start: Array, columns: Array, which: Array, value: Array) -> Array:
        """The first row of each group that has the group's highest value, int64 like `which`."""
        stop = np.append(start[1:], len(X))
        row = start[which].copy()
        seek = np.ones(row.shape, bool)
        for _ in range(int((stop - start).max())):
            seek &= X[np.minimum(row, len(X) - 1), columns[:, None]] != value
            if not seek.any():
                break
            row += seek
        return np.asarray(row)

    def _merge(self, columns: Array, value: Array, group: Array, tag: Array) -> None:
        parts = [
            np.concatenate([old[columns], new], axis=1)
            for old, new in ((self.value, value), (self._group, group), (self.tag, tag))
        ]
        order = np.argsort(-parts[0], axis=1, kind="stable")
        value, group, tag = (np.take_along_axis(part, order, axis=1) for part in parts)
        same = (group[:, :, None] == group[:, None, :]) & (group[:, :, None] >= 0)
        again = np.tril(same, -1).any(axis=2)  # the group stands further to the left already
        value[again], group[again], tag[again] = -np.inf, -1, -1
        order = np.argsort(-value, axis=1, kind="stable")[:, : self.k]
        for kept, part in ((self.value, value), (self._group, group), (self.tag, tag)):
            kept[columns] = np.take_along_axis(part, order, axis=1)
