"""Points in a plane whose distances are as given as far as a plane allows.

Sources: Torgerson 1952 (where it begins); de Leeuw 1977 (majorisation: every step lowers the stress).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def scale_to_plane(
    distance: Array, *, dim: int = 2, starts: int = 8, steps: int = 500, change: float = 1e-7
) -> Array:
    """Metric multidimensional scaling of distances float64[n, n]: points float64[n, dim], centred, always the same.

    It begins at the classical solution and at random places, `starts` in all, and goes from each down the raw stress,
    sum (d - e)^2 over pairs, until a step lowers it by less than a share `change`; the lowest end counts. Points
    without any distance between them all come to lie at 0.

    >>> x = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [3.0, 4.0]])
    >>> apart = np.sqrt(((x[:, None] - x) ** 2).sum(2))
    >>> found = scale_to_plane(apart)
    >>> bool(np.allclose(np.sqrt(((found[:, None] - found) ** 2).sum(2)), apart))
    True
    """
    rng = np.random.default_rng(0)
    points = classical_scaling(distance, dim)
    size = float(np.mean(distance))
    best, lowest = points, np.inf
    for number in range(starts if size > 0 else 1):
        begin = points if not number else np.asarray(rng.normal(scale=size, size=points.shape))
        end, stress = _descend(distance, begin, steps, change)
        if stress < lowest * (1 - 1e-6):
            best, lowest = end, stress
    return _turned(best)


def _descend(distance: Array, points: Array, steps: int, change: float) -> tuple[Array, float]:
    """Where majorisation leads from some points, and its raw stress."""
    points = points - points.mean(0)
    exact = 1e-20 * float((distance**2).sum())
    before = np.inf
    for step in range(steps + 1):
        apart = distances(points)
        now = float(((distance - apart) ** 2).sum())
        if step == steps or now <= exact or before - now < change * now:
            break
        before = now
        with np.errstate(divide="ignore", invalid="ignore"):
            pull = np.where(apart > 1e-12, distance / apart, 0.0)
        np.fill_diagonal(pull, 0.0)
        points = (pull.sum(1)[:, None] * points - pull @ points) / len(points)
    return points, now


def classical_scaling(distance: Array, dim: int = 2) -> Array:
    """The leading axes of the doubly centred squared distances, float64[n, dim]; 0 where there are fewer.

    >>> classical_scaling(np.array([[0.0, 2.0], [2.0, 0.0]]), 1).tolist()
    [[1.0], [-1.0]]
    """
    n = len(distance)
    squares = np.asarray(distance, dtype=np.float64) ** 2
    inner = -0.5 * (squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean())
    size, axes = np.linalg.eigh((inner + inner.T) / 2)
    points = np.zeros((n, dim))
    found = min(dim, n)
    points[:, :found] = (axes[:, ::-1] * np.sqrt(np.maximum(size[::-1], 0.0)))[:, :found]
    return _turned(points)


def distances(points: Array) -> Array:
    """Euclidean distances float64[n, n] between points float64[n, dim].

    >>> distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    apart: Array = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    return apart


def _turned(points: Array) -> Array:
    """Every axis pointing the way in which its farthest point lies: signs of axes mean nothing, so they are fixed."""
    farthest = points[np.abs(points).argmax(0), np.arange(points.shape[1])]
    turned: Array = points * np.where(farthest < 0, -1.0, 1.0)
    return turned
