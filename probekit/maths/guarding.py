"""The least change that leaves nothing linear of a concept: from covariances to two thin matrices.

Belrose et al. 2023, "LEACE: Perfect linear concept erasure in closed form", theorem 4.2. With W any whitening of
Sigma_xx, W' W = Sigma_xx^+, the map W^+ P W is the same; so where the features' correlations have full rank their
Cholesky factor serves, and eigenvectors are needed only where they have not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

ROUNDING = 16  # rounding units that count as zero: empty directions of correlations were found at up to two


class Guarding(NamedTuple):
    """left float64[dim, rank] and right float64[rank, dim] of x - left right (x - mean), and how they were found.

    ``correlations`` are the canonical correlations, descending.
    """

    left: Array
    right: Array
    correlations: Array
    tolerance: float

    @property
    def rank(self) -> int:
        """How many directions are taken out."""
        return int(self.right.shape[0])


def guarding_directions(
    covariance: Array,
    directions: Array,
    *,
    eps: float,
    most: int,
    tolerance: float | None = None,
    mean: Array | None = None,
) -> Guarding:
    """The map of least change after which features and concept are uncorrelated.

    `covariance` float64[dim, dim] of the features; `directions` float64[dim, k], the covariance of the features with
    a whitened concept; `eps` the rounding unit of the products they were made of; `most` an upper bound of the rank.
    Features are brought to unit variance first, so that `tolerance` is a share of the largest eigenvalue of their
    correlations, whatever their scales. A direction that varies less counts as varying by that share if the concept
    shows in it: no tolerance leaves a concept in place. `mean` [dim] tells how much of what shows is the rounding of
    means that are large against the spread.

    >>> found = guarding_directions(np.diag([4.0, 1.0]), np.array([[2.0], [0.0]]), eps=1e-16, most=1)
    >>> (found.left @ found.right).tolist(), found.correlations.tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [1.0])
    """
    dim = len(covariance)
    scale = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    varies = np.flatnonzero(
        scale > eps * scale.max(initial=0.0)
    )  # less is lost in any product with the others
    limit = ROUNDING * eps if tolerance is None else max(tolerance, ROUNDING * eps)
    if not len(varies):
        empty = np.zeros((dim, 0))
        return Guarding(empty, empty.T, np.zeros(0), limit)
    scale = scale[varies]
    correlations = covariance[np.ix_(varies, varies)] / np.outer(scale, scale)
    far = 0.0 if mean is None else float(np.linalg.norm(mean[varies] / scale))
    shows = eps + np.finfo(np.float64).eps * far
    factor, smallest = _whitening(correlations, scale, directions[varies], limit, shows)
    u, s, _ = np.linalg.svd(factor.whiten(directions[varies]), full_matrices=False)
    u = u[:, : min(most, int((s > ROUNDING * eps / np.sqrt(smallest)).sum()))]  # rounding correlates a little
    left, right = np.zeros((dim, u.shape[1])), np.zeros((u.shape[1], dim))
    left[varies], right[:, varies] = factor.color(u), factor.read(u)
    return Guarding(left, right, np.minimum(s, 1.0), limit)


def orthogonal_directions(directions: Array, rank: int) -> Array:
    """Orthonormal columns float64[dim, rank] that span `directions` [dim, k]: what a projection has to remove."""
    u: Array = np.linalg.svd(directions, full_matrices=False)[0][:, :rank]
    return u


def shrink(covariance: Array, n: int) -> Array:
    """The covariance drawn towards a sphere of the same trace by the optimal share, [dim, dim].

    Bodnar, Gupta & Parolya 2014, "On the strong convergence of the optimal linear shrinkage estimator": with the
    target I / dim, a = 1 - (tr(S)^2 |T|^2 / n) / (|S|^2 |T|^2 - tr(S T)^2), Frobenius norms; n rows, divisor n.

    >>> shrink(np.diag([2.0, 0.0]), 4).tolist()
    [[1.5, 0.0], [0.0, 0.5]]
    """
    dim = len(covariance)
    trace = float(np.trace(covariance))
    apart = float((covariance**2).sum()) / dim - (trace / dim) ** 2
    if apart <= 0.0:
        return covariance
    kept = min(1.0, max(0.0, 1.0 - trace**2 / (dim * n) / apart))
    shrunk: Array = kept * covariance + (1.0 - kept) * trace / dim * np.eye(dim)
    return shrunk


class _Cholesky:
    """Whitening by the triangular factor of correlations of full rank."""

    def __init__(self, triangle: Array, scale: Array) -> None:
        self.triangle, self.scale = triangle, scale

    def whiten(self, x: Array) -> Array:
        return _solve(self.triangle, x / self.scale[:, None], lower=True)

    def color(self, u: Array) -> Array:
        colored: Array = self.scale[:, None] * (self.triangle @ u)
        return colored

    def read(self, u: Array) -> Array:
        return _solve(self.triangle, u, lower=True, trans="T").T / self.scale


class _Eigen:
    """Whitening by B with Sigma = B B' and its pseudoinverse: what reads is orthogonal to what did not vary.

    A direction that varies less than `limit` says counts as varying that much if the concept shows in it beyond
    `rounding`, so that it is guarded without being blown up; if not, it is left alone.
    """

    def __init__(
        self, correlations: Array, scale: Array, directions: Array, limit: float, rounding: float
    ) -> None:
        values, vectors = np.linalg.eigh(correlations)
        least = limit * values[-1]
        kept = values > least
        empty = vectors[:, ~kept]
        shows, size, _ = np.linalg.svd(empty.T @ (directions / scale[:, None]), full_matrices=False)
        shown = empty @ shows[:, size > 4 * rounding * (4 + np.sqrt(empty.shape[1]))]  # more than sums' own
        columns = [vectors[:, kept] * np.sqrt(values[kept]), shown * np.sqrt(least)]
        self.basis = scale[:, None] * np.concatenate(columns, axis=1)
        self.q, self.r = np.linalg.qr(self.basis)

    def whiten(self, x: Array) -> Array:
        return _solve(self.r, self.q.T @ x)

    def color(self, u: Array) -> Array:
        colored: Array = self.basis @ u
        return colored

    def read(self, u: Array) -> Array:
        read: Array = (self.q @ _solve(self.r, u, trans="T")).T
        return read


def _solve(triangle: Array, x: Array, *, lower: bool = False, trans: str = "N") -> Array:
    from scipy.linalg import solve_triangular

    solved: Array = solve_triangular(triangle, x, lower=lower, trans=trans, check_finite=False)
    return solved


def _whitening(
    correlations: Array, scale: Array, directions: Array, limit: float, rounding: float
) -> tuple[_Cholesky | _Eigen, float]:
    """A whitening, and the smallest eigenvalue that it keeps, or a bound of it, as a share of the largest."""
    from scipy.linalg import LinAlgError, cholesky, lapack

    try:
        triangle = cholesky(correlations, lower=True, check_finite=False)
        condition, _ = lapack.dpocon(triangle, np.abs(correlations).sum(axis=0).max(), uplo="L")
    except LinAlgError:
        condition = 0.0
    # the estimate is of the 1-norm, which bounds the ratio of eigenvalues from below, up to a small factor
    if condition > 10 * limit:
        return _Cholesky(triangle, scale), float(condition)
    return _Eigen(correlations, scale, directions, limit, rounding), limit
