"""Rows of a feature matrix, streamed: centred chunks, whatever the dtype and wherever they lie.

Centring is exact arithmetic for a model with a free intercept, and keeps float32 products accurate on layers whose
mean is large against their spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from probekit.errors import DataError

CHUNK = 2048  # rows: a chunk of 384..1024 features stays in the second-level cache between its two products


class Rows:
    """X [n, dim] as centred torch chunks [m, dim]; float64 stays float64, anything else becomes float32.

    ``center`` [dim] float64 is what was taken off: the columns' mean, as the working dtype can hold it.
    Raises DataError where X is not a matrix of finite numbers with at least one row and one column.
    """

    def __init__(self, X: NDArray[Any], *, dtype: DTypeLike | None = None) -> None:
        if X.ndim != 2 or 0 in X.shape:
            raise DataError(
                f"features must be a matrix [rows, dim] with rows and columns; got shape {X.shape}"
            )
        if X.dtype.kind != "f":
            raise DataError(f"features must be floating point numbers; got dtype {X.dtype}")
        self.X = X
        self.n, self.dim = X.shape
        self.dtype = np.dtype(dtype or (np.float64 if X.dtype == np.float64 else np.float32))
        self.kind = torch.float64 if self.dtype == np.float64 else torch.float32
        total = np.zeros(self.dim)
        for rows in self.spans():
            total += X[rows].sum(axis=0, dtype=np.float64)
        if not np.isfinite(total).all():
            raise DataError("features hold a value that is not a finite number; leave such rows out first")
        self._shift = (total / self.n).astype(self.dtype)
        self.center = self._shift.astype(np.float64)

    def spans(self) -> Iterator[slice]:
        """The chunks as slices of the rows, in order."""
        for start in range(0, self.n, CHUNK):
            yield slice(start, min(start + CHUNK, self.n))

    def chunk(self, rows: slice | NDArray[np.int64]) -> Tensor:
        """Some rows, centred: [m, dim] in the working dtype (a fresh tensor).

        The memory is torch's, aligned always alike: products of the same numbers elsewhere may differ in the last bit.
        """
        part = self.X[rows]
        centred = torch.empty(part.shape, dtype=self.kind)
        np.subtract(part, self._shift, out=centred.numpy(), dtype=self.dtype)
        return centred

    def covariance(self, most: int) -> NDArray[np.float64]:
        """The mean outer product of at most about ``most`` centred rows, spread evenly: [dim, dim] float64."""
        total, rows = np.zeros((self.dim, self.dim)), np.arange(0, self.n, max(1, self.n // most))
        for start in range(0, len(rows), CHUNK):
            chunk = self.chunk(rows[start : start + CHUNK])
            total += (chunk.T @ chunk).numpy()
        return np.asarray(total / len(rows))
