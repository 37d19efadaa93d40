"""Projections that take out the differences of class means: the plain comparison of LEACE."""

from __future__ import annotations

from probekit.erasure.concept import ConceptMoments
from probekit.erasure.eraser import Eraser
from probekit.erasure.streamed import Streamed
from probekit.maths.guarding import guarding_directions, orthogonal_directions
from probekit.maths.subspaces import orthonormal_basis


class MeanDifference(Streamed[ConceptMoments, Eraser]):
    """Orthogonal projection away from the differences of class means, or away from the whitened ones.

    Plain, it leaves every class the same mean, as LEACE does and with a larger change. ``whitened=True`` removes the
    directions Sigma^-1 (mean_a - mean_b), along which the mass-mean probe of Marks & Tegmark 2023 (Fisher's
    discriminant) reads; the class means then still differ along other directions, and a probe may find them.

    ``tolerance`` as in `Leace`. Numbers y [n, k] take the place of labels: their covariance with the states does.

    >>> X = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
    >>> pk.MeanDifference().fit(X, [0, 0, 1, 1]).eraser_(X)[:, 0].round(9).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """

    def __init__(self, *, whitened: bool = False, tolerance: float | None = None, concept: str = "") -> None:
        self.whitened = whitened
        self.tolerance = tolerance
        self.concept = concept

    @property
    def eraser_(self) -> Eraser:
        """The eraser of all batches so far. Raises DataError before the second row and the second class."""
        return self._learned()

    def _begin(self) -> ConceptMoments:
        return ConceptMoments()

    def _solve(self, seen: ConceptMoments) -> Eraser:
        moments, shown = seen.finished()
        found = guarding_directions(
            moments.covariance(), shown.directions, eps=moments.eps, tolerance=self.tolerance, most=shown.most,
            mean=moments.mean,
        )  # fmt: skip
        if self.whitened:
            basis = orthonormal_basis(found.right.T)
        else:
            basis = orthogonal_directions(shown.directions, found.rank)
        return Eraser(
            left=basis, right=basis.T, center=moments.mean, concept=self.concept,
            method="mass mean" if self.whitened else "mean difference", about=shown.about,
        )  # fmt: skip
