"""The solvers for wide features end at the minima of scikit-learn, and of the solvers for narrow ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from probekit.errors import DataError
from probekit.estimators.wide import solve_wide_logistic, solve_wide_ridge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 30)) * RNG.uniform(0.2, 3, 30) + 5
Y = ((X - 5) @ RNG.normal(size=(30, 3)) + RNG.normal(size=(120, 3)) * 4).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_minimum_is_scikit_learns(classes, weighted):
    y = Y.clip(max=classes - 1)
    weights = RNG.uniform(0.1, 3, 120) if weighted else None
    theirs = LogisticRegression(C=0.3, tol=1e-10, max_iter=5000).fit(X, y, sample_weight=weights)
    coef, intercept, done = solve_wide_logistic(
        X, y, classes, C=0.3, weights=weights, tol=1e-9, max_iter=2000
    )
    assert done
    assert coef.shape == theirs.coef_.shape
    np.testing.assert_allclose(coef, theirs.coef_, atol=2e-3)
    gaps = theirs.intercept_ - theirs.intercept_.mean() if classes > 2 else theirs.intercept_
    np.testing.assert_allclose(intercept, gaps, atol=2e-2)


@pytest.mark.parametrize("shape", [(120, 30), (20, 30)])
@pytest.mark.parametrize("alpha", [0.5, 20.0])
def test_ridge_is_scikit_learns(shape, alpha):
    x = X[: shape[0]]
    y = x[:, 0] * 3 - 10
    coef, intercept = solve_wide_ridge(x, y, alpha=alpha)
    theirs = Ridge(alpha=alpha, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(coef, theirs.coef_, atol=1e-5)
    assert intercept == pytest.approx(theirs.intercept_, abs=1e-3)


def test_more_features_than_rows_and_half_precision():
    wide = RNG.normal(size=(40, 3000)).astype(np.float16)
    y = (wide[:, 0] > 0).astype(int)
    coef, intercept, done = solve_wide_logistic(wide, y, 2)
    assert done
    assert ((wide.astype(np.float64) @ coef[0] + intercept[0] > 0) == y).all()


def test_a_class_without_an_example_is_refused():
    with pytest.raises(DataError, match="each of 4 classes"):
        solve_wide_logistic(X, Y, 4)
