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
from probekit.estimators.descent import Descent
from probekit.estimators.fallback import finish
from probekit.estimators.objective import Float, Labels, evaluate
from probekit.estimators.rows import Rows
from probekit.estimators.warmup import warm_up

TOLERANCE = 5e-4
MAX_PASSES = 100
MANY = 8192  # rows; with fewer a Newton step costs no more than an epoch
SPREAD = 60  # rows per feature that the whitening of the warm-up looks at


@dataclass(frozen=True, kw_only=True)
class LinearSolution:
    """What a solve ended with: logits are ``X @ coef.T + intercept``.

    coef: [classes, dim] float64, intercept: [classes] float64. A class without an example has zeros and an
    intercept of minus infinity, the limit that the objective tends to. ``excess`` estimates how far the objective
    lies above its minimum, as a share of it; ``converged`` says that it reached the tolerance. ``gradient_norm``
    is the largest entry of the exact gradient of the mean loss, which is what scikit-learn's ``tol`` bounds.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    objective: float
    excess: float
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

    X may be float16, float32 or float64 and memory-mapped: it is read in chunks and never copied whole. Sums run
    in float64; products in float32, unless X is float64. ``tol`` bounds the excess, ``max_iter`` the passes over
    the rows. Together or alone, the answers agree to the tolerance; the same call gives the same bits.

    A few epochs of Adam (`warmup`), then Newton steps whose curvature comes from a sample of rows (`curvature`) and
    whose gradient is exact. A descent that gets stuck is finished by L-BFGS (`fallback`), beyond ``max_iter``.

    Raises DataError where labels and rows do not fit, a value is not finite, or a problem has fewer than two classes.

    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> [s] = solve_logistic(X, [Problem(y=np.array([0, 0, 1, 1]), n_classes=2)])
    >>> s.coef.shape, s.converged
    ((2, 1), True)
    """
    rows = Rows(X)
    runs = [_Run(rows, problem, f"problem {index}") for index, problem in enumerate(problems)]
    fresh = [run for run in runs if run.problem.start is None]
    if fresh and rows.n >= MANY:
        basis = np.linalg.eigh(rows.covariance(SPREAD * rows.dim))
        warmed = warm_up(
            rows, [run.labels for run in fresh], [run.point for run in fresh], (basis[0], basis[1])
        )
        for run, point in zip(fresh, warmed, strict=True):
            run.point = point
    descents = [Descent(rows, run.labels, run.point, tol=tol, max_iter=max_iter) for run in runs]
    while active := [descent for descent in descents if not descent.done]:
        found = evaluate(rows, [descent.labels for descent in active], [descent.point for descent in active])
        for descent, evaluation in zip(active, found, strict=True):
            descent.tell(evaluation)
    for descent in descents:
        if not descent.converged and descent.n_iter < max_iter:
            finish(rows, descent, tol=tol, max_iter=max_iter)
    return [run.solution(descent) for run, descent in zip(runs, descents, strict=True)]


class _Run:
    """A problem in the terms of the solver: classes that have an example, weights that count, centred rows."""

    def __init__(self, rows: Rows, problem: Problem, where: str) -> None:
        self.rows, self.problem = rows, problem
        codes, weights = _checked(problem, rows.n, where)
        mass = np.bincount(codes, weights=weights, minlength=problem.n_classes)
        self.present = np.flatnonzero(mass > 0)
        if len(self.present) < 2:
            raise DataError(f"{where}: at least two classes need an example; got {len(self.present)}")
        compact = np.zeros(problem.n_classes, dtype=np.int64)
        compact[self.present] = np.arange(len(self.present))
        # two classes: one vector w = W_1 - W_0 carries the penalty, which is this form at half of C, doubled
        self.factor = 2.0 if len(self.present) == 2 else 1.0
        self.labels = Labels(
            codes=torch.from_numpy(compact[codes]),
            weights=None if weights is None else torch.from_numpy(weights.astype(rows.dtype)),
            classes=len(self.present),
            C=problem.C / self.factor,
            rarity=torch.from_numpy((1.0 / mass[self.present]).astype(rows.dtype)),
        )
        self.mass = float(mass.sum())
        self.point = np.zeros((len(self.present), rows.dim + 1))
        if problem.start is None:
            self.point[:, -1] = np.log(mass[self.present] / self.mass)
        else:
            self._begin_at(problem.start, where)

    def _begin_at(self, start: LinearSolution, where: str) -> None:
        if start.coef.shape != (self.problem.n_classes, self.rows.dim):
            wanted = (self.problem.n_classes, self.rows.dim)
            raise DataError(f"{where}: the start must have coef of shape {wanted}; got {start.coef.shape}")
        self.point[:, :-1] = start.coef[self.present]
        intercept = np.where(np.isfinite(start.intercept), start.intercept, 0.0)[self.present]
        self.point[:, -1] = intercept + self.point[:, :-1] @ self.rows.center

    def solution(self, descent: Descent) -> LinearSolution:
        """Back to all classes, and to features that are not centred."""
        coef, intercept = (
            np.zeros((self.problem.n_classes, self.rows.dim)),
            np.full(self.problem.n_classes, -np.inf),
        )
        coef[self.present] = descent.best[:, :-1]
        free = descent.best[:, -1] - descent.best[:, :-1] @ self.rows.center
        intercept[self.present] = free - free.mean()  # a shift of all intercepts changes nothing
        gradient = descent.gradient  # of centred features; the given ones add their mean
        gradient[:, :-1] += np.outer(gradient[:, -1], self.rows.center)
        return LinearSolution(
            coef=coef,
            intercept=intercept,
            objective=descent.value * self.factor,
            excess=descent.excess,
            gradient_norm=float(np.abs(gradient).max()) / (self.labels.C * self.mass),
            n_iter=descent.n_iter,
            converged=descent.converged,
        )


def _checked(problem: Problem, n: int, where: str) -> tuple[NDArray[np.int64], Float | None]:
    codes, classes = np.asarray(problem.y), problem.n_classes
    if codes.shape != (n,) or codes.dtype.kind not in "iu":
        raise DataError(
            f"{where}: labels must be {n} integer codes; got {codes.dtype} of shape {codes.shape}"
        )
    if codes.min() < 0 or codes.max() >= classes:
        raise DataError(f"{where}: codes must lie in 0..{classes - 1}; got {codes.min()}..{codes.max()}")
    if not (np.isfinite(problem.C) and problem.C > 0):
        raise DataError(f"{where}: the inverse penalty C must be a number above 0; got {problem.C}")
    if problem.weights is None:
        return codes.astype(np.int64), None
    weights = np.asarray(problem.weights, dtype=np.float64)
    if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(
            f"{where}: weights must be {n} finite numbers, none below 0; got shape {weights.shape}"
        )
    return codes.astype(np.int64), weights
