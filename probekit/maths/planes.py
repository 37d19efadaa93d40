"""Planes of points: how faithful one is to the space it shows, and how to lay one over another.

Sources: Kruskal 1964 (stress); Venna & Kaski 2001 (trustworthiness); Schönemann 1966 (rotation by least squares).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Faith(NamedTuple):
    """How faithful a plane is to its space; `chance` is the share of neighbours that a random plane keeps."""

    stress: float
    trustworthiness: float
    kept: float
    chance: float


def faith(space: Array, plane: Array, neighbours: int = 10) -> Faith:
    """Stress, trustworthiness and kept neighbours of a plane, from distances float64[n, n] in the space and in it.

    stress: sqrt(sum (d - s e)^2 / sum d^2) over pairs, d in the space, e in the plane, s the best one scale: 0 is
    perfect, and the size of the plane does not matter. trustworthiness: 1 less the normed ranks of points that are
    neighbours in the plane and not in the space; NaN unless 2 `neighbours` < n, as its norm is made for no other. kept:
    the mean share of a point's nearest neighbours in the space that are its nearest in the plane. Of equal distances
    the first point counts as nearer.

    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> faith(np.abs(x - x.T), 5 * np.abs(x - x.T), neighbours=1)
    Faith(stress=0.0, trustworthiness=1.0, kept=1.0, chance=0.3333333333333333)
    """
    n = len(space)
    k = min(neighbours, n - 1)
    upper = np.triu_indices(n, 1)
    far, near = space[upper], plane[upper]
    total, flat = float(far @ far), float(near @ near)
    lost = 1.0 - (float(far @ near) ** 2 / (total * flat) if flat > 0 else 0.0)
    stress = float(np.sqrt(max(0.0, lost))) if total > 0 else np.nan
    ranks = _ranks(space)
    nearest = np.argsort(_ranks(plane), axis=1, kind="stable")[:, 1 : k + 1]
    found = np.take_along_axis(ranks, nearest, axis=1)
    intruding = np.maximum(found - k, 0).sum()
    trust = 1.0 - 2.0 * intruding / (n * k * (2 * n - 3 * k - 1)) if 2 * k < n else np.nan
    return Faith(0.0 if stress < 1e-7 else stress, float(trust), float((found <= k).mean()), k / (n - 1))


def same_label_share(distance: Array, codes: Array, neighbours: int = 10) -> Array:
    """The share of each point's nearest neighbours that have its label, float64[n], from distances float64[n, n].

    >>> x = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> same_label_share(np.abs(x - x.T), np.array([0, 0, 1, 1]), neighbours=1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    nearest = np.argsort(_ranks(distance), axis=1, kind="stable")[:, 1 : neighbours + 1]
    share: Array = (codes[nearest] == codes[:, None]).mean(axis=1)
    return share


def same_label_chance(codes: Array) -> float:
    """What `same_label_share` is on average over all ways of dealing the labels out.

    >>> same_label_chance(np.array([0, 0, 1, 1]))
    0.3333333333333333
    """
    counts = np.bincount(codes).astype(float)
    return float((counts * (counts - 1)).sum() / (len(codes) * (len(codes) - 1)))


def lay_over(plane: Array, reference: Array) -> tuple[Array, float]:
    """A plane float64[n, 2] centred, turned and mirrored (never stretched) so that it lies best over another.

    Also the fit: the square of the correlation of the two once they lie so, 1 where one is the other turned, mirrored,
    moved and scaled; NaN where either is one point.

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    >>> turned, fit = lay_over(square @ np.array([[0.0, -2.0], [-2.0, 0.0]]), square)
    >>> np.allclose(turned, 2 * (square - square.mean(0))), round(fit, 6)
    (True, 1.0)
    """
    own, other = plane - plane.mean(axis=0), reference - reference.mean(axis=0)
    left, size, right = np.linalg.svd(own.T @ other)
    norms = float((own**2).sum() * (other**2).sum())
    turned: Array = own @ (left @ right)
    return turned, float(size.sum() ** 2 / norms) if norms > 0 else np.nan


def _ranks(distance: Array) -> Array:
    """For every row how near each point is, int[n, n]: 0 itself, 1 its nearest neighbour, ..."""
    n = len(distance)
    own = distance.copy()
    np.fill_diagonal(own, -1.0)
    order = np.argsort(own, axis=1, kind="stable")
    ranks = np.empty((n, n), dtype=np.int64)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(n), (n, n)), axis=1)
    return ranks
