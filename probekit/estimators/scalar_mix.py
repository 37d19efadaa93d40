"""The scalar mix as scikit-learn estimators: a learned weighted mean of layers, and a linear layer on it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from probekit.estimators.linear import DTYPES
from probekit.estimators.logits import log_softmax
from probekit.estimators.mixing import ArrayLayers, MixSolution, mix_outputs, solve_mix

Array = NDArray[Any]


class _Mix(BaseEstimator):  # type: ignore[misc]
    """What both share: parameters, training, outputs."""

    def __init__(
        self,
        *,
        n_layers: int = 1,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int = 128,
        max_epochs: int = 60,
        patience: int = 5,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_layers = n_layers
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def _train(
        self, X: Array, y: Array, n_classes: int, dev: tuple[Array, Array] | None, weight: Array | None = None
    ) -> Self:
        if not isinstance(self.n_layers, int | np.integer) or self.n_layers < 1 or X.shape[1] % self.n_layers:
            raise ValueError(
                f"n_layers={self.n_layers!r} does not divide the {X.shape[1]} features; give the number of layers that "
                "stand side by side"
            )
        held = None if dev is None else ArrayLayers(dev[0], self.n_layers)
        solution = solve_mix(
            ArrayLayers(X, self.n_layers), y, n_classes, dev=held, y_dev=None if dev is None else dev[1],
            class_weight=weight, learning_rate=self.learning_rate, weight_decay=self.weight_decay,
            batch_size=self.batch_size, max_epochs=self.max_epochs, patience=self.patience,
            validation_fraction=self.validation_fraction,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )  # fmt: skip
        self.solution_: MixSolution = solution
        self.layer_weights_, self.gamma_ = solution.weights, solution.gamma
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        self.n_epochs_, self.converged_ = len(solution.history), solution.converged
        self.history_ = list(solution.history)
        return self

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        return mix_outputs(self.solution_, ArrayLayers(X, len(self.solution_.weights)))


class ScalarMixProbe(ClassifierMixin, _Mix):  # type: ignore[misc]
    """Softmax weights over layers and a linear classifier on their mean, trained together (Peters et al. 2018).

    X holds the layers side by side, [n, n_layers * dim]; every number of a layer is standardised by the training rows.

    Parameters
    ----------
    n_layers : how many layers stand side by side.
    learning_rate, weight_decay, batch_size : of Adam; the decay is decoupled, and on the linear layer alone.
    max_epochs, patience : passes at most, and passes without fewer held-out mistakes or less loss before stopping.
    validation_fraction : rows held out to stop by, unless `fit` is given dev data. Below 100 rows, none.
    class_weight : None, "balanced", or a dict label -> weight.
    random_state : draws the weights, the held-out rows and the order.

    Attributes
    ----------
    classes_ : labels, sorted. layer_weights_ : (n_layers,), they sum to 1. gamma_ : what their mean is multiplied by.
    coef_ : (classes, dim). intercept_ : (classes,). n_epochs_, converged_, history_ : how training went.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 6))   # three layers of two numbers; the second layer tells
    >>> probe = ScalarMixProbe(n_layers=3, random_state=0).fit(X, np.where(X[:, 2] > 0, "right", "left"))
    >>> int(probe.layer_weights_.argmax())
    1
    """

    def __init__(
        self,
        *,
        n_layers: int = 1,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int = 128,
        max_epochs: int = 60,
        patience: int = 5,
        validation_fraction: float = 0.1,
        class_weight: str | dict[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            n_layers=n_layers, learning_rate=learning_rate, weight_decay=weight_decay, batch_size=batch_size,
            max_epochs=max_epochs, patience=patience, validation_fraction=validation_fraction,
            random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, *, dev: tuple[Any, Any] | None = None) -> Self:
        """Fit on X (n_samples, n_layers * dim) and labels y; `dev` is a pair (X, y) to stop by.

        Labels of `dev` that do not occur in y are refused: leave those rows out.
        """
        X, y = validate_data(self, X, y, dtype=DTYPES)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"ScalarMixProbe needs two classes; the data has one class: {self.classes_.tolist()[0]!r}"
            )
        weight = None
        if self.class_weight is not None:
            weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if dev is not None:
            X_dev, y_dev = validate_data(self, *dev, dtype=DTYPES, reset=False)
            unknown = np.setdiff1d(y_dev, self.classes_)
            if len(unknown):
                raise ValueError(
                    f"dev has the label {unknown.tolist()[0]!r}, which training has not; leave such rows out"
                )
            dev = X_dev, np.searchsorted(self.classes_, y_dev)
        return self._train(X, codes, len(self.classes_), dev, weight)

    def decision_function(self, X: Any) -> Array:
        """Logits (n_samples, n_classes); for two classes the log odds of the second (n_samples,)."""
        logits = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X: Any) -> Array:
        """The most probable label of each row (n_samples,)."""
        best = self._outputs(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_log_proba(self, X: Any) -> Array:
        """Log probabilities (n_samples, n_classes)."""
        return log_softmax(self._outputs(X).astype(np.float64))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))


class ScalarMixProbeRegressor(RegressorMixin, _Mix):  # type: ignore[misc]
    """Softmax weights over layers and a linear layer on their mean, for numbers: squared error, else `ScalarMixProbe`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 6))
    >>> probe = ScalarMixProbeRegressor(n_layers=3, random_state=0).fit(X, 5.0 + 2.0 * X[:, 4])
    >>> probe.score(X, 5.0 + 2.0 * X[:, 4]) > 0.9
    True
    """

    def fit(self, X: Any, y: Any, *, dev: tuple[Any, Any] | None = None) -> Self:
        """Fit on X (n_samples, n_layers * dim) and numbers y (n_samples,); `dev` is a pair (X, y) to stop by."""
        X, y = validate_data(self, X, y, dtype=DTYPES, y_numeric=True)
        if dev is not None:
            dev = validate_data(self, *dev, dtype=DTYPES, y_numeric=True, reset=False)
        return self._train(X, y, 0, dev)

    def predict(self, X: Any) -> Array:
        """The expected number of each row (n_samples,)."""
        return self._outputs(X)[:, 0].astype(np.float64)
