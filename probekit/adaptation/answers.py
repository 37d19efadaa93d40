"""How a fitted estimator of texts answers, whichever way it was fitted: labels, probabilities, numbers, a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from probekit.adaptation.examples import Examples, Target, decisions, nested
from probekit.errors import ConfigError
from probekit.maths.scores import r2


class TextEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """What `FineTune` and `FeatureExtract` share; ``fitted_by`` names the attribute that only a fit leaves."""

    fitted_by: str
    target_: Target
    classes_: NDArray[Any]

    @abstractmethod
    def _outputs(self, X: Any) -> tuple[Examples, NDArray[np.float32]]:
        """The examples, and the head's outputs for all of their units [units, outputs]."""

    def _numbers(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Outputs [units, 1] as the numbers that are predicted [units]."""
        return outputs[:, 0].astype(np.float64)

    def decision_function(self, X: Any) -> Any:
        """Outputs of the head: logits or log-probabilities [units, classes], of two classes log odds of the second
        [units]; or numbers [units]. For words a list of them."""
        examples, outputs = self._outputs(X)
        return nested(self._numbers(outputs) if self.target_.numeric else decisions(outputs), examples)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`, [units, classes]; for words a list of them. Raises ConfigError for numbers."""
        check_is_fitted(self, self.fitted_by)
        if self.target_.numeric:
            raise ConfigError("numbers are predicted, so there are no probabilities; use predict")
        examples, outputs = self._outputs(X)
        wide = outputs.astype(np.float64)
        shares = np.exp(wide - wide.max(axis=1, keepdims=True))
        return nested(shares / shares.sum(axis=1, keepdims=True), examples)

    def predict(self, X: Any) -> Any:
        """The most probable labels, or numbers; for words a list of arrays."""
        check_is_fitted(self, self.fitted_by)
        if self.target_.numeric:
            return self.decision_function(X)
        examples, outputs = self._outputs(X)
        return nested(self.classes_[outputs.argmax(axis=1)], examples)

    def score(self, X: Any, y: Any) -> float:
        """Share of units that are right, or R2 of numbers. A label unseen in training cannot be right."""
        examples, outputs = self._outputs(X)
        gold = self.target_.encode(y, examples)
        if self.target_.numeric:
            return r2(gold, self._numbers(outputs))
        return float(np.mean(outputs.argmax(axis=1) == gold))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        target = getattr(self, "target_", None)
        numeric = self.target == "number" if target is None else target.numeric
        tags.estimator_type = "regressor" if numeric else "classifier"
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags
