"""LEACE: the affine map that takes a concept from every linear probe and changes the states least."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import ConceptMoments, check_method
from probekit.erasure.eraser import Eraser
from probekit.erasure.streamed import Streamed
from probekit.maths.guarding import guarding_directions, orthogonal_directions, shrink

Array = NDArray[Any]


class Leace(Streamed[ConceptMoments, tuple[Eraser, NDArray[np.float64]]]):
    """Least-squares concept erasure: no linear probe finds the concept, and no affine map changes the states less.

    r(x) = x - W^+ P W (x - mean), W = Sigma_xx^(-1/2), P the orthogonal projection onto the columns of W Sigma_xz
    (Belrose et al. 2023, theorems 4.2 and 4.3). Afterwards every class has the same mean, so that the best linear
    probe under any convex loss is a constant.

    Parameters
    ----------
    method : "leace", or "orthogonal": the orthogonal projection with the same guarantee and a larger change.
    tolerance : a direction that varies by less than this share of the largest eigenvalue of the features' correlations
        is not whitened as far as it would go; where the concept shows in it, it is guarded nevertheless. None: what
        rounding can pass for variance, 2e-6 for float32 and 4e-15 for float64 states. The latter is least change to
        the letter; for float64 copies of rounded states give 1e-6, or directions of rounding are blown up.
    shrinkage : estimate the covariance by shrinking it towards a sphere (Bodnar et al. 2014), for few rows; the
        guarantee is untouched, only the change is measured differently.
    concept : what to call it.

    Attributes
    ----------
    eraser_ : the `Eraser`. classes_ : labels in sorted order (None for numbers). correlations_ : canonical
    correlations between states and concept, descending.

    Notes
    -----
    float32 and float16 states are multiplied in float32 and summed in float64. The rank of the eraser is at most
    classes - 1, or the number of columns.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [3.0, 1.0], [0.0, 2.0], [2.0, 3.0]])
    >>> erased = pk.Leace().fit(X, ["a", "a", "b", "b"]).eraser_(X)
    >>> erased[:2].mean(axis=0).round(9).tolist() == erased[2:].mean(axis=0).round(9).tolist()
    True
    """

    def __init__(
        self,
        *,
        method: Literal["leace", "orthogonal"] = "leace",
        tolerance: float | None = None,
        shrinkage: bool = False,
        concept: str = "",
    ) -> None:
        self.method = method
        self.tolerance = tolerance
        self.shrinkage = shrinkage
        self.concept = concept

    @property
    def eraser_(self) -> Eraser:
        """The eraser of all batches so far. Raises DataError before the second row and the second class."""
        return self._learned()[0]

    @property
    def correlations_(self) -> NDArray[np.float64]:
        """Canonical correlations of states and concept, descending, float64 [min(dim, classes or k)]."""
        return self._learned()[1]

    @property
    def classes_(self) -> Array | None:
        """The labels seen, sorted where they can be, [classes]; None for numbers."""
        return self._begun().classes

    def _check(self, dim: int) -> None:
        check_method(self.method, ("leace", "orthogonal"))

    def _begin(self) -> ConceptMoments:
        return ConceptMoments()

    def _solve(self, seen: ConceptMoments) -> tuple[Eraser, NDArray[np.float64]]:
        moments, shown = seen.finished()
        covariance = moments.covariance()
        if self.shrinkage:
            covariance = shrink(covariance, moments.n)
        found = guarding_directions(
            covariance, shown.directions, eps=moments.eps, tolerance=self.tolerance, most=shown.most,
            mean=moments.mean,
        )  # fmt: skip
        left, right = found.left, found.right
        if self.method == "orthogonal":
            left = orthogonal_directions(shown.directions, found.rank)
            right = left.T
        about = {**shown.about, "tolerance": found.tolerance, "shrinkage": bool(self.shrinkage)}
        name = "leace" if self.method == "leace" else "leace-orthogonal"
        eraser = Eraser(
            left=left, right=right, center=moments.mean, method=name, concept=self.concept, about=about,
        )  # fmt: skip
        return eraser, found.correlations
