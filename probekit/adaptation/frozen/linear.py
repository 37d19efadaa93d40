"""Logistic (or ridge) regression on the vectors of one layer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.parts import PlainHead, layer_of, no_class_weight, take_options
from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.estimators.logits import linear_logits, log_softmax
from probekit.estimators.wide import WIDE, solve_wide_logistic, solve_wide_ridge


class LinearHead(PlainHead):
    """A linear probe over one layer. ``C`` is that of `LinearProbe`, ``alpha`` that of `LinearProbeRegressor`."""

    def __init__(self, layer: int | str = "last", C: float = 1.0, alpha: float = 1.0) -> None:
        super().__init__()
        self.layer, self.C, self.alpha = layer, C, alpha

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on the vectors [units, dim] of the layer; ``n_classes=0``: y are numbers. Dev is not looked at."""
        self.used, self.numeric = layer_of(features, self.layer), not n_classes
        self.coef, self.intercept = fit_linear(
            features.vectors(self.used), y, n_classes, class_weight, C=self.C, alpha=self.alpha
        )
        self.n_trained = self.coef.size + self.intercept.size

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        return linear_outputs(features.vectors(self.used), self.coef, self.intercept, numeric=self.numeric)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Weights, and the layer they are for."""
        return {"coef": self.coef, "intercept": self.intercept}, {"layer": self.used, "numeric": self.numeric}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.coef, self.intercept = arrays["coef"], arrays["intercept"]
        self.used, self.numeric = words["layer"], words["numeric"]
        self.n_trained = self.coef.size + self.intercept.size


def fit_linear(
    X: Any,
    y: NDArray[Any],
    n_classes: int,
    class_weight: NDArray[np.float64] | None = None,
    *,
    C: float = 1.0,
    alpha: float = 1.0,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights and intercepts of the linear probe over X [n, dim]; one row for two classes and for numbers.

    X may be read where it is indexed (`SideBySide`); then, and with many columns, the solvers are those for wide X.
    """
    wide = X.shape[1] > WIDE or not isinstance(X, np.ndarray)
    if not n_classes:
        no_class_weight("frozen-linear on numbers", class_weight)
        if wide:
            coef, intercept = solve_wide_ridge(X, y, alpha=alpha)
            return coef[None], np.array([intercept])
        ridge = LinearProbeRegressor(alpha=alpha).fit(X, y)
        return ridge.coef_[None], np.array([ridge.intercept_])
    if wide:
        rows = None if class_weight is None else class_weight[y]
        coef, own, ended = solve_wide_logistic(X, y, n_classes, C=C, weights=rows)
        if not ended:
            warnings.warn(
                f"the logistic regression over {X.shape[1]:,} columns stopped before it converged; lower C",
                ConvergenceWarning,
                stacklevel=2,
            )
        return coef, own
    weights = None if class_weight is None else dict(enumerate(class_weight.tolist()))
    probe = LinearProbe(C=C, class_weight=weights).fit(X, y)
    return probe.coef_, probe.intercept_


def linear_outputs(X: NDArray[Any], coef: NDArray[Any], intercept: NDArray[Any], *, numeric: bool = False
                   ) -> NDArray[np.float32]:  # fmt: skip
    """Log-probabilities [n, classes], or numbers [n, 1]."""
    scores = linear_logits(X, coef, intercept)
    if numeric:
        return scores.astype(np.float32)
    if scores.shape[1] == 1:
        scores = np.column_stack([np.zeros_like(scores), scores])
    return log_softmax(scores).astype(np.float32)


def head(options: Mapping[str, Any], seed: int) -> LinearHead:
    """A linear head; it has no use for a seed."""
    found: LinearHead = take_options("frozen-linear", LinearHead, options)
    return found
