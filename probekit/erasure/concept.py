"""What fitters are given: states beside labels or numbers, checked, coded and summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.maths.moments import Moments

Array = NDArray[Any]

SMALL_RANGE = 65_536  # integer labels in a range up to this are coded by counting


@dataclass(frozen=True)
class Shown:
    """Where a concept shows: ``directions`` float64[dim, k], the covariance of states with the whitened concept."""

    directions: NDArray[np.float64]
    most: int
    about: dict[str, Any]


class ConceptMoments:
    """Moments of states beside labels of any kind, or beside numbers, batch by batch."""

    def __init__(self, *, double: bool = False) -> None:
        self.double = double
        self.moments: Moments | None = None
        self._codes: dict[Any, int] = {}
        self._labels: bool | None = None

    @property
    def classes(self) -> Array | None:
        """The labels seen, sorted where they can be; None for numbers."""
        return np.array(self._sorted()) if self._labels else None

    def add(self, X: Array, y: Any) -> None:
        """Take in states [n, dim] and labels [n] or numbers [n, k]. Raises DataError."""
        X = checked_states(X, None if self.moments is None else self.moments.dim)
        y = checked_concept(y, len(X))
        if self._labels is None:
            self._labels = y.ndim == 1
        if self._labels != (y.ndim == 1):
            raise DataError(
                "labels [n] and numbers [n, k] cannot be mixed in one stream; "
                f"got shape {y.shape} after {'labels' if self._labels else 'numbers'}"
            )
        if self.moments is None:
            self.moments = Moments(X.shape[1], double=self.double)
        if y.ndim == 1:
            self.moments.add_classes(X, code_labels(y, self._codes))
            return
        if self.moments.n and y.shape[1] != self.moments.numbers:
            raise DataError(f"numbers of {self.moments.numbers} columns came before; got {y.shape[1]}")
        self.moments.add_numbers(X, y)

    def finished(self) -> tuple[Moments, Shown]:
        """The moments and where the concept shows in them. Raises DataError for fewer than 2 rows, or 1 class."""
        moments = self.moments
        if moments is None or moments.n < 2:
            raise DataError(f"an eraser needs at least 2 rows; got {0 if moments is None else moments.n}")
        if self._labels:
            check_classes(list(self._codes))
            share = moments.class_counts / moments.n
            directions = (moments.class_means() - moments.mean).T * np.sqrt(share)
            ordered = self._sorted()
            counts = [int(moments.class_counts[self._codes[label]]) for label in ordered]
            about = {"n": moments.n, "classes": [plain(label) for label in ordered], "counts": counts}
            return moments, Shown(directions, len(self._codes) - 1, about)
        mean, cross, spread = moments.number_covariances()
        scale = np.sqrt(np.clip(np.diag(spread), 0.0, None))
        varies = scale > 4 * np.finfo(np.float64).eps * np.abs(mean)
        if not varies.any():
            raise DataError(f"every one of the {moments.numbers} columns of y is constant: nothing to erase")
        scale, cross, spread = scale[varies], cross[:, varies], spread[np.ix_(varies, varies)]
        values, vectors = np.linalg.eigh(spread / np.outer(scale, scale))
        kept = values > 1e-12 * len(values) * values[-1]
        directions = (cross / scale) @ (vectors[:, kept] / np.sqrt(values[kept]))
        return moments, Shown(directions, int(kept.sum()), {"n": moments.n, "columns": moments.numbers})

    def _sorted(self) -> list[Any]:
        try:
            return sorted(self._codes)
        except TypeError:  # labels of several kinds have no order of their own
            return sorted(self._codes, key=lambda label: (type(label).__name__, str(label)))


def checked_states(X: Any, dim: int | None = None) -> Array:
    """X as a matrix [n, dim] of floating point numbers. Raises DataError, naming both widths where they differ."""
    X = np.asarray(X)
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"states must be a matrix [n, dim] with rows and columns; got shape {X.shape}")
    if X.dtype.kind != "f":
        raise DataError(f"states must be floating point numbers; got dtype {X.dtype}")
    if dim is not None and X.shape[1] != dim:
        raise DataError(f"states of width {dim} came before; got width {X.shape[1]}")
    return X


def checked_concept(y: Any, n: int) -> Array:
    """Labels [n] as they are, or numbers float64 [n, k]. Raises DataError for another length or kind."""
    y = np.asarray(y)
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise DataError(f"a concept is labels [n] or numbers [n, k]; got shape {y.shape}")
    if len(y) != n:
        raise DataError(f"{n} rows of states but {len(y)} labels; they must be of the same units")
    if y.ndim == 2:
        if y.dtype.kind not in "fiub":
            raise DataError(f"a concept of shape [n, k] must be numbers; got dtype {y.dtype}")
        y = y.astype(np.float64)
        if not np.isfinite(y).all():
            bad = int(np.flatnonzero(~np.isfinite(y).all(axis=1))[0])
            raise DataError(f"the concept holds a value that is not a finite number, first in row {bad}")
    elif y.dtype.kind == "f":
        if not np.isfinite(y).all():
            bad = int(np.flatnonzero(~np.isfinite(y))[0])
            raise DataError(f"the labels hold a value that is not a finite number, first in row {bad}")
        if (y != np.round(y)).any():
            raise DataError("labels [n] are no whole numbers; give a number per row as a column, y[:, None]")
    return y


def check_classes(labels: Sequence[Any]) -> None:
    """Raises DataError where there is only one class."""
    if len(labels) < 2:
        raise DataError(f"a concept needs two classes; every label is {labels[0]!r}")


def check_method(method: str, known: Sequence[str]) -> None:
    """Raises ConfigError for an unknown method, with the nearest known one."""
    if method not in known:
        raise ConfigError(f"no method {method!r}; {did_you_mean(method, known)}")


def code_labels(y: Array, codes: dict[Any, int]) -> NDArray[np.int64]:
    """A code for every label [n], the same as before for labels in `codes`, which learns the new ones."""
    if y.dtype.kind in "iu" and len(y):
        low, high = int(y.min()), int(y.max())
        if high - low < SMALL_RANGE:
            near = (y - y.dtype.type(low)).astype(np.int64)
            table = np.zeros(high - low + 1, np.int64)
            for value in np.flatnonzero(np.bincount(near)).tolist():
                table[value] = codes.setdefault(value + low, len(codes))
            coded: NDArray[np.int64] = table[near]
            return coded
    values = y.tolist()
    for value in dict.fromkeys(values):
        codes.setdefault(value, len(codes))
    return np.fromiter(map(codes.__getitem__, values), np.int64, len(values))


def plain(label: Any) -> str | int | float | bool:
    """A label as JSON can hold it."""
    return label if isinstance(label, str | int | float | bool) else str(label)
