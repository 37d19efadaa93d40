"""Mean and covariance of rows that come in batches, with what they share with a concept.

Each chunk of rows is centred by its own mean, multiplied in the rows' own precision (float32 at least) and added up
in float64; what lies between the chunks' means is added in float64 (Chan, Golub & LeVeque 1983). So neither the order
of the rows nor a mean that is large against the spread costs digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from probekit.errors import DataError

Array = np.ndarray[Any, Any]

CHUNK = 2048  # rows multiplied at once
PENDING = 256  # chunk means kept apart before they are added up in one product
EPS = float(np.finfo(np.float64).eps)
RUN = 128  # rows of a class added up in float32 before float64 takes over ...
FEW = 256  # ... unless a chunk holds so many classes that each has few rows anyway


class Moments:
    """Streaming mean float64[dim] and covariance float64[dim, dim] of rows, and sums of what is seen beside them.

    ``double`` multiplies in float64 whatever the rows' dtype. Give every batch to `add_classes` or every batch to
    `add_numbers`.

    >>> seen = Moments(2)
    >>> seen.add_classes(np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]]), np.array([0, 0, 1]))
    >>> seen.mean.tolist(), seen.class_means().tolist(), seen.covariance()[1].tolist()
    ([3.0, 2.0], [[2.0, 0.0], [5.0, 6.0]], [4.0, 8.0])
    """

    def __init__(self, dim: int, *, double: bool = False) -> None:
        self.n, self.dim, self.double = 0, dim, double
        self.eps = EPS
        """The rounding unit of the coarsest products so far."""
        self.class_counts = np.zeros(0)
        self.numbers = 0
        """How many numbers stand beside a row."""
        self._totals = np.zeros((0, dim))
        self._sum = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))
        self._reference: Array | None = None
        self._between: list[tuple[int, Array, Array]] = []
        self._cross = np.zeros((dim, 0))
        self._z_sum, self._z_scatter, self._z_reference = np.zeros(0), np.zeros((0, 0)), np.zeros(0)

    @property
    def mean(self) -> Array:
        """The mean row, float64[dim]."""
        return self._sum / max(self.n, 1)

    def covariance(self) -> Array:
        """The covariance float64[dim, dim]; the divisor is the number of rows. Numbers beside rows share it."""
        self._fold()
        assert self._reference is not None
        apart = self.mean - self._reference
        covariance: Array = self._scatter / self.n - np.outer(apart, apart)
        # what is left of a constant feature is the rounding of its mean
        constant = np.diag(covariance) <= np.maximum((4 * EPS * np.abs(self.mean)) ** 2, 4 * EPS * apart**2)
        covariance[constant] = 0.0
        covariance[:, constant] = 0.0
        return covariance

    def class_means(self) -> Array:
        """The mean row of each class, float64[classes, dim]; zeros for a code that no row had."""
        means: Array = self._totals / np.maximum(self.class_counts, 1.0)[:, None]
        return means

    def add_classes(self, X: Array, codes: Array) -> None:
        """Add rows X [m, dim] of the classes int[m]; a code not seen before makes room for itself.

        Raises DataError where X holds a value that is not a finite number; the chunk that does is not added.
        """
        self._make_room(int(codes.max(initial=-1)) + 1)
        for rows, centred, shift, gram in self._chunks(X):
            own = codes[rows]
            counts = np.bincount(own, minlength=len(self.class_counts)).astype(np.float64)
            sums = _sums_by_class(centred, own, counts)
            self._totals += sums + counts[:, None] * shift
            self.class_counts += counts
            self._take(len(own), gram, shift, sums.sum(axis=0))

    def add_numbers(self, X: Array, Z: Array) -> None:
        """Add rows X [m, dim] beside finite numbers Z [m, k], multiplied in float64. Raises as `add_classes`."""
        if not self.n:
            self.numbers = Z.shape[1]
            self._cross = np.zeros((self.dim, self.numbers))
            self._z_sum, self._z_scatter = np.zeros(self.numbers), np.zeros((self.numbers, self.numbers))
            self._z_reference = Z.mean(axis=0)
        for rows, centred, shift, gram in self._chunks(X):
            z = Z[rows] - self._z_reference
            exact = centred.astype(np.float64, copy=False)
            reference = shift if self._reference is None else self._reference
            self._cross += exact.T @ z + np.outer(shift - reference, z.sum(axis=0))
            self._z_sum += z.sum(axis=0)
            self._z_scatter += z.T @ z
            self._take(len(z), gram, shift, exact.sum(axis=0))

    def add(self, X: Array) -> None:
        """Add rows X [m, dim] beside nothing. Raises as `add_classes`."""
        for rows, centred, shift, gram in self._chunks(X):
            self._take(rows.stop - rows.start, gram, shift, centred.sum(axis=0, dtype=np.float64))

    def number_covariances(self) -> tuple[Array, Array, Array]:
        """(mean of Z [k], covariance of X with Z [dim, k], covariance of Z [k, k]); each float64, divisor n."""
        assert self._reference is not None
        z = self._z_sum / self.n
        cross = self._cross / self.n - np.outer(self.mean - self._reference, z)
        return z + self._z_reference, cross, self._z_scatter / self.n - np.outer(z, z)

    def _make_room(self, classes: int) -> None:
        new = classes - len(self.class_counts)
        if new > 0:
            self.class_counts = np.concatenate([self.class_counts, np.zeros(new)])
            self._totals = np.concatenate([self._totals, np.zeros((new, self.dim))])

    def _chunks(self, X: Array) -> Iterator[tuple[slice, Array, Array, Array]]:
        """(rows, those rows less their mean, that mean as the working dtype holds it, their products)."""
        single = not self.double and X.dtype.itemsize < 8
        dtype = np.dtype(np.float32 if single else np.float64)
        self.eps = max(self.eps, float(np.finfo(np.float32).eps) if single else EPS)
        buffer = np.empty((min(CHUNK, len(X)), self.dim), dtype)
        for start in range(0, len(X), CHUNK):
            rows = slice(start, min(start + CHUNK, len(X)))
            part = X[rows].astype(dtype, copy=False)
            with np.errstate(all="ignore"):
                shift = (np.ones(len(part), dtype) @ part) / dtype.type(len(part))
                centred = np.subtract(part, shift, out=buffer[: len(part)])
                gram = centred.T @ centred
            if not np.isfinite(np.diag(gram)).all():
                _refuse(X[rows], start, dtype)
            yield rows, centred, shift.astype(np.float64), gram

    def _take(self, m: int, gram: Array, shift: Array, rest: Array) -> None:
        """Take a chunk of m rows in; ``rest`` [dim] is the sum of its centred rows, near zero."""
        if self._reference is None:
            self._reference = shift
        self._scatter += gram
        self._sum += rest + m * shift
        self._between.append((m, shift - self._reference, rest))
        self.n += m
        if len(self._between) >= PENDING:
            self._fold()

    def _fold(self) -> None:
        """Add what lies between the chunks: sum of (x - c)(x - c)' = gram + m s s' + r s' + s r', s = shift - c."""
        if self._between:
            m = np.array([size for size, _, _ in self._between], dtype=np.float64)[:, None]
            s = np.stack([shift for _, shift, _ in self._between])
            half = s.T @ (m * s / 2 + np.stack([rest for _, _, rest in self._between]))
            self._scatter += half + half.T
            self._between.clear()


def _refuse(X: Array, start: int, dtype: np.dtype[Any]) -> None:
    """Raises the DataError of rows whose products are not finite."""
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if not len(bad):
        raise DataError(f"features are too large for products in {dtype}; divide them by a constant first")
    raise DataError(
        f"features hold a value that is not a finite number, first in row {start + int(bad[0])}; leave such rows out"
    )


def _sums_by_class(rows: Array, codes: Array, counts: Array) -> Array:
    """The sum of the rows of each class, float64[classes, dim], added up in the rows' dtype, few at a time."""
    from scipy.sparse import csc_array

    present = np.flatnonzero(counts)
    parts = max(1, min(len(rows) // RUN, FEW // len(present))) if len(present) else 1
    place = np.zeros(len(counts), np.int64)
    place[present] = np.arange(len(present))
    cell = place[codes] + len(present) * (np.arange(len(rows)) * parts // max(len(rows), 1))
    ones = np.ones(len(rows), rows.dtype)
    adder = csc_array((ones, cell, np.arange(len(rows) + 1)), shape=(parts * len(present), len(rows)))
    sums = np.zeros((len(counts), rows.shape[1]))
    sums[present] = (adder @ rows).reshape(parts, len(present), -1).sum(axis=0, dtype=np.float64)
    return sums
