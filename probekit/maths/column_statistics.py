"""What the columns of a stream of rows are like: mean, spread, extremes, quantiles; no row is kept.

Mean and spread are added up batch by batch in float64 (Chan, Golub & LeVeque 1983). Quantiles come from a histogram
whose bins grow with the value, the idea of Masson, Rim & Lee 2019 ("DDSketch"): here a bin is the sign, the exponent
and the first three further binary digits of a float32, so finding it is a shift of bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DIGITS = 20  # bits of a float32 that are dropped: 20 of the 23 of its fraction
OCTAVES = 10  # powers of two on either side of 1 that have bins of their own
FIRST = (127 - OCTAVES) << 3
BINS = 2 * OCTAVES * 8  # of one sign
WHOLE = 2 * BINS + 1


class ColumnStatistics:
    """Statistics of the columns of float32 rows [m, dim] that come in batches.

    ``n`` rows so far; ``mean``, ``low``, ``high`` and ``positive`` (how many values lie above 0) are [dim]. Quantiles
    are off by at most a sixteenth of the value, or by 0.001 near 0; values beyond 1024 share their last bin.

    >>> seen = ColumnStatistics(2)
    >>> seen.add(np.array([[1.0, -1.0], [3.0, 0.0]], np.float32))
    >>> seen.add(np.array([[5.0, 2.0]], np.float32))
    >>> seen.mean.round(3).tolist(), seen.share_positive.round(3).tolist(), seen.quantile(1.0).tolist()
    ([3.0, 0.333], [1.0, 0.333], [5.0, 2.0])
    """

    def __init__(self, dim: int, *, sketch: bool = True) -> None:
        self.n, self.dim = 0, dim
        self.mean, self._scatter = np.zeros(dim), np.zeros(dim)
        self.low, self.high = np.full(dim, np.inf), np.full(dim, -np.inf)
        self.positive = np.zeros(dim, np.int64)
        self.counts = np.zeros((dim, WHOLE), np.int32) if sketch else None
        """How many values lie in each bin, from the lowest to the highest."""

    def add(self, X: Array) -> None:
        """Take rows [m, dim] in."""
        m = len(X)
        if not m:
            return
        X = np.asarray(X, np.float32)
        mean = X.mean(axis=0, dtype=np.float64)
        centred = X - mean
        apart, n = mean - self.mean, self.n + m
        self._scatter += np.einsum("ij,ij->j", centred, centred) + apart**2 * (self.n * m / n)
        self.mean = self.mean + apart * (m / n)
        self.n = n
        self.low, self.high = np.minimum(self.low, X.min(axis=0)), np.maximum(self.high, X.max(axis=0))
        self.positive += (X > 0).sum(axis=0)
        if self.counts is not None:
            cell = _bins(X) + np.arange(self.dim) * WHOLE
            self.counts += np.bincount(cell.reshape(-1), minlength=self.counts.size).reshape(self.dim, WHOLE)

    @property
    def spread(self) -> Array:
        """The standard deviation, float64[dim]; exactly 0 for a column that has one value alone."""
        spread = np.sqrt(self._scatter / max(self.n, 1))
        return np.where(self.low == self.high, 0.0, spread)

    @property
    def share_positive(self) -> Array:
        """The share of values above 0, float64[dim]."""
        share: Array = self.positive / max(self.n, 1)
        return share

    def quantile(self, share: float) -> Array:
        """The value that `share` of a column's values do not exceed, about; float64[dim], NaN before any row."""
        if not self.n or self.counts is None:
            return np.full(self.dim, np.nan)
        rank = min(max(int(np.ceil(share * self.n)), 1), self.n)
        at = (np.cumsum(self.counts, axis=1) >= rank).argmax(axis=1)
        found: Array = np.clip(middles()[at], self.low, self.high)
        return np.where(rank == self.n, self.high, found)


def middles() -> Array:
    """The value in the middle of every bin, ascending; 0 for the bin around it."""
    edges = (np.arange(FIRST, FIRST + BINS + 1, dtype=np.int32) << DIGITS).view(np.float32).astype(np.float64)
    above = (edges[:-1] + edges[1:]) / 2
    values: Array = np.concatenate([-above[::-1], [0.0], above])
    return values


def _bins(X: Array) -> Array:
    """The bin of every value, int64, from its bits."""
    bits = np.ascontiguousarray(X).view(np.int32)
    size = np.clip(((bits & 0x7FFFFFFF) >> DIGITS) - (FIRST - 1), 0, BINS)
    found: Array = BINS + np.where(bits < 0, -size, size).astype(np.int64)
    return found
