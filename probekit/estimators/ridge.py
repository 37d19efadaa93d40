"""Ridge regression in closed form: several targets and strengths from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError
from probekit.estimators.rows import Rows

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class RidgeProblem:
    """Targets y [n] over shared rows and a penalty alpha >= 0."""

    y: Array
    alpha: float = 1.0


@dataclass(frozen=True, kw_only=True)
class RidgeSolution:
    """The minimiser: predictions are ``X @ coef + intercept``. coef: [dim] float64."""

    coef: NDArray[np.float64]
    intercept: float


def solve_ridge(X: Array, problems: Sequence[RidgeProblem]) -> list[RidgeSolution]:
    """Minimise ``||y - X w - b||^2 + alpha ||w||^2`` with b free, for every problem; scikit-learn's Ridge.

    X [n, dim] is read twice in chunks, in float64. Directions in which X does not vary get no weight, so that
    alpha = 0 gives the shortest least-squares solution. Raises DataError for misuse.

    >>> [s] = solve_ridge(np.array([[0.0], [1.0], [2.0]]), [RidgeProblem(y=np.array([1.0, 3.0, 5.0]), alpha=0.0)])
    >>> round(float(s.coef[0]), 6), round(s.intercept, 6)
    (2.0, 1.0)
    """
    if not problems:
        return []
    rows = Rows(X, dtype=np.float64)
    targets = np.column_stack([_checked(problem, rows.n, i) for i, problem in enumerate(problems)])
    means = targets.mean(axis=0)
    targets = targets - means
    gram, moment = np.zeros((rows.dim, rows.dim)), np.zeros((rows.dim, targets.shape[1]))
    for span in rows.spans():
        chunk = rows.chunk(span).numpy()
        gram += chunk.T @ chunk
        moment += chunk.T @ targets[span]
    values, basis = np.linalg.eigh(gram)
    values = np.where(values > values.max() * rows.dim * np.finfo(np.float64).eps, values, 0.0)
    moment = basis.T @ moment
    solutions = []
    for i, problem in enumerate(problems):
        curvature = values + problem.alpha
        coef = basis @ np.divide(moment[:, i], curvature, out=np.zeros(rows.dim), where=values > 0)
        solutions.append(RidgeSolution(coef=coef, intercept=float(means[i] - coef @ rows.center)))
    return solutions


def _checked(problem: RidgeProblem, n: int, index: int) -> NDArray[np.float64]:
    y = np.asarray(problem.y, dtype=np.float64)
    if y.shape != (n,) or not np.isfinite(y).all():
        raise DataError(
            f"problem {index}: targets must be {n} finite numbers, one per row; got shape {y.shape}"
        )
    if not (np.isfinite(problem.alpha) and problem.alpha >= 0):
        raise DataError(f"problem {index}: alpha must be a number not below 0; got {problem.alpha}")
    return y
