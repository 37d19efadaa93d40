"""The elastic-net solver: the minimum that scikit-learn's saga finds, and its own conditions of optimality."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probekit.errors import ConfigError, DataError
from probekit.estimators.elastic_net import solve_elastic_net


def data(n: int = 300, dim: int = 12, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim)) + 0.5
    y = (X[:, :classes] + rng.normal(size=(n, classes))).argmax(axis=1)
    return X, y


def slow_objective(X, y, coef, intercept, l1, l2):  # type: ignore[no-untyped-def]
    total = 0.0
    for row, label in zip(X, y, strict=True):
        logits = coef @ row + intercept
        total += np.log(np.exp(logits).sum()) - logits[label]
    return total / len(X) + l1 * np.abs(coef).sum() + l2 / 2 * (coef**2).sum()


def test_the_minimum_of_saga() -> None:
    X, y = data()
    C, ratio = 0.2, 0.5
    l1, l2 = ratio / (C * len(X)), (1 - ratio) / (C * len(X))
    ours = solve_elastic_net(X, y, 3, l1=l1, l2=l2, tol=1e-9, max_iter=5000)
    assert ours.converged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LogisticRegression(
            penalty="elasticnet", solver="saga", C=C, l1_ratio=ratio, tol=1e-10, max_iter=20_000
        ).fit(X, y)
    np.testing.assert_allclose(ours.coef, theirs.coef_, atol=1e-5)
    probabilities = np.exp(X @ ours.coef.T + ours.intercept)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, theirs.predict_proba(X), atol=1e-5)
    assert ours.objective == pytest.approx(slow_objective(X, y, ours.coef, ours.intercept, l1, l2), abs=1e-10)


def test_zero_weights_are_where_the_gradient_is_below_l1() -> None:
    X, y = data(seed=3)
    l1, l2 = 0.03, 0.01
    found = solve_elastic_net(X, y, 3, l1=l1, l2=l2, tol=1e-10, max_iter=5000)
    logits = X @ found.coef.T + found.intercept
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = (p - np.eye(3)[y]).T @ X / len(X) + l2 * found.coef
    zero = found.coef == 0
    assert zero.any()
    assert (~zero).any()
    assert (np.abs(gradient[zero]) <= l1 + 1e-8).all()
    np.testing.assert_allclose(gradient[~zero], -l1 * np.sign(found.coef[~zero]), atol=1e-8)


def test_a_strong_penalty_leaves_the_class_shares() -> None:
    X, y = data(seed=1)
    found = solve_elastic_net(X.astype(np.float32), y, 3, l1=10.0, l2=0.0)
    assert not found.coef.any()
    shares = np.exp(found.intercept) / np.exp(found.intercept).sum()
    np.testing.assert_allclose(shares, np.bincount(y) / len(y), atol=1e-4)


def test_it_says_that_it_has_not_arrived() -> None:
    X, y = data()
    assert not solve_elastic_net(X, y, 3, l1=1e-4, l2=0.0, tol=1e-12, max_iter=3).converged


def test_bad_input() -> None:
    X, y = data()
    with pytest.raises(ConfigError, match="l1 must be a number from 0 on"):
        solve_elastic_net(X, y, 3, l1=-1.0, l2=0.0)
    with pytest.raises(DataError, match="needs an example"):
        solve_elastic_net(X, np.zeros(len(X), int), 2, l1=0.1, l2=0.1)
    with pytest.raises(DataError, match="300 integer codes"):
        solve_elastic_net(X, y[:-1], 3, l1=0.1, l2=0.1)
