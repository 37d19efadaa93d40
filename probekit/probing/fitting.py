"""Fit one kind of probe to many label sets over the same vectors, together where the probe allows it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.estimators.logistic import Problem, solve_logistic
from probekit.estimators.logits import margins as gold_margins
from probekit.estimators.mlp import MLPProbe, MLPProbeRegressor
from probekit.estimators.networks import NetProblem, solve_mlp
from probekit.estimators.ridge import RidgeProblem, solve_ridge

Array = NDArray[Any]

STRENGTHS = ("C", "alpha")  # what scikit-learn's estimators call their regularisation


@dataclass(frozen=True)
class Target:
    """Labels of the training rows (codes or numbers), a regularisation strength and a seed of initialisation."""

    y: Array
    strength: float | None
    seed: int


@dataclass(frozen=True)
class Constant:
    """What is left to learn where every training row has one label, as control labels of few word types may."""

    label: Any

    def predict(self, X: Array) -> Array:
        """The label, once per row of X."""
        return np.full(len(X), self.label)


def parameter_of(probe: BaseEstimator) -> tuple[str | None, float | None]:
    """The probe's regularisation parameter and its value; (None, None) for a probe without one.

    >>> parameter_of(LinearProbe(C=0.5))
    ('C', 0.5)
    """
    parameters = probe.get_params(deep=False)
    for name in STRENGTHS:
        if name in parameters:
            return name, float(parameters[name])
    return None, None


def is_random(probe: BaseEstimator) -> bool:
    """Whether a fit depends on a seed: a convex probe has no probe seed."""
    return "random_state" in probe.get_params(deep=False)


def fit_together(probe: BaseEstimator, X: Array, targets: Sequence[Target]) -> list[Any]:
    """Fit the probe to every target over X, float32 (rows, dim); fitted estimators in the order of the targets.

    The probes of this house are solved together: what costs is reading X. Any other scikit-learn estimator is
    cloned and fitted once per target. How well a solve converged is kept on the estimators, not warned of.
    """
    if is_classifier(probe):
        constant = [len(np.unique(target.y)) == 1 for target in targets]
        if any(constant):
            fitted = iter(
                fit_together(probe, X, [t for t, one in zip(targets, constant, strict=True) if not one])
            )
            return [
                Constant(t.y[0]) if one else next(fitted) for t, one in zip(targets, constant, strict=True)
            ]
    if not targets:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if isinstance(probe, LinearProbe) and probe.class_weight is None:
            return _logistic(probe, X, targets)
        if isinstance(probe, LinearProbeRegressor):
            return _ridge(X, targets)
        if isinstance(probe, MLPProbe | MLPProbeRegressor):
            return _networks(probe, X, targets)
        return [_one(probe, X, target) for target in targets]


def margins(fitted: Any, X: Array, gold: Array) -> Array:
    """Log-odds of gold over the best other label, float32 (rows,); NaN for a probe without logits."""
    if not hasattr(fitted, "decision_function"):
        return np.full(len(gold), np.nan, np.float32)
    logits = np.asarray(fitted.decision_function(X))
    if logits.ndim == 1:
        logits = np.column_stack([np.zeros_like(logits), logits])
    column = {code: place for place, code in enumerate(fitted.classes_.tolist())}
    places = np.fromiter((column.get(code, -1) for code in gold.tolist()), np.int64, len(gold))
    return gold_margins(logits, places)


def _logistic(probe: LinearProbe, X: Array, targets: Sequence[Target]) -> list[Any]:
    coded = [np.unique(target.y, return_inverse=True) for target in targets]
    problems = [
        Problem(y=codes, n_classes=len(classes), C=_given(target.strength))
        for (classes, codes), target in zip(coded, targets, strict=True)
    ]
    solved = solve_logistic(X, problems, tol=probe.tol, max_iter=probe.max_iter)
    return [
        LinearProbe.from_solution(solution, classes, C=problem.C, tol=probe.tol, max_iter=probe.max_iter)
        for solution, problem, (classes, _) in zip(solved, problems, coded, strict=True)
    ]


def _ridge(X: Array, targets: Sequence[Target]) -> list[Any]:
    problems = [RidgeProblem(y=target.y, alpha=_given(target.strength)) for target in targets]
    fitted = []
    for solution, problem in zip(solve_ridge(X, problems), problems, strict=True):
        probe = LinearProbeRegressor(alpha=problem.alpha)
        probe.coef_, probe.intercept_, probe.n_features_in_ = solution.coef, solution.intercept, X.shape[1]
        fitted.append(probe)
    return fitted


def _networks(probe: MLPProbe | MLPProbeRegressor, X: Array, targets: Sequence[Target]) -> list[Any]:
    parameters = probe.get_params(deep=False)
    parameters.pop("random_state")  # each target brings its own
    if isinstance(probe, MLPProbeRegressor):
        problems = [NetProblem(y=target.y, n_classes=0, seed=target.seed) for target in targets]
        return [
            MLPProbeRegressor.from_solution(net, **parameters, random_state=target.seed)
            for net, target in zip(solve_mlp(X, problems, **parameters), targets, strict=True)
        ]
    coded = [np.unique(target.y, return_inverse=True) for target in targets]
    problems = [
        NetProblem(y=codes, n_classes=len(classes), seed=target.seed)
        for (classes, codes), target in zip(coded, targets, strict=True)
    ]
    return [
        MLPProbe.from_solution(net, classes, **parameters, random_state=target.seed)
        for net, (classes, _), target in zip(
            solve_mlp(X, problems, **parameters), coded, targets, strict=True
        )
    ]


def _one(probe: BaseEstimator, X: Array, target: Target) -> Any:
    name, _ = parameter_of(probe)
    chosen: dict[str, Any] = {} if name is None else {name: target.strength}
    if is_random(probe):
        chosen["random_state"] = target.seed
    return clone(probe).set_params(**chosen).fit(X, target.y)


def _given(strength: float | None) -> float:
    if strength is None:
        raise ValueError("this probe needs a regularisation strength")
    return strength
