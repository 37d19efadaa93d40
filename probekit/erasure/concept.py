"""What fitters are given: states beside labels or numbers, checked, coded and summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.maths.moments import CHUNK, Moments

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

    def __init__(self) -> None:
        self.moments: Moments | None = None
        self._codes: dict[Any, int] = {}
        self._labels: bool | None = None

    @property
    def classes(self) -> Array | None:
        """The labels seen, sorted where they can be; None for numbers."""
        return label_array(self._sorted()) if self._labels else None

    def add(self, X: Array, y: Any) -> None:
        """Take in states [n, dim] and labels [n] or numbers [n, k]. Raises DataError."""
        X = checked_states(X, None if self.moments is None else self.moments.dim)
        y = checked_concept(y, len(X))
        labels = y.ndim == 1
        if self._labels not in (None, labels):
            raise DataError(
                "labels [n] and numbers [n, k] cannot be mixed in one stream; "
                f"got shape {y.shape} after {'labels' if self._labels else 'numbers'}"
            )
        moments = Moments(X.shape[1]) if self.moments is None else self.moments
        if moments.n and not labels and y.shape[1] != moments.numbers:
            raise DataError(f"numbers of {moments.numbers} columns came before; got {y.shape[1]}")
        codes = dict(self._codes)
        own = code_labels(y, codes) if labels else None
        if moments.n:
            check_products(X)
        if own is None:
            moments.add_numbers(X, y)
        else:
            moments.add_classes(X, own)
        self.moments, self._codes, self._labels = moments, codes, labels

    def finished(self) -> tuple[Moments, Shown]:
        """The moments and where the concept shows in them. Raises DataError for fewer than 2 rows, or 1 class."""
        moments = self.moments
        if moments is None or moments.n < 2:
            raise DataError(f"an eraser needs at least 2 rows; got {0 if moments is None else moments.n}")
        if self._labels:
            check_classes(list(self._codes))
            ordered = self._sorted()
            counts = moments.class_counts[[self._codes[label] for label in ordered]]
            directions = (self.class_means() - moments.mean).T * np.sqrt(counts / moments.n)
            about = {"n": moments.n, "classes": [plain(label) for label in ordered]}
            about["counts"] = [int(count) for count in counts]
            return moments, Shown(directions, len(self._codes) - 1, about)
        _, cross, _ = moments.number_covariances()
        whitening = self.number_whitening()
        about = {"n": moments.n, "columns": moments.numbers}
        return moments, Shown(cross @ whitening, whitening.shape[1], about)

    def number_whitening(self) -> NDArray[np.float64]:
        """K float64 [k, rank] with K' Sigma_zz K = I, so that K K' is a generalised inverse of Sigma_zz.

        Raises DataError where no column of y varies.
        """
        assert self.moments is not None
        mean, _, spread = self.moments.number_covariances()
        scale = np.sqrt(np.clip(np.diag(spread), 0.0, None))
        varies = np.flatnonzero(scale > 1e-14 * np.abs(mean))
        if not len(varies):
            raise DataError(
                f"every one of the {len(mean)} columns of y is constant: there is nothing to erase"
            )
        scale = scale[varies]
        values, vectors = np.linalg.eigh(spread[np.ix_(varies, varies)] / np.outer(scale, scale))
        kept = values > 1e-14 * len(values) * values[-1]
        whitening = np.zeros((len(mean), int(kept.sum())))
        whitening[varies] = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
        return whitening

    def class_means(self) -> NDArray[np.float64]:
        """The mean row of each class in the order of `classes`, float64 [classes, dim]."""
        assert self.moments is not None
        return np.asarray(self.moments.class_means()[[self._codes[label] for label in self._sorted()]])

    def _sorted(self) -> list[Any]:
        return sort_labels(self._codes)


def checked_states(X: Any, dim: int | None = None) -> Array:
    """X as a matrix [n, dim] of floating point numbers. Raises DataError, naming both widths where they differ."""
    X = _as_array(X)
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"states must be a matrix [n, dim] with rows and columns; got shape {X.shape}")
    if X.dtype.kind != "f":
        raise DataError(f"states must be floating point numbers; got dtype {X.dtype}")
    if dim is not None and X.shape[1] != dim:
        raise DataError(f"states of width {dim} came before; got width {X.shape[1]}")
    return np.asarray(X)


def check_products(X: Array, *, double: bool = False) -> None:
    """Raises the DataError that `Moments` would raise on states [n, dim], before any of them is added."""
    working = np.float64 if double or X.dtype.itemsize >= 8 else np.float32
    limit = float(np.sqrt(np.finfo(working).max / CHUNK)) / 4  # below it no sum of products can overflow
    if not (float(X.max()) < limit and float(X.min()) > -limit):
        Moments(X.shape[1], double=double).add(X)


def _as_array(given: Any) -> Array:
    """An array or a tensor, wherever it is, as an array [...] on this machine's memory."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float().numpy() if given.dtype == torch.bfloat16 else given.numpy()
    return np.asarray(given)


def checked_concept(y: Any, n: int) -> Array:
    """Labels [n] as they are, or numbers float64 [n, k]. Raises DataError for another length or kind."""
    y = _as_array(y)
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
        return np.asarray(y)
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            bad = int(np.flatnonzero(~np.isfinite(y))[0])
            raise DataError(f"the labels hold a value that is not a finite number, first in row {bad}")
        if (y != np.round(y)).any():
            raise DataError("labels [n] are no whole numbers; give a number per row as a column, y[:, None]")
    return np.asarray(y)


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
            near = (
                (y - y.dtype.type(low)).astype(np.int64) if y.dtype.kind == "u" else y.astype(np.int64) - low
            )
            table = np.zeros(high - low + 1, np.int64)
            for value in np.flatnonzero(np.bincount(near)).tolist():
                table[value] = codes.setdefault(value + low, len(codes))
            coded: NDArray[np.int64] = table[near]
            return coded
    values = y.tolist()
    for value in dict.fromkeys(values):
        if value is None or value != value:
            raise DataError(
                f"label {value!r} in row {values.index(value)} is missing; leave such rows out first"
            )
        codes.setdefault(value, len(codes))
    return np.fromiter(map(codes.__getitem__, values), np.int64, len(values))


def sort_labels(labels: Iterable[Any]) -> list[Any]:
    """The labels in order; those of several kinds, which have no order of their own, by kind and then by text."""
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=lambda label: (type(label).__name__, str(label)))


def label_array(labels: Sequence[Any]) -> Array:
    """Labels as an array [classes] that keeps each as it is: of one dtype where they are of one kind."""
    if len({type(label) for label in labels}) == 1 and isinstance(labels[0], str | int | float | bool):
        return np.array(labels)
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def plain(label: Any) -> str | int | float | bool:
    """A label as JSON can hold it."""
    return label if isinstance(label, str | int | float | bool) else str(label)


def checked_rank(rank: Any, dim: int) -> int:
    """A number of directions from 0 to dim. Raises ConfigError."""
    if not isinstance(rank, int | np.integer) or isinstance(rank, bool) or not 0 <= rank <= dim:
        raise ConfigError(
            f"rank must be a whole number from 0 to the width {dim} of the states; got {rank!r}"
        )
    return int(rank)


def summed(X: Array) -> Moments:
    """Moments of states [n, dim] alone. Raises DataError for fewer than 2 rows and values that are not finite."""
    if len(X) < 2:
        raise DataError(f"an eraser needs at least 2 rows; got {len(X)}")
    moments = Moments(X.shape[1])
    moments.add(X)
    return moments
