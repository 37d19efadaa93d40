"""The erasure that leaves neither means nor covariances to tell classes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.erasure.concept import (
    check_classes,
    check_products,
    checked_concept,
    checked_states,
    code_labels,
    label_array,
    plain,
    sort_labels,
)
from probekit.erasure.labelled import LabelledEraser
from probekit.erasure.streamed import Streamed
from probekit.errors import DataError
from probekit.maths.guarding import shrink
from probekit.maths.moments import Moments
from probekit.maths.transport import barycentre, transport_map

Array = NDArray[Any]

FULL_RANK = (
    1e-10  # smallest eigenvalue of a class's covariance, as a share of its largest, that counts as variance
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class QuadraticEraser(LabelledEraser):
    """x of class c -> center + maps[c] (x - means[c]): every class moved to the same mean and covariance.

    ``means`` float64 [classes, dim], ``maps`` float64 [classes, dim, dim], symmetric. Made by `QuadraticLeace`.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("center", "means", "maps")
    KIND: ClassVar[str] = "quadratic-eraser"

    means: NDArray[np.float64]
    maps: NDArray[np.float64]

    def _erase(self, rows: Tensor, z: Array) -> Tensor:
        out = torch.empty_like(rows)
        for code in np.unique(z).tolist():
            own = torch.from_numpy(np.flatnonzero(z == code)).to(rows.device)
            mean, turned, center = (
                torch.tensor(array, dtype=rows.dtype, device=rows.device)
                for array in (self.means[code], self.maps[code], self.center)
            )
            out[own] = torch.addmm(center, rows[own] - mean, turned)
        return out


class ClassSums:
    """Moments of each class by itself, batch by batch."""

    def __init__(self) -> None:
        self._moments: dict[Any, Moments] = {}

    @property
    def labels(self) -> list[Any]:
        """The labels seen, sorted where they can be."""
        return sort_labels(self._moments)

    def add(self, X: Array, y: Any) -> None:
        """Take in states [n, dim] and labels [n]. Raises DataError."""
        X = checked_states(X, next((moments.dim for moments in self._moments.values()), None))
        y = checked_concept(y, len(X))
        if y.ndim != 1:
            raise DataError(
                f"quadratic erasure is of classes: labels must have shape ({len(X)},); got {y.shape}"
            )
        table: dict[Any, int] = {}
        codes = code_labels(y, table)
        check_products(X, double=True)
        for label, code in table.items():
            self._moments.setdefault(label, Moments(X.shape[1], double=True)).add(X[codes == code])

    def finished(self) -> list[Moments]:
        """The moments of the classes in the order of `labels`. Raises DataError for fewer than 2 rows, or 1 class."""
        n = sum(moments.n for moments in self._moments.values())
        if n < 2:
            raise DataError(f"an eraser needs at least 2 rows; got {n}")
        check_classes(list(self._moments))
        return [self._moments[label] for label in self.labels]


class QuadraticLeace(Streamed[ClassSums, QuadraticEraser]):
    """Class means and class covariances become equal, by the affine map of each class that moves it least.

    Every class is transported to the barycentre of the class covariances (Belrose et al. 2023, section on quadratic
    erasure; Alvarez-Esteban et al. 2016), so that no quadratic classifier does better than the classes' shares. It
    needs the labels when it is applied.

    Parameters
    ----------
    shrinkage : draw each class's covariance towards a sphere first (`Leace`); then no direction is lost, and the
        covariances are equal only as far as the shrunk ones are right.
    concept : what to call it.

    Attributes
    ----------
    eraser_ : a `QuadraticEraser`, called as ``eraser_(X, labels)``. classes_ : the labels, sorted. kept_ : how many
    directions are left: fewer than dim where a class varies in fewer, because no map can give it variance there; the
    classes' common mean stands in the others.

    Examples
    --------
    >>> X = np.array([[-1.0], [1.0], [7.0], [13.0]])
    >>> pk.QuadraticLeace().fit(X, ["a", "a", "b", "b"]).eraser_(X, ["a", "a", "b", "b"]).round(6).tolist()
    [[3.0], [7.0], [3.0], [7.0]]
    """

    def __init__(self, *, shrinkage: bool = False, concept: str = "") -> None:
        self.shrinkage = shrinkage
        self.concept = concept

    def fit(self, X: Array, y: Any) -> Self:
        """Fit on states X [n, dim] and labels y [n]. Raises DataError as `Leace.fit` does, and for numbers y [n, k]."""
        return super().fit(X, y)

    @property
    def eraser_(self) -> QuadraticEraser:
        """The eraser of all batches so far. Raises DataError before the second row and the second class."""
        return self._learned()

    @property
    def classes_(self) -> Array:
        """The labels seen, sorted where they can be, [classes]."""
        return label_array(self._begun().labels)

    @property
    def kept_(self) -> int:
        """How many directions are left. Raises as `eraser_`."""
        return int(self.eraser_.about["kept"])

    def _begin(self) -> ClassSums:
        return ClassSums()

    def _solve(self, seen: ClassSums) -> QuadraticEraser:
        labels, classes = seen.labels, seen.finished()
        counts = np.array([moments.n for moments in classes], dtype=np.float64)
        weights = counts / counts.sum()
        means = np.stack([moments.mean for moments in classes])
        covariances = np.stack([self._covariance(moments) for moments in classes])
        basis = common_directions(covariances, weights)
        within = np.einsum("da,kde,eb->kab", basis, covariances, basis)
        maps = np.zeros_like(covariances)
        if basis.shape[1]:
            target = barycentre(within, weights)
            maps = np.stack([basis @ transport_map(own, target) @ basis.T for own in within])
        n, kept = int(counts.sum()), int(basis.shape[1])
        about = {"n": n, "classes": [plain(label) for label in labels], "kept": kept}
        return QuadraticEraser(
            center=weights @ means, means=means, maps=maps, classes=tuple(labels), concept=self.concept,
            about={**about, "counts": [int(count) for count in counts], "shrinkage": bool(self.shrinkage)},
        )  # fmt: skip

    def _covariance(self, moments: Moments) -> NDArray[np.float64]:
        covariance = moments.covariance()
        return np.asarray(shrink(covariance, moments.n) if self.shrinkage else covariance)


def common_directions(covariances: Array, weights: Array) -> NDArray[np.float64]:
    """Orthonormal columns float64 [dim, kept]: as many directions of largest mean variance as all classes vary in.

    `covariances` [classes, dim, dim], `weights` [classes].
    """
    _, vectors = np.linalg.eigh(np.einsum("k,kde->de", weights, covariances))
    vectors = vectors[:, ::-1]
    spectra = np.linalg.eigvalsh(covariances)
    kept = int((spectra > FULL_RANK * spectra[:, -1:].clip(np.finfo(np.float64).tiny)).sum(axis=1).min())
    while kept:
        basis = vectors[:, :kept]
        inside = np.linalg.eigvalsh(np.einsum("da,kde,eb->kab", basis, covariances, basis))
        if (inside[:, 0] > FULL_RANK * inside[:, -1]).all():
            break
        kept -= 1
    return np.ascontiguousarray(vectors[:, :kept])
