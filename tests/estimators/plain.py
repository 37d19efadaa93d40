"""The logistic objective written out plainly in float64, and its minimum by scipy: what the solver is held to."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax


def objective(coef, intercept, X, y, C, weights=None):
    """1/2 ||W||^2 + C * sum log loss; for two classes the penalty is on W_1 - W_0."""
    weights = np.ones(len(y)) if weights is None else weights
    loss = -log_softmax(X.astype(float) @ coef.T + intercept, axis=1)[np.arange(len(y)), y]
    penalised = coef[1] - coef[0] if len(coef) == 2 else coef
    return 0.5 * np.sum(penalised**2) + C * float(weights @ loss)


def gradient(coef, intercept, X, y, C, weights=None):
    """Its gradient [K, dim + 1] for three classes or more."""
    weights = np.ones(len(y)) if weights is None else weights
    p = softmax(X.astype(float) @ coef.T + intercept, axis=1)
    p[np.arange(len(y)), y] -= 1
    p *= C * weights[:, None]
    return np.column_stack([p.T @ X + coef, p.sum(axis=0)])


def minimum(X, y, K, C, weights=None):
    """The least value of the objective that scipy's L-BFGS finds, with coef and intercept."""
    X, factor = X.astype(float), 2.0 if K == 2 else 1.0

    def both(flat):
        point = flat.reshape(K, -1)
        g = gradient(point[:, :-1], point[:, -1], X, y, C / factor, weights)
        p = log_softmax(X @ point[:, :-1].T + point[:, -1], axis=1)[np.arange(len(y)), y]
        w = np.ones(len(y)) if weights is None else weights
        return 0.5 * np.sum(point[:, :-1] ** 2) - C / factor * float(w @ p), g.ravel()

    found = minimize(
        both, np.zeros(K * (X.shape[1] + 1)), jac=True, method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30},
    )  # fmt: skip
    point = found.x.reshape(K, -1)
    return found.fun * factor, point[:, :-1], point[:, -1]
