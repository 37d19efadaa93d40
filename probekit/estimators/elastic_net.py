"""Multinomial logistic regression with a penalty on absolute weights and one on squares: few neurons get a weight.

The objective, over standardised or otherwise comparable features::

    f(W, b) = mean_i (logsumexp_k(W_k x_i + b_k) - (W_y x_i + b_y)) + l1 * sum |W| + l2 / 2 * ||W||^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.estimators.objective import Labels, evaluate
from probekit.estimators.rows import Rows

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ElasticNetSolution:
    """Logits are ``X @ coef.T + intercept``: coef float64 [classes, dim], intercept float64 [classes].

    ``gap`` is the largest entry by which another proximal step would move the point, times the curvature bound:
    0 at the minimum, and what ``tol`` bounds.
    """

    coef: Float
    intercept: Float
    objective: float
    gap: float
    n_iter: int
    converged: bool


def solve_elastic_net(
    X: NDArray[Any], codes: NDArray[Any], n_classes: int, *, l1: float, l2: float, tol: float = 1e-4,
    max_iter: int = 500,
) -> ElasticNetSolution:  # fmt: skip
    """Minimise the objective over X [n, dim] and codes [n] in ``0 .. n_classes-1``, each with an example.

    Proximal gradient steps with momentum that begins anew wherever it would lead uphill. Sources: Zou & Hastie 2005
    (the penalty); Beck & Teboulle 2009 (the steps); O'Donoghue & Candes 2015 (the new beginnings).

    Raises ConfigError for a negative penalty, DataError where rows and codes do not fit or a class has no example.

    >>> X = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, -1.0], [3.0, 1.0]])
    >>> solution = solve_elastic_net(X, np.array([0, 0, 1, 1]), 2, l1=0.01, l2=0.01)
    >>> solution.coef.shape, bool(abs(solution.coef[0, 0]) > abs(solution.coef[0, 1]))
    ((2, 2), True)
    """
    for name, value in (("l1", l1), ("l2", l2)):
        if not (np.isfinite(value) and value >= 0):
            raise ConfigError(f"{name} must be a number from 0 on; got {value}")
    rows = Rows(X)
    codes = np.asarray(codes)
    if codes.shape != (rows.n,) or codes.dtype.kind not in "iu":
        raise DataError(f"labels must be {rows.n} integer codes; got {codes.dtype} of shape {codes.shape}")
    mass = np.bincount(codes, minlength=n_classes)
    if len(mass) != n_classes or n_classes < 2 or not mass.all():
        raise DataError(
            f"each of {n_classes} classes (at least two) needs an example; got counts {mass.tolist()}"
        )
    labels = Labels(
        codes=torch.from_numpy(codes.astype(np.int64)),
        weights=None,
        classes=n_classes,
        C=1.0 / rows.n,
        rarity=torch.from_numpy((1.0 / mass).astype(rows.dtype)),
    )
    bound = (
        max(0.5, 0.5 * _largest_eigenvalue(rows)) * 1.01 + l2
    )  # of the curvature: softmax bends by 1/2 at most
    point = np.zeros((n_classes, rows.dim + 1))
    point[:, -1] = np.log(mass / rows.n)
    ahead, momentum, n_iter = point.copy(), 1.0, 0
    gap = np.inf
    while n_iter < max_iter and gap > tol:
        n_iter += 1
        gradient = evaluate(rows, [labels], [ahead])[0].gradient
        gradient[:, :-1] += (l2 - 1.0) * ahead[:, :-1]  # evaluate adds the gradient of ||W||^2 / 2
        step = ahead - gradient / bound
        weight = step[:, :-1]
        step[:, :-1] = np.sign(weight) * np.maximum(np.abs(weight) - l1 / bound, 0.0)
        gap = bound * float(np.abs(step - ahead).max())
        if float(((ahead - step) * (step - point)).sum()) > 0:
            momentum, ahead = 1.0, step.copy()
        else:
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = step + (momentum - 1) / following * (step - point)
            momentum = following
        point = step
    data = evaluate(rows, [labels], [point])[0].value - 0.5 * float((point[:, :-1] ** 2).sum())
    weight = point[:, :-1]
    intercept = point[:, -1] - weight @ rows.center
    return ElasticNetSolution(
        coef=weight.copy(),
        intercept=intercept - intercept.mean(),
        objective=data + l1 * float(np.abs(weight).sum()) + l2 / 2 * float((weight**2).sum()),
        gap=gap,
        n_iter=n_iter,
        converged=gap <= tol,
    )


def _largest_eigenvalue(rows: Rows) -> float:
    """Of the covariance of all rows."""
    return float(np.linalg.eigvalsh(rows.covariance(rows.n))[-1])
