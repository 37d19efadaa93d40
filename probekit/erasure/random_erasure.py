"""The control that takes out directions drawn at random, as many or as much as an eraser does."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import check_method, checked_rank
from probekit.erasure.eraser import Eraser
from probekit.erasure.streamed import StateSums, Streamed
from probekit.errors import ConfigError, DataError
from probekit.maths.moments import Moments

Array = NDArray[Any]


class RandomErasure(Streamed[StateSums, Eraser]):
    """Orthogonal projection away from a uniformly random subspace, sized by a rank or after another eraser.

    ``rank`` directions, or as many as ``like.rank`` (``match="rank"``). With ``match="norm"`` random directions go one
    after the other, the last one partly, until the mean squared change of the states equals that of ``like``: states
    have few large directions, so that an equal rank is mostly a far smaller change. ``seed`` draws the directions; the
    directions of a smaller rank are the first ones of a larger rank.

    >>> X = np.random.default_rng(0).normal(size=(50, 8))
    >>> leace = pk.Leace().fit(X, np.arange(50) % 3).eraser_
    >>> pk.RandomErasure(like=leace, seed=1).fit(X).eraser_.rank
    2
    >>> equal = pk.RandomErasure(like=leace, match="norm").fit(X).eraser_
    >>> bool(np.isclose(((equal(X) - X) ** 2).sum(), ((leace(X) - X) ** 2).sum()))
    True
    """

    def __init__(
        self,
        *,
        rank: int | None = None,
        like: Eraser | None = None,
        match: Literal["rank", "norm"] = "rank",
        seed: int = 0,
    ) -> None:
        self.rank = rank
        self.like = like
        self.match = match
        self.seed = seed

    def fit(self, X: Array, y: Any = None) -> Self:
        """Fit on states X [n, dim], whose mean stays where it is; y is not looked at.

        Raises ConfigError unless exactly one of rank and like is given, and for a rank above dim; DataError for X, for
        a `like` of another width, and where taking all directions out would still change less than `like` does.
        """
        return super().fit(X, y)

    def partial_fit(self, X: Array, y: Any = None) -> Self:
        """Take in one more batch of states; one that is refused, as by `fit`, leaves no trace. y is not looked at."""
        return super().partial_fit(X, y)

    @property
    def eraser_(self) -> Eraser:
        """The eraser of all batches so far. Raises DataError before the second row, and for too large a change."""
        return self._learned()

    def _check(self, dim: int) -> None:
        check_method(self.match, ("rank", "norm"))
        if (self.rank is None) == (self.like is None):
            raise ConfigError("a random erasure needs either rank= or like=, and not both")
        if self.match == "norm" and self.like is None:
            raise ConfigError("match='norm' needs like=, the eraser whose change is to be equalled")
        if self.like is None:
            checked_rank(self.rank, dim)
        elif self.like.dim != dim:
            raise DataError(
                f"the eraser to be like is for width {self.like.dim}, while the states have width {dim}"
            )

    def _begin(self) -> StateSums:
        return StateSums()

    def _solve(self, seen: StateSums) -> Eraser:
        moments = seen.finished()
        dim = moments.dim
        about: dict[str, Any] = {"n": moments.n, "seed": int(self.seed), "match": self.match}
        if self.like is not None:
            about["like"] = self.like.key
        if self.match == "norm":
            assert self.like is not None
            left, basis = self._as_much(moments, self.like)
        else:
            rank = self.like.rank if self.like is not None else checked_rank(self.rank, dim)
            left = basis = random_directions(dim, rank, self.seed)
        name = "random" if self.match == "rank" else "random, equal change"
        return Eraser(left=left, right=basis.T, center=moments.mean, method=name, about=about)

    def _as_much(self, moments: Moments, like: Eraser) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Directions [dim, k] and what they are taken out along, the last one partly."""
        covariance = moments.covariance()
        wanted = mean_squared_change(like, moments.mean, covariance)
        total = float(np.trace(covariance))
        if wanted > total * (1 + 1e-9):
            raise DataError(
                f"the eraser to be like changes these states by {wanted:.4g} (mean square), more than their whole "
                f"variance {total:.4g}: no projection around their mean can; fit both on the same states"
            )
        basis = random_directions(moments.dim, moments.dim, self.seed)
        each = np.einsum("dk,dk->k", basis, covariance @ basis).clip(0.0)
        reached = np.cumsum(each)
        k = min(int(np.searchsorted(reached, wanted * (1 - 1e-12))), moments.dim - 1) + 1 if wanted > 0 else 0
        basis = basis[:, :k]
        left = basis.copy()
        if k:
            missing = wanted - (reached[k - 1] - each[k - 1])
            left[:, -1] *= np.sqrt(min(1.0, max(0.0, missing / each[k - 1]))) if each[k - 1] > 0 else 1.0
        return left, basis


def random_directions(dim: int, rank: int, seed: int) -> NDArray[np.float64]:
    """Orthonormal columns float64[dim, rank], uniformly distributed; more columns keep the first ones."""
    drawn = np.random.default_rng(seed).normal(size=(rank, dim)).T
    q, r = np.linalg.qr(drawn)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


def mean_squared_change(eraser: Eraser, mean: Array, covariance: Array) -> float:
    """The mean of |x - eraser(x)|^2 over states of this mean [dim] and covariance [dim, dim]."""
    apart = eraser.right @ mean - eraser.offset
    read = eraser.right @ covariance @ eraser.right.T + np.outer(apart, apart)
    return float(np.einsum("dk,kl,dl->", eraser.left, read, eraser.left))
