"""The smallest change that leaves nothing linear of a concept, where the concept of every state may be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.erasure.concept import ConceptMoments
from probekit.erasure.labelled import LabelledEraser
from probekit.erasure.streamed import Streamed

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OracleEraser(LabelledEraser):
    """x, z -> x - coef (z - mean of z); for labels, x less its class's mean plus the mean of all.

    ``coef`` float64 [dim, k], for labels a column per class that holds its mean less the mean of all; ``mean_z``
    float64 [k], zeros for labels; ``center`` float64 [dim] the mean of the states. Made by `OracleLeace`.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("center", "coef", "mean_z")
    KIND: ClassVar[str] = "oracle-eraser"

    coef: NDArray[np.float64]
    mean_z: NDArray[np.float64]

    @property
    def width_of_concept(self) -> int:
        """How many numbers a state's concept has; the number of classes for labels."""
        return int(self.coef.shape[1])

    def _erase(self, rows: Tensor, z: Array) -> Tensor:
        coef = torch.tensor(self.coef.T, dtype=rows.dtype, device=rows.device)
        if self.classes:
            return rows - coef[torch.from_numpy(z).to(rows.device)]
        return rows - torch.tensor(z - self.mean_z, dtype=rows.dtype, device=rows.device) @ coef


class OracleLeace(Streamed[ConceptMoments, OracleEraser]):
    """What least squares predicts from the concept is subtracted: the floor under every eraser's change.

    r(x, z) = x - Sigma_xz Sigma_zz^+ (z - mean of z) (Belrose et al. 2023, theorem 4.5 and its appendix). It needs z
    when it is applied, so it says how little had to go, and cannot be used where labels are what one asks for.

    ``eraser_``, an `OracleEraser`, is called as ``eraser_(X, z)``; ``classes_`` holds the labels (None for numbers).

    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [6.0, 5.0], [8.0, 5.0]])
    >>> pk.OracleLeace().fit(X, [0, 0, 1, 1]).eraser_(X, [0, 0, 1, 1]).tolist()
    [[3.0, 3.0], [5.0, 3.0], [3.0, 3.0], [5.0, 3.0]]
    """

    def __init__(self, *, concept: str = "") -> None:
        self.concept = concept

    @property
    def eraser_(self) -> OracleEraser:
        """The eraser of all batches so far. Raises DataError before the second row and the second class."""
        return self._learned()

    @property
    def classes_(self) -> Array | None:
        """The labels seen, sorted where they can be, [classes]; None for numbers."""
        return self._begun().classes

    def _begin(self) -> ConceptMoments:
        return ConceptMoments()

    def _solve(self, seen: ConceptMoments) -> OracleEraser:
        moments, shown = seen.finished()
        labels = seen.classes
        if labels is None:
            mean_z, cross, _ = moments.number_covariances()
            whitening = seen.number_whitening()
            coef, classes = cross @ whitening @ whitening.T, ()
        else:
            coef, classes = (seen.class_means() - moments.mean).T, tuple(labels.tolist())
            mean_z = np.zeros(len(classes))
        return OracleEraser(
            center=moments.mean, coef=coef, mean_z=mean_z, classes=classes, concept=self.concept, about=shown.about,
        )  # fmt: skip
