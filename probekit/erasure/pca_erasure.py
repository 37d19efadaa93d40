"""The control that takes out the directions of largest variance, whatever they mean."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import checked_rank
from probekit.erasure.eraser import Eraser
from probekit.erasure.streamed import StateSums, Streamed

Array = NDArray[Any]


class PcaErasure(Streamed[StateSums, tuple[Eraser, NDArray[np.float64]]]):
    """Orthogonal projection away from the first principal directions: a large change that knows no concept.

    ``rank`` is how many directions go. ``share_`` holds the share of the variance of each, descending.

    >>> X = np.array([[9.0, 1.0], [-9.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    >>> pk.PcaErasure(rank=1).fit(X).eraser_(X).tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0]]
    """

    def __init__(self, rank: int = 1) -> None:
        self.rank = rank

    def fit(self, X: Array, y: Any = None) -> Self:
        """Fit on states X [n, dim]; y is not looked at. Raises DataError, or ConfigError for a rank above dim."""
        return super().fit(X, y)

    def partial_fit(self, X: Array, y: Any = None) -> Self:
        """Take in one more batch of states; one that is refused, as by `fit`, leaves no trace. y is not looked at."""
        return super().partial_fit(X, y)

    @property
    def eraser_(self) -> Eraser:
        """The eraser of all batches so far. Raises DataError before the second row."""
        return self._learned()[0]

    @property
    def share_(self) -> NDArray[np.float64]:
        """The share of the variance that each direction holds, descending, float64 [rank <= dim]."""
        return self._learned()[1]

    def _check(self, dim: int) -> None:
        checked_rank(self.rank, dim)

    def _begin(self) -> StateSums:
        return StateSums()

    def _solve(self, seen: StateSums) -> tuple[Eraser, NDArray[np.float64]]:
        moments = seen.finished()
        rank = checked_rank(self.rank, moments.dim)
        values, vectors = np.linalg.eigh(moments.covariance())
        basis = vectors[:, ::-1][:, :rank]
        total = float(values.clip(0.0).sum())
        share = values[::-1][:rank].clip(0.0) / total if total else np.zeros(rank)
        about = {"n": moments.n, "share": [float(part) for part in share]}
        return Eraser(left=basis, right=basis.T, center=moments.mean, method="pca", about=about), share
