"""How many dimensions a cloud of points has: locally, from neighbours, and as a whole, from variances."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import ConfigError, DataError
from probekit.maths.cka import squared_distances

Array = np.ndarray[Any, Any]

DISCARD = 0.1
FEWEST = 20


def two_nn(X: Any, *, discard: float = DISCARD) -> float:
    """The intrinsic dimension of points X [n, dim] from each point's two nearest neighbours.

    r2 / r1, the ratio of the distances, follows 1 - F(mu) = mu^-d where the density is constant up to the second
    neighbour; d is the slope of -log(1 - F) over log mu through the origin, the share `discard` of largest ratios left
    out. Of identical points one is kept. Raises ConfigError for a share outside 0 to 1, DataError for fewer than 20
    distinct points. Facco, d'Errico, Rodriguez & Laio 2017.

    >>> flat = np.random.default_rng(0).uniform(size=(1000, 2)) @ np.eye(2, 10)
    >>> round(two_nn(flat), 1)
    1.9
    """
    X = np.asarray(X)
    if X.ndim != 2 or not np.isfinite(X).all():
        raise DataError(f"points must be finite numbers [n, dim]; got shape {X.shape}")
    return slope_of(neighbour_ratios(distances_of(distinct_rows(X)[0])), discard)


def distinct_rows(X: Array) -> tuple[Array, Array]:
    """The rows that differ from all before them, and their places, ascending.

    >>> distinct_rows(np.array([[2.0], [1.0], [2.0]]))[1].tolist()
    [0, 1]
    """
    _, first = np.unique(np.ascontiguousarray(X), axis=0, return_index=True)
    places = np.sort(first)
    return X[places], places


def distances_of(X: Array) -> Array:
    """Distances of all pairs of points X [n, dim], float64 [n, n]; infinite from a point to itself.

    >>> distances_of(np.array([[0.0], [2.0]])).tolist()
    [[inf, 2.0], [2.0, inf]]
    """
    found = np.sqrt(squared_distances(X))
    np.fill_diagonal(found, np.inf)
    return found


def neighbour_ratios(distances: Array) -> Array:
    """The second smallest over the smallest distance in each row of float64 [n, n], ascending [n].

    Points that another one lies on up to rounding are left out. Raises DataError where fewer than 20 are left.

    >>> neighbour_ratios(distances_of(2.0 ** np.arange(21)[:, None]))[:3].round(2).tolist()
    [1.5, 1.5, 1.5]
    """
    if len(distances) < FEWEST:
        raise DataError(
            f"{len(distances)} distinct points are too few for a dimension; give at least {FEWEST}"
        )
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    apart = first > 1e-9 * np.median(second)
    if apart.sum() < FEWEST:
        raise DataError(f"{int(apart.sum())} points lie apart from all others; at least {FEWEST} are needed")
    return np.sort(second[apart] / first[apart])


def slope_of(ratios: Array, discard: float = DISCARD) -> float:
    """The dimension from ratios r2 / r1, ascending. Raises ConfigError and DataError as `two_nn`.

    >>> n = 1000
    >>> exact = (1 - np.arange(1, n + 1) / (n + 1)) ** (-1 / 3)  # what a cloud of three dimensions follows
    >>> round(slope_of(exact), 2)
    3.0
    """
    if not 0 <= discard < 1:
        raise ConfigError(f"discard must be a share from 0 to below 1; got {discard!r}")
    n = len(ratios)
    kept = max(1, int(n * (1 - discard)))
    below = np.arange(1, n + 1) / (n + 1)  # the expected F of sorted values
    x, y = np.log(ratios[:kept]), -np.log1p(-below[:kept])
    if not (x > 0).any():
        raise DataError(
            "every point is as far from its second neighbour as from its first: no dimension follows"
        )
    return float(x @ y / (x @ x))


def participation_ratio(variances: Any) -> float:
    """(sum of variances)^2 / (sum of their squares): how many directions share the variance, from 1 to their number.

    `variances` are the eigenvalues of a covariance [k], or the covariance itself [dim, dim]. Raises DataError where
    nothing varies.

    >>> participation_ratio([2.0, 2.0, 0.0]), participation_ratio(np.diag([2.0, 2.0, 0.0]))
    (2.0, 2.0)
    """
    given = np.asarray(variances, dtype=np.float64)
    total = np.trace(given) if given.ndim == 2 else given.sum()
    squares = (given**2).sum()
    if not (total > 0 and squares > 0):
        raise DataError("rows do not vary: they have no dimension")
    return float(total**2 / squares)
