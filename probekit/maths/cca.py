"""Canonical correlations of two representations of the same rows, and two means of them.

SVCCA (Raghu et al. 2017) keeps the main directions of each side and takes the plain mean; PWCCA (Morcos, Raghu & Bengio
2018) weighs each canonical direction of the first side by how much of that side's neurons it accounts for.

Canonical correlations do not change under any invertible linear map of either side. SVCCA keeps that under rotation and
scaling only, unless all directions are kept. PWCCA keeps it for the second side; of the first side the neurons count,
so its rotation changes the weights. All of them grow as rows become few: with fewer rows than dimensions of both sides
together some are 1 by arithmetic, and that is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import ConfigError, DataError
from probekit.maths.cka import paired_rows
from probekit.maths.procrustes import singular_values

Array = np.ndarray[Any, Any]

KEPT = 0.99
EPS = float(np.finfo(np.float64).eps)


def cca(X: Any, Y: Any) -> Array:
    """The canonical correlations of rows X [n, p] and Y [n, q], descending, float64 [the smaller rank].

    Raises DataError for rows that do not fit together or are too few. Hotelling 1936.

    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> pk.cca(X, X @ [[1.0, 2.0], [0.0, 1.0], [0.0, 0.0]]).round(6).tolist()
    [1.0, 1.0]
    """
    return correlations(*_whitened(X, Y, 1.0))


def svcca(X: Any, Y: Any, *, kept: float = KEPT) -> float:
    """The mean canonical correlation of the directions that hold a share `kept` of each side's variance.

    Raises ConfigError for a share outside 0 to 1, DataError as `cca`. Raghu et al. 2017.

    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(svcca(X, 2 * X), 6)
    1.0
    """
    return float(correlations(*_whitened(X, Y, kept)).mean())


def pwcca(X: Any, Y: Any, *, kept: float = 1.0) -> float:
    """The mean canonical correlation, each weighed by what its direction accounts for in the neurons of X.

    Not symmetric. Raises as `svcca`. Morcos, Raghu & Bengio 2018.

    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(pwcca(X, X @ np.diag([1.0, 5.0, 9.0])), 6)
    1.0
    """
    return weighed(*_whitened(X, Y, kept))


class Whitened:
    """A covariance [p, p] and the map [p, k] that makes its k main directions uncorrelated with variance 1.

    ``kept`` is the share of the variance that these directions hold. Raises DataError where nothing varies.

    >>> Whitened(np.diag([4.0, 1.0, 0.0]), 10).W.shape
    (3, 2)
    """

    def __init__(self, covariance: Array, n: int, kept: float = 1.0) -> None:
        if not 0 < kept <= 1:
            raise ConfigError(f"kept must be a share above 0 and up to 1; got {kept!r}")
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = values[::-1], vectors[:, ::-1]
        if not values[0] > 0:
            raise DataError("rows do not vary: there is nothing to compare")
        rank = int((values > max(n, len(values)) * EPS * values[0]).sum())
        if kept < 1:
            share = np.cumsum(values[:rank]) / values[:rank].sum()
            rank = min(rank, int(np.searchsorted(share, kept * (1 - 1e-12))) + 1)
        self.covariance, self.n = covariance, n
        self.W = vectors[:, :rank] / np.sqrt(values[:rank])

    @property
    def rank(self) -> int:
        """How many directions there are."""
        return int(self.W.shape[1])


def correlations(a: Whitened, b: Whitened, cross: Array, *, fast: bool = False) -> Array:
    """Canonical correlations; descending unless ``fast``, which takes half the time and is right to 1e-6 only.

    ``cross`` is the covariance of both sides [p, q]. Raises DataError where rows are too few.
    """
    return np.asarray(np.clip(singular_values(_between(a, b, cross), fast=fast), 0.0, 1.0))


def weighed(a: Whitened, b: Whitened, cross: Array) -> float:
    """PWCCA: canonical correlations weighed by |covariance| of their variate with each neuron of the first side.

    Raises DataError where rows are too few.
    """
    U, found, _ = np.linalg.svd(_between(a, b, cross), full_matrices=False)
    weights = np.abs(a.covariance @ (a.W @ U)).sum(axis=0)
    return float(weights @ np.clip(found, 0.0, 1.0) / weights.sum())


def _between(a: Whitened, b: Whitened, cross: Array) -> Array:
    """Covariance of the whitened sides, whose singular values are the canonical correlations."""
    if a.rank + b.rank > a.n - 1:
        raise DataError(
            f"{a.n} rows are too few for canonical correlations of {a.rank} and {b.rank} dimensions: some are 1 by "
            f"arithmetic; give more than {a.rank + b.rank} rows, or keep fewer directions"
        )
    return np.asarray(a.W.T @ cross @ b.W)


def _whitened(X: Any, Y: Any, kept: float) -> tuple[Whitened, Whitened, Array]:
    X, Y, _ = paired_rows(X, Y)
    X, Y = (side - side.mean(axis=0, dtype=np.float64) for side in (X, Y))
    n = len(X)
    return Whitened(X.T @ X / n, n, kept), Whitened(Y.T @ Y / n, n, kept), X.T @ Y / n
