"""Which of several ways are worth their price: none is better at the same cost or cheaper at the same score."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pareto_front(cost: Array, score: Array) -> Array:
    """Which points no other beats, bool [n]: none costs at most as much and scores as high, one of them strictly.

    `cost` and `score` float64 [n]; equal points are both on the front; a point with a NaN is not.

    >>> pareto_front(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.4, 0.9])).tolist()
    [True, False, True]
    """
    cost, score = np.asarray(cost, np.float64), np.asarray(score, np.float64)
    there = ~(np.isnan(cost) | np.isnan(score))
    no_dearer, no_worse = cost[None, :] <= cost[:, None], score[None, :] >= score[:, None]
    strictly = (cost[None, :] < cost[:, None]) | (score[None, :] > score[:, None])
    front: Array = there & ~(no_dearer & no_worse & strictly & there[None, :]).any(axis=1)
    return front
