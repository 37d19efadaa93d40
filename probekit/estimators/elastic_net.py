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
from scipy.optimize import Bounds, minimize

from probekit.errors import ConfigError, DataError
from probekit.estimators.objective import Labels, evaluate
from probekit.estimators.rows import Rows

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ElasticNetSolution:
    """Logits are ``X @ coef.T + intercept``: coef float64 [classes, dim], intercept float64 [classes].

    ``gap`` is the largest entry of the projected gradient: 0 at the minimum, and what ``tol`` bounds. ``n_iter`` counts
    passes over the rows.
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

    A weight is the difference of two numbers from 0 on, so that the penalty is linear, and L-BFGS-B heeds the bounds:
    most weights end at 0 exactly. Sources: Zou & Hastie 2005 (the penalty); Byrd et al. 1995 (the steps). ``tol``
    bounds the largest entry of the projected gradient, ``max_iter`` the steps.

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
    shape = (n_classes, rows.dim)
    size = n_classes * rows.dim

    def objective(x: Float) -> tuple[float, Float]:
        point = _joined(x, shape)
        weight = point[:, :-1]
        found = evaluate(rows, [labels], [point])[0]
        square = float((weight**2).sum())  # evaluate adds half of it to the loss
        value = found.value + (l2 - 1.0) / 2 * square + l1 * float(x[: 2 * size].sum())
        gradient = (found.gradient[:, :-1] + (l2 - 1.0) * weight).reshape(-1)
        return value, np.concatenate([gradient + l1, l1 - gradient, found.gradient[:, -1]])

    start = np.concatenate([np.zeros(2 * size), np.log(mass / rows.n)])
    bounds = Bounds(np.concatenate([np.zeros(2 * size), np.full(n_classes, -np.inf)]), np.inf)
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": max_iter, "maxfun": 2 * max_iter, "gtol": tol, "ftol": 0.0, "maxcor": 20},
    )  # fmt: skip
    value, gradient = objective(found.x)
    inward = np.where(found.x[: 2 * size] > 0, gradient[: 2 * size], np.minimum(gradient[: 2 * size], 0.0))
    gap = float(max(np.abs(inward).max(), np.abs(gradient[2 * size :]).max()))
    point = _joined(found.x, shape)
    weight = point[:, :-1]
    intercept = point[:, -1] - weight @ rows.center
    return ElasticNetSolution(
        coef=weight.copy(),
        intercept=intercept - intercept.mean(),
        objective=value,
        gap=gap,
        n_iter=int(found.nfev),
        converged=gap <= tol,
    )


def _joined(x: Float, shape: tuple[int, int]) -> Float:
    """Positive parts, negative parts and intercepts as weights [classes, dim] with the intercepts behind."""
    size = shape[0] * shape[1]
    weight = (x[:size] - x[size : 2 * size]).reshape(shape)
    return np.column_stack([weight, x[2 * size :]])
