"""The non-linear probes: small multi-layer perceptrons as scikit-learn estimators."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from probekit.estimators.linear import DTYPES
from probekit.estimators.logits import log_softmax
from probekit.estimators.networks import NetProblem, NetSolution, net_outputs, solve_mlp

Array = NDArray[Any]


class _MLP(BaseEstimator):  # type: ignore[misc]
    """What both perceptrons share: their parameters, and a trained net with its outputs."""

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (100,),
        learning_rate: float = 1e-3,
        weight_decay: float = 0.3,
        batch_size: int = 256,
        max_epochs: int = 200,
        patience: int = 5,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def _train(self, X: Array, y: Array, n_classes: int, dev: tuple[Array, Array] | None) -> Self:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        [net] = solve_mlp(
            X,
            [NetProblem(y=y, n_classes=n_classes, seed=seed, y_dev=None if dev is None else dev[1])],
            X_dev=None if dev is None else dev[0],
            hidden=self.hidden,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            validation_fraction=self.validation_fraction,
            data_seed=seed,
        )
        return self._take(net)

    def _take(self, net: NetSolution) -> Self:
        self.net_, self.n_epochs_, self.loss_, self.converged_ = net, net.n_epochs, net.loss, net.converged
        return self

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        return net_outputs(self.net_, validate_data(self, X, dtype=DTYPES, reset=False))


class MLPProbe(ClassifierMixin, _MLP):  # type: ignore[misc]
    """A multi-layer perceptron over classes: Adam, minibatches, early stopping, best weights restored.

    Parameters
    ----------
    hidden : width of each hidden layer (ReLU).
    learning_rate, weight_decay, batch_size : of Adam; the decay is decoupled from the gradient.
    max_epochs, patience : passes at most, and passes without fewer held-out mistakes or less loss before stopping.
    validation_fraction : rows held out to stop by, unless `fit` is given dev data. Below 100 rows, none.
    random_state : draws the weights, the held-out rows and the order of the minibatches.

    Attributes
    ----------
    classes_ : labels, sorted. net_ : the trained net (`NetSolution`). n_epochs_ : epochs run.
    loss_ : held-out mean log loss of the weights kept. converged_ : whether it stopped before `max_epochs`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> probe = MLPProbe(random_state=0, learning_rate=0.01).fit(X, np.where(X[:, 0] > 0, "right", "left"))
    >>> probe.predict(np.array([[-2.0, 0.0], [2.0, 0.0]])).tolist()
    ['left', 'right']
    """

    def fit(self, X: Any, y: Any, *, dev: tuple[Any, Any] | None = None) -> Self:
        """Fit on X (n_samples, n_features) and labels y; `dev` is a pair (X, y) to stop by.

        Labels of `dev` that do not occur in y are refused: leave those rows out.
        """
        X, y = validate_data(self, X, y, dtype=DTYPES)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"MLPProbe needs two classes; the data has one class: {self.classes_.tolist()[0]!r}"
            )
        if dev is not None:
            X_dev, y_dev = validate_data(self, *dev, dtype=DTYPES, reset=False)
            unknown = np.setdiff1d(y_dev, self.classes_)
            if len(unknown):
                raise ValueError(
                    f"dev has the label {unknown.tolist()[0]!r}, which training has not; leave such rows out"
                )
            dev = X_dev, np.searchsorted(self.classes_, y_dev)
        return self._train(X, codes, len(self.classes_), dev)

    @classmethod
    def from_solution(cls, solution: NetSolution, classes: Any, **parameters: Any) -> Self:
        """The fitted probe that a solve found, for the labels `classes` in the order of its codes."""
        probe = cls(**parameters)
        probe.classes_ = np.asarray(classes)
        probe.n_features_in_ = len(solution.shift)
        return probe._take(solution)

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
        return log_softmax(self._outputs(X))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))


class MLPProbeRegressor(RegressorMixin, _MLP):  # type: ignore[misc]
    """A multi-layer perceptron over numbers: squared error, otherwise as `MLPProbe`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> probe = MLPProbeRegressor(random_state=0, learning_rate=0.01).fit(X, np.abs(X[:, 0]))
    >>> bool(abs(probe.predict(np.array([[-1.0, 0.0]]))[0] - 1) < 0.2)
    True
    """

    def fit(self, X: Any, y: Any, *, dev: tuple[Any, Any] | None = None) -> Self:
        """Fit on X (n_samples, n_features) and numbers y (n_samples,); `dev` is a pair (X, y) to stop by."""
        X, y = validate_data(self, X, y, dtype=DTYPES, y_numeric=True)
        if dev is not None:
            dev = validate_data(self, *dev, dtype=DTYPES, y_numeric=True, reset=False)
        return self._train(X, y, 0, dev)

    @classmethod
    def from_solution(cls, solution: NetSolution, **parameters: Any) -> Self:
        """The fitted probe that a solve found."""
        probe = cls(**parameters)
        probe.n_features_in_ = len(solution.shift)
        return probe._take(solution)

    def predict(self, X: Any) -> Array:
        """The expected number of each row (n_samples,)."""
        return self._outputs(X)[:, 0]
