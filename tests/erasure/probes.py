"""What a linear probe finds, run to the end: coefficients, and the steepest way down from a constant."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC


def largest_coefficients(X: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The largest coefficient of a logistic regression without penalty and of a linear SVM, on centred states.

    Centred, because erased states are constant along what was read, and a constant may serve as intercept.
    """
    centred = X - X.mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # before erasure, a tolerance of 0 is never reached
        logistic = LogisticRegression(C=np.inf, tol=0.0, max_iter=300).fit(centred, y)
        machine = LinearSVC(dual=False, intercept_scaling=1e6, tol=1e-10).fit(centred, y)
    return float(np.abs(logistic.coef_).max()), float(np.abs(machine.coef_).max())


def steepest_descent(X: np.ndarray, y: np.ndarray) -> float:
    """The largest entry of the log loss's gradient at the best constant prediction: sum over rows of (p - z) x, / n."""
    classes, codes = np.unique(y, return_inverse=True)
    z = np.eye(len(classes))[codes]
    return float(np.abs((z.mean(axis=0) - z).T @ X).max() / len(X))


def class_means(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64 [classes, dim]."""
    return np.stack([X[y == label].astype(np.float64).mean(axis=0) for label in np.unique(y)])
