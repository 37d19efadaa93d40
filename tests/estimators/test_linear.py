"""The linear probes as estimators: labels of every kind, scikit-learn's tools, its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from probekit.errors import DataError
from probekit.estimators import (
    LinearProbe,
    LinearProbeRegressor,
    Problem,
    RidgeProblem,
    linear_logits,
    margins,
    solve_logistic,
    solve_ridge,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)) + 2
Y = ((X - 2) @ RNG.normal(size=(5, 3)) + RNG.normal(size=(300, 3))).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learns_shapes_and_numbers(classes):
    y = np.minimum(Y, classes - 1)
    assert len(set(y)) == classes
    probe = LinearProbe(C=0.7, tol=1e-10).fit(X, y)
    theirs = LogisticRegression(C=0.7, tol=1e-8, max_iter=200, solver="newton-cholesky").fit(X, y)
    assert probe.coef_.shape == theirs.coef_.shape
    assert probe.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(probe.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(probe.decision_function(X), theirs.decision_function(X), atol=1e-2)
    np.testing.assert_allclose(probe.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(probe.predict_proba(X).sum(axis=1), 1.0)
    assert (probe.predict(X) == theirs.predict(X)).all()
    assert probe.gradient_norm_ < 1e-5


@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 5.0, 2: 0.2}])
def test_class_weight(weight):
    probe = LinearProbe(class_weight=weight, tol=1e-10).fit(X, Y)
    theirs = LogisticRegression(class_weight=weight, tol=1e-8, max_iter=200, solver="newton-cholesky").fit(
        X, Y
    )
    np.testing.assert_allclose(probe.coef_, theirs.coef_, atol=1e-3)


@pytest.mark.parametrize(
    "labels", [["NOUN", "VERB", "X"], [True, False, True], [3, 1, 2]], ids=["text", "bool", "int"]
)
def test_labels_of_every_kind(labels):
    y = np.array(labels)[Y]
    probe = LinearProbe().fit(X, y)
    assert probe.predict(X).dtype == y.dtype
    assert probe.score(X, y) > 0.7


def test_float32_and_float16_are_read_as_they_are():
    wide = LinearProbe(tol=1e-8).fit(X, Y)
    for dtype, apart in [(np.float32, 5e-3), (np.float16, 2e-2)]:
        probe = LinearProbe(tol=1e-6).fit(X.astype(dtype), Y)
        np.testing.assert_allclose(probe.coef_, wide.coef_, atol=apart)
        assert probe.decision_function(X.astype(dtype)).dtype == np.float32


def test_scikit_learns_tools():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LinearProbe()), {"linearprobe__C": [1e-6, 1.0]}, cv=3
    )
    search.fit(X, Y)
    assert search.best_params_ == {"linearprobe__C": 1.0}
    copy = clone(search.best_estimator_[-1])
    assert copy.C == 1.0
    assert not hasattr(copy, "coef_")


def test_a_solution_becomes_a_probe():
    [solution] = solve_logistic(X, [Problem(y=Y, n_classes=3)])
    probe = LinearProbe.from_solution(solution, ["a", "b", "c"], C=1.0)
    direct = LinearProbe().fit(X, np.array(["a", "b", "c"])[Y])
    assert (probe.predict(X) == direct.predict(X)).all()
    assert probe.coef_.tobytes() == direct.coef_.tobytes()


def test_stopping_early_warns():
    with pytest.warns(ConvergenceWarning, match="stopped after 1 pass.*raise max_iter"):
        probe = LinearProbe(max_iter=1).fit(X, Y)
    assert not probe.converged_


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="one class: 'a'"):
        LinearProbe().fit(X, np.full(len(X), "a"))


@pytest.mark.parametrize("alpha", [0.1, 1.0, 1e4])
def test_ridge_is_scikit_learns(alpha):
    y = X @ RNG.normal(size=5) + RNG.normal(size=len(X)) + 100
    probe, theirs = LinearProbeRegressor(alpha=alpha).fit(X, y), Ridge(alpha=alpha).fit(X, y)
    np.testing.assert_allclose(probe.coef_, theirs.coef_, atol=1e-9)
    np.testing.assert_allclose(probe.predict(X), theirs.predict(X), atol=1e-8)


def test_ridge_targets_and_strengths_together():
    targets = RNG.normal(size=(2, len(X)))
    problems = [RidgeProblem(y=y, alpha=alpha) for y in targets for alpha in (0.0, 3.0)]
    for problem, found in zip(problems, solve_ridge(X, problems), strict=True):
        [alone] = solve_ridge(X, [problem])
        np.testing.assert_allclose(found.coef, alone.coef, atol=1e-12)
        slope = X.T @ (problem.y - X @ found.coef - found.intercept) - problem.alpha * found.coef
        np.testing.assert_allclose(slope, 0.0, atol=1e-9)
    assert solve_ridge(X, []) == []


def test_ridge_without_penalty_is_the_shortest_least_squares_solution():
    wide = np.column_stack([X, X[:, 0], np.full(len(X), 4.0)])
    y = X[:, 0] * 2
    [found] = solve_ridge(wide, [RidgeProblem(y=y, alpha=0.0)])
    np.testing.assert_allclose(found.coef, [1, 0, 0, 0, 0, 1, 0], atol=1e-8)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (RidgeProblem(y=np.ones(3)), "300 finite numbers"),
        (RidgeProblem(y=np.full(300, np.nan)), "300 finite numbers"),
        (RidgeProblem(y=np.ones(300), alpha=-1.0), "alpha"),
    ],
)
def test_ridge_misuse(problem, message):
    with pytest.raises(DataError, match=message):
        solve_ridge(X, [problem])


def test_logits_in_chunks_are_the_product():
    coef, intercept = RNG.normal(size=(3, 5)), RNG.normal(size=3)
    many = np.tile(X, (30, 1))
    np.testing.assert_allclose(linear_logits(many, coef, intercept), many @ coef.T + intercept, atol=1e-12)
    assert linear_logits(many.astype(np.float16), coef, intercept).dtype == np.float32


def test_margin_is_gold_against_the_best_other():
    logits = np.array([[2.0, 0.5, 1.0], [1.0, 4.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    found = margins(logits, np.array([0, 2, 1, 9]))
    np.testing.assert_array_equal(found, np.float32([1.0, -1.0, 0.0, np.nan]))
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert found[0] == pytest.approx(log_p[0, 0] - log_p[0, 2])
