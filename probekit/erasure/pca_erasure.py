"""The control that takes out the directions of largest variance, whatever they mean."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from probekit.erasure.concept import checked_rank, checked_states, summed
from probekit.erasure.eraser import Eraser

Array = NDArray[Any]


class PcaErasure(BaseEstimator):  # type: ignore[misc]
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
        X = checked_states(X)
        rank = checked_rank(self.rank, X.shape[1])
        moments = summed(X)
        values, vectors = np.linalg.eigh(moments.covariance())
        basis = vectors[:, ::-1][:, :rank]
        total = float(values.clip(0.0).sum())
        self.share_ = values[::-1][:rank].clip(0.0) / total if total else np.zeros(rank)
        about = {"n": moments.n, "share": [float(share) for share in self.share_]}
        self.eraser_ = Eraser(left=basis, right=basis.T, center=moments.mean, method="pca", about=about)
        return self
