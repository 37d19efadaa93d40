"""What the fitters that train classifiers are given: rows with labels, and rows of their own to stop by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import check_classes, checked_concept, checked_states, plain
from probekit.errors import DataError

Array = NDArray[Any]

HELD_OUT = 0.2  # of the rows, or of the clusters, where no dev rows are given


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows of train and dev as working copies (float32, or float64 where they came so), labels as codes.

    ``codes`` int64 [n] count through ``classes``, the sorted labels of train; ``dev_codes`` int64 [m] are -1 for a
    label that train lacks. ``majority`` is the share of the most frequent label on dev; ``about`` counts rows and
    labels.
    """

    X: Array
    codes: NDArray[np.int64]
    X_dev: Array
    dev_codes: NDArray[np.int64]
    classes: Array
    majority: float
    about: dict[str, Any]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of the training rows."""
        mean: NDArray[np.float64] = self.X.mean(axis=0, dtype=np.float64)
        return mean


def labelled(
    X: Any, y: Any, X_dev: Any = None, y_dev: Any = None, *, cluster: Any = None, seed: int = 0
) -> Labelled:
    """Check and code rows [n, dim] with labels [n]. Without dev rows a fifth of the clusters (or rows) is held out.

    Raises DataError for numbers instead of labels, one class only, values that are not finite, widths or lengths that
    differ.
    """
    X, y = checked_states(X), _labels(y, X, "train")
    if (X_dev is None) != (y_dev is None):
        raise DataError("X_dev and y_dev belong together; give both, or neither to hold out rows of train")
    check_classes([plain(label) for label in np.unique(y).tolist()])
    held_out = X_dev is None
    if held_out:
        dev = _hold_out(y, cluster, seed)
        X, y, X_dev, y_dev = X[~dev], y[~dev], X[dev], y[dev]
    X_dev = checked_states(X_dev)
    if X_dev.shape[1] != X.shape[1]:
        raise DataError(
            f"train has width {X.shape[1]}, dev has width {X_dev.shape[1]}; both must be one layer's"
        )
    y_dev = _labels(y_dev, X_dev, "dev")
    X, X_dev = _copy(X, "train"), _copy(X_dev, "dev")
    classes, codes = np.unique(y, return_inverse=True)
    _, counts = np.unique(y_dev, return_counts=True)
    about = {
        "n": len(X),
        "n_dev": len(X_dev),
        "dev": "held out of train" if held_out else "given",
        "classes": [plain(label) for label in classes.tolist()],
        "counts": np.bincount(codes).tolist(),
    }
    return Labelled(
        X, codes.astype(np.int64), X_dev, _coded(y_dev, classes), classes, float(counts.max() / len(y_dev)), about
    )  # fmt: skip


def _labels(y: Any, X: Array, where: str) -> Array:
    y = checked_concept(y, len(X))
    if y.ndim != 1:
        raise DataError(f"{where}: a classifier needs labels [n]; got numbers {y.shape}. Leace takes numbers")
    check_one_kind(y, where)
    found: Array = y
    return found


def check_one_kind(y: Array, where: str) -> None:
    """Raises DataError for labels [n] of several kinds, which have no order; None is a kind of its own."""
    kinds = sorted({type(label).__name__ for label in y.tolist()}) if y.dtype.kind == "O" else []
    if len(kinds) > 1:
        raise DataError(f"{where}: labels must be of one kind; got {', '.join(kinds)}")


def _coded(y: Array, classes: Array) -> NDArray[np.int64]:
    place = {label: code for code, label in enumerate(classes.tolist())}
    return np.fromiter((place.get(label, -1) for label in y.tolist()), np.int64, len(y))


def _copy(X: Array, where: str) -> Array:
    """A working copy in rows, float32 unless it came as float64. Raises DataError for NaN and infinity."""
    copy = np.array(X, dtype=np.float64 if X.dtype.itemsize >= 8 else np.float32, order="C")
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(np.ones(len(copy), copy.dtype) @ copy).all()
    if suspicious:  # a sum may overflow where no value does
        bad = np.flatnonzero(~np.isfinite(copy).all(axis=1))
        if len(bad):
            raise DataError(
                f"{where}: states hold a value that is not a finite number, first in row {bad[0]}"
            )
    return copy


def _hold_out(y: Array, cluster: Any, seed: int) -> NDArray[np.bool_]:
    """Which rows stop the rounds; every label keeps a row for training."""
    draw = np.random.default_rng(seed)
    if cluster is None:
        groups = np.arange(len(y))
    else:
        groups = np.unique(np.asarray(cluster), return_inverse=True)[1].reshape(-1)
        if len(groups) != len(y):
            raise DataError(f"{len(y)} rows but {len(groups)} clusters; each row belongs to one")
    number = int(groups.max()) + 1
    dev = np.isin(groups, draw.permutation(number)[: max(1, int(HELD_OUT * number))])
    for label in np.setdiff1d(np.unique(y), np.unique(y[~dev])):
        dev &= y != label
    if not dev.any():
        raise DataError(
            f"{len(y)} rows in {number} clusters are too few to hold some out; give X_dev and y_dev"
        )
    return dev
