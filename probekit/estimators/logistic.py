"""Multinomial logistic regression with an L2 penalty, for many label sets over the same vectors at once.

A probe, its control tasks and several strengths share their features, and what such a solve costs is reading the
features. So every problem keeps its own state, and one pass over the rows serves all that are still running.

The objective of one problem is scikit-learn's, with the intercept free::

    f(W, b) = 1/2 ||W||^2 + C * sum_i weight_i * (logsumexp_k(W_k x_i + b_k) - (W_y x_i + b_y))

For two classes scikit-learn penalises one vector, ``w = W_1 - W_0``; that is this objective at ``C / 2``, doubled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import DataError
from probekit.estimators.descent import Descent, KroneckerMetric
from probekit.estimators.objective import Labels, evaluate
from probekit.estimators.rows import Rows

TOLERANCE = 1e-4
MAX_PASSES = 300


@dataclass(frozen=True, kw_only=True)
class LinearSolution:
    """What a solve ended with: logits are ``X @ coef.T + intercept``.

    coef: [classes, dim] float64, intercept: [classes] float64. A class without an example has zeros and an
    intercept of minus infinity, the limit the objective tends to. ``gradient_norm`` is the norm of the exact
    gradient at the end divided by its norm at zero; ``converged`` says that it reached the tolerance.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    objective: float
    gradient_norm: float
    n_iter: int
    converged: bool


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Labels over shared rows: codes [n] in ``0 .. n_classes-1``, an inverse penalty C, optional weights [n] >= 0.

    ``start`` is a solution to begin from: of a neighbouring strength, say.
    """

    y: NDArray[Any]
    n_classes: int
    C: float = 1.0
    weights: NDArray[Any] | None = None
    start: LinearSolution | None = None


def solve_logistic(
    X: NDArray[Any], problems: Sequence[Problem], *, tol: float = TOLERANCE, max_iter: int = MAX_PASSES
) -> list[LinearSolution]:
    """Solve every problem over the rows of X [n, dim]; solutions come in the order of the problems.

    X may be float16, float32 or float64 and memory-mapped: it is read in chunks and never copied. Sums run in
    float64; products in float32, unless X is float64. ``tol`` bounds the gradient's norm relative to its norm
    at zero, ``max_iter`` the number of passes. Solving together or alone gives the same answer to the tolerance.

    Raises DataError where labels and rows do not fit, a value is not finite, or a problem has fewer than two classes.

    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> [s] = solve_logistic(X, [Problem(y=np.array([0, 0, 1, 1]), n_classes=2)])
    >>> s.coef.shape, s.converged
    ((2, 1), True)
    """
    rows = Rows(X)
    runs = [_Run(rows, problem, index) for index, problem in enumerate(problems)]
    basis = np.linalg.eigh(rows.covariance())
    for run in runs:
        run.begin(basis, tol, max_iter)
    while active := [run for run in runs if not run.descent.done]:
        answers = evaluate(rows, [run.labels for run in active], [run.descent.point for run in active])
        for run, (value, gradient) in zip(active, answers, strict=True):
            run.descent.tell(value, gradient)
    return [run.solution() for run in runs]


class _Run:
    """A problem over the classes that have an example, in centred coordinates, with its descent."""

    def __init__(self, rows: Rows, problem: Problem, index: int) -> None:
        self.rows, self.problem = rows, problem
        codes = np.asarray(problem.y)
        where = f"problem {index}"
        if codes.shape != (rows.n,) or codes.dtype.kind not in "iu":
            raise DataError(
                f"{where}: labels must be {rows.n} integer codes, one per row; got {codes.dtype} {codes.shape}"
            )
        if codes.min() < 0 or codes.max() >= problem.n_classes:
            raise DataError(
                f"{where}: codes must lie in 0..{problem.n_classes - 1}; got {codes.min()}..{codes.max()}"
            )
        if not problem.C > 0 or not np.isfinite(problem.C):
            raise DataError(f"{where}: the inverse penalty C must be a positive number; got {problem.C}")
        weights = None if problem.weights is None else np.asarray(problem.weights, dtype=np.float64)
        if weights is not None and (
            weights.shape != (rows.n,) or not (np.isfinite(weights) & (weights >= 0)).all()
        ):
            raise DataError(f"{where}: weights must be {rows.n} finite numbers, none negative")
        self.mass = np.bincount(codes, weights=weights, minlength=problem.n_classes)
        self.present = np.flatnonzero(self.mass > 0)
        if len(self.present) < 2:
            raise DataError(f"{where}: at least two classes need an example; got {len(self.present)}")
        compact = np.zeros(problem.n_classes, dtype=np.int64)
        compact[self.present] = np.arange(len(self.present))
        self.half = 0.5 if len(self.present) == 2 else 1.0
        self.labels = Labels(
            codes=torch.from_numpy(compact[codes]),
            weights=None if weights is None else torch.from_numpy(weights.astype(rows.dtype)),
            classes=len(self.present),
            C=problem.C * self.half,
        )

    def begin(self, basis: tuple[Any, Any], tol: float, max_iter: int) -> None:
        prior = self.mass[self.present] / self.mass.sum()
        metric = KroneckerMetric(
            np.diag(prior) - np.outer(prior, prior),
            (basis[0], basis[1]),
            np.zeros(self.rows.dim),
            self.labels.C * float(self.mass.sum()),
        )
        zero = np.zeros((len(prior), self.rows.dim + 1))
        [(_, gradient)] = evaluate(self.rows, [self.labels], [zero])
        point = zero.copy()
        point[:, -1] = np.log(prior)
        if self.problem.start is not None:
            point[:, :-1] = self.problem.start.coef[self.present]
            point[:, -1] = self.problem.start.intercept[self.present] + point[:, :-1] @ self.rows.center
        self.descent = Descent(point, metric, zero_norm=self._norm(gradient), tol=tol, max_iter=max_iter)

    def _norm(self, gradient: Any) -> float:
        return float(np.linalg.norm(gradient))

    def solution(self) -> LinearSolution:
        """Back to all classes and to features that are not centred."""
        K = self.problem.n_classes
        coef, intercept = np.zeros((K, self.rows.dim)), np.full(K, -np.inf)
        best = self.descent.best
        coef[self.present] = best[:, :-1]
        intercept[self.present] = best[:, -1] - best[:, :-1] @ self.rows.center
        return LinearSolution(
            coef=coef,
            intercept=intercept,
            objective=self.descent.value / self.half,
            gradient_norm=self.descent.norm / self.descent.zero_norm,
            n_iter=self.descent.n_iter,
            converged=self.descent.norm <= self.descent.target,
        )
