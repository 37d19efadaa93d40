"""The linear probes: logistic regression for classes, ridge regression for numbers. scikit-learn estimators."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from probekit.estimators.logistic import MAX_PASSES, TOLERANCE, LinearSolution, Problem, solve_logistic
from probekit.estimators.logits import linear_logits, log_softmax
from probekit.estimators.ridge import RidgeProblem, solve_ridge

Array = NDArray[Any]
DTYPES = (np.float64, np.float32, np.float16)


class LinearProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multinomial logistic regression with an L2 penalty: the same minimum as scikit-learn's LogisticRegression.

    Minimises ``1/2 ||W||^2 + C * sum log loss`` with the intercept free, for two classes over one vector.

    Parameters
    ----------
    C : inverse strength of the penalty; smaller means simpler.
    tol : stop when the objective is estimated to lie this close above its minimum, as a share of it. The
        default gives accuracies within a tenth of a point of the minimum's; coefficients need about 1e-8.
    max_iter : passes over the data before giving up with a ConvergenceWarning.
    class_weight : None, "balanced", or a dict label -> weight.

    Attributes
    ----------
    classes_ : labels, sorted. coef_ : (classes, features), one row for two classes. intercept_ : (classes,).
    n_iter_ : passes used. converged_ : whether `tol` was reached. gradient_norm_ : largest entry of the exact
    gradient of the mean loss at the end, which is what scikit-learn's own `tol` bounds.

    Notes
    -----
    float32 and float16 features are multiplied in float32 and summed in float64; float64 stays float64.

    Examples
    --------
    >>> probe = LinearProbe().fit(np.array([[0.0], [1.0], [2.0], [3.0]]), ["low", "low", "high", "high"])
    >>> probe.predict(np.array([[-1.0], [4.0]])).tolist()
    ['low', 'high']
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        tol: float = TOLERANCE,
        max_iter: int = MAX_PASSES,
        class_weight: str | dict[Any, float] | None = None,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on X (n_samples, n_features) and labels y (n_samples,): strings, integers or bools."""
        X, y = validate_data(self, X, y, dtype=DTYPES)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"LinearProbe needs two classes; the data has one class: {self.classes_.tolist()[0]!r}"
            )
        weights = None
        if self.class_weight is not None:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)[codes]
        problem = Problem(y=codes, n_classes=len(self.classes_), C=self.C, weights=weights)
        [solution] = solve_logistic(X, [problem], tol=self.tol, max_iter=self.max_iter)
        if not solution.converged:
            warnings.warn(
                f"LinearProbe stopped after {solution.n_iter} passes, its objective about {solution.excess:.0e} "
                f"above the minimum (tol {self.tol:.0e}); raise max_iter or tol, or lower C",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self._take(solution)

    @classmethod
    def from_solution(cls, solution: LinearSolution, classes: Any, **parameters: Any) -> Self:
        """The fitted probe that a solve found, for the labels `classes` in the order of its codes."""
        probe = cls(**parameters)
        probe.classes_ = np.asarray(classes)
        probe.n_features_in_ = solution.coef.shape[1]
        return probe._take(solution)

    def _take(self, solution: LinearSolution) -> Self:
        coef, intercept = solution.coef, solution.intercept
        if len(self.classes_) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self.coef_, self.intercept_ = coef, intercept
        self.n_iter_ = solution.n_iter
        self.gradient_norm_ = solution.gradient_norm
        self.converged_ = solution.converged
        return self

    def decision_function(self, X: Any) -> Array:
        """Logits (n_samples, n_classes); for two classes the log odds of the second (n_samples,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        logits = linear_logits(X, self.coef_, self.intercept_)
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X: Any) -> Array:
        """The most probable label of each row (n_samples,)."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_log_proba(self, X: Any) -> Array:
        """Log probabilities (n_samples, n_classes)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros_like(scores), scores])
        return log_softmax(scores)

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))


class LinearProbeRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression: minimises ``||y - X w - b||^2 + alpha ||w||^2`` with b free, in float64.

    Parameters
    ----------
    alpha : strength of the penalty, not below 0.

    Attributes
    ----------
    coef_ : (features,). intercept_ : float.

    Examples
    --------
    >>> probe = LinearProbeRegressor(alpha=0.0).fit(np.array([[0.0], [1.0], [2.0]]), [1.0, 3.0, 5.0])
    >>> round(float(probe.predict(np.array([[3.0]]))[0]), 6)
    7.0
    """

    def __init__(self, *, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on X (n_samples, n_features) and numbers y (n_samples,)."""
        X, y = validate_data(self, X, y, dtype=DTYPES, y_numeric=True)
        [solution] = solve_ridge(X, [RidgeProblem(y=y, alpha=self.alpha)])
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        return self

    def predict(self, X: Any) -> Array:
        """The expected number of each row (n_samples,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        return linear_logits(X, self.coef_[None], np.array([self.intercept_]))[:, 0]
