"""States with a planted concept: class means apart along some directions, and noise of very unequal spread."""

from __future__ import annotations

import numpy as np


def planted_states(
    n: int = 600,
    *,
    classes: int = 2,
    dim: int = 12,
    apart: float = 4.0,
    seed: int = 0,
    dtype: type = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """States [n, dim] and codes [n]; the means are the same for every seed, the rows are drawn with it."""
    fixed = np.random.default_rng(99)
    mixing = np.linalg.qr(fixed.normal(size=(dim, dim)))[0] * np.geomspace(2.0, 0.2, dim)
    means = apart * np.linalg.qr(fixed.normal(size=(dim, classes)))[0].T
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, classes, n)
    X = draw.normal(size=(n, dim)) @ mixing.T + means[codes] + 3.0
    return X.astype(dtype), codes


def linear_accuracy(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Test accuracy of a converged logistic regression."""
    from probekit.estimators.linear import LinearProbe

    return float(np.mean(LinearProbe(tol=1e-6).fit(*train).predict(test[0]) == test[1]))
