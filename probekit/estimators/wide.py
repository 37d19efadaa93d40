"""Linear probes over many thousands of features, where the curvature of all pairs of them costs more than it saves.

The same minima as `solve_logistic` and `solve_ridge`; a pass over the rows costs ``rows * features``, and no matrix of
features by features is ever made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from probekit.errors import DataError
from probekit.estimators.objective import Labels, evaluate
from probekit.estimators.rows import Rows

Float = NDArray[np.float64]

WIDE = 1024
"""Features from which these are the faster solvers."""
TOLERANCE = 1e-4
MAX_PASSES = 300


def solve_wide_logistic(
    X: Any,
    codes: NDArray[Any],
    n_classes: int,
    *,
    C: float = 1.0,
    weights: NDArray[Any] | None = None,
    tol: float = TOLERANCE,
    max_iter: int = MAX_PASSES,
) -> tuple[Float, Float, bool]:
    """Minimise ``1/2 ||W||^2 + C * sum_i weight_i * log loss_i`` by L-BFGS (Liu & Nocedal 1989), the intercept free.

    X [n, dim], codes [n] in ``0 .. n_classes-1`` with an example of each; weights [n]. Gives coef [classes, dim] and
    intercept [classes], for two classes one row (the log odds of the second), and whether it ended before ``max_iter``.
    It ends where a step gains less than ``tol`` / 100 of the objective, or its gradient is below ``tol`` of that at the
    start.

    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> coef, intercept, done = solve_wide_logistic(X, np.array([0, 0, 1, 1]), 2)
    >>> coef.shape, bool(coef[0, 0] > 0), done
    ((1, 1), True, True)
    """
    rows = Rows(X)
    own = np.ones(rows.n) if weights is None else np.asarray(weights, np.float64)
    mass = np.bincount(codes, weights=own, minlength=n_classes)
    if len(mass) != n_classes or n_classes < 2 or not (mass > 0).all():
        raise DataError(
            f"each of {n_classes} classes (at least two) needs an example; got weights {mass.tolist()}"
        )
    two = n_classes == 2  # one vector carries the penalty: this form at half of C, doubled
    labels = Labels(
        codes=torch.from_numpy(np.asarray(codes, np.int64)),
        weights=None if weights is None else torch.from_numpy(own.astype(rows.dtype)),
        classes=n_classes,
        C=C / 2.0 if two else C,
        rarity=torch.from_numpy((1.0 / mass).astype(rows.dtype)),
    )
    shape = (n_classes, rows.dim + 1)
    start = np.zeros(shape)
    start[:, -1] = np.log(mass / mass.sum())
    # the intercepts' curvature is that of all rows together, so they are measured in a unit of their own
    unit = np.ones(shape)
    unit[:, -1] = 1.0 / np.sqrt(max(1.0, labels.C * mass.sum() / n_classes))

    def objective(x: Float) -> tuple[float, Float]:
        found = evaluate(rows, [labels], [x.reshape(shape) * unit])[0]
        return found.value, (found.gradient * unit).reshape(-1)

    steep = float(np.abs(objective((start / unit).reshape(-1))[1]).max())
    found = minimize(
        objective, (start / unit).reshape(-1), jac=True, method="L-BFGS-B",
        options={"maxiter": max_iter, "maxfun": 2 * max_iter, "ftol": tol / 100, "gtol": tol * steep, "maxcor": 20},
    )  # fmt: skip
    point = found.x.reshape(shape) * unit
    coef = point[:, :-1].copy()
    intercept = point[:, -1] - coef @ rows.center
    if two:
        return coef[1:] - coef[:1], intercept[1:] - intercept[:1], bool(found.success)
    return coef, intercept - intercept.mean(), bool(found.success)


def solve_wide_ridge(X: Any, y: NDArray[Any], *, alpha: float = 1.0) -> tuple[Float, float]:
    """Minimise ``||y - X w - b||^2 + alpha ||w||^2``, b free, by conjugate gradients: coef [dim] and intercept.

    X [n, dim] is read twice a step, in chunks and in float64; it ends where the gradient is below 1e-8 of that at 0
    (Hestenes & Stiefel 1952).

    >>> coef, intercept = solve_wide_ridge(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]), alpha=0.5)
    >>> round(float(coef[0]), 6), round(intercept, 6)
    (1.6, 1.4)
    """
    rows = Rows(X, dtype=np.float64)
    mean = float(np.mean(y))
    target = torch.from_numpy(np.asarray(y, np.float64) - mean)
    moment = torch.zeros(rows.dim, dtype=torch.float64)
    for span in rows.spans():
        moment += rows.chunk(span).T @ target[span]
    w, residual = torch.zeros_like(moment), moment.clone()
    direction, size = residual.clone(), float(residual @ residual)
    least = 1e-16 * size
    for _ in range(min(rows.dim, MAX_PASSES)):
        if size <= least:
            break
        bent = alpha * direction
        for span in rows.spans():
            chunk = rows.chunk(span)
            bent += chunk.T @ (chunk @ direction)
        length = size / float(direction @ bent)
        w += length * direction
        residual -= length * bent
        size, before = float(residual @ residual), size
        direction = residual + (size / before) * direction
    coef = w.numpy()
    return coef, float(mean - coef @ rows.center)
