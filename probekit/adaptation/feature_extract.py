"""`FeatureExtract`: a frozen Transformer read once, and a head fitted on what it says. A scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from probekit.activations.store import Store
from probekit.adaptation.examples import Target, nested, read_examples
from probekit.adaptation.features import read_features
from probekit.adaptation.strategy import find_strategy, make_head
from probekit.errors import ConfigError
from probekit.models.ref import ModelRef


class FeatureExtract(BaseEstimator):  # type: ignore[misc]
    """A head on the stored states of a frozen Transformer.

    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = FeatureExtract("demo:minilm", strategy="frozen-linear").fit(texts, labels)
    >>> clf.predict(["a key rusts"]).shape
    (1,)
    """

    def __init__(
        self,
        model: str | ModelRef = "demo:minilm",
        strategy: str = "frozen-linear",
        *,
        options: Mapping[str, Any] | None = None,
        pool: str = "mean",
        target: str = "auto",
        store: Store | str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.options = options
        self.pool = pool
        self.target = target
        self.store = store
        self.seed = seed

    def fit(self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None) -> Self:
        """Fit on examples and their labels; the model is read only for texts that the store has not."""
        strategy = find_strategy(self.strategy, "feature-extraction")
        examples = read_examples(X, y)
        target = Target.of(y, examples, self.target)
        codes = target.encode(y, examples)
        head = make_head(strategy, self.options or {}, self.seed)
        self.frozen_ = ModelRef.of(self.model).load()
        head.fit(read_features(self.frozen_, examples, pool=self.pool, store=self.store), codes,
                 0 if target.numeric else target.outputs)  # fmt: skip
        self.unit_, self.target_, self.head_ = examples.unit, target, head
        if target.classes is not None:
            self.classes_ = target.classes
        return self

    def decision_function(self, X: Any) -> Any:
        """Outputs of the head: [units, classes] log-probabilities, or [units] numbers; for words a list of them."""
        check_is_fitted(self, "head_")
        examples = read_examples(X, unit=self.unit_)
        outputs = self.head_.outputs(read_features(self.frozen_, examples, pool=self.pool, store=self.store))
        return nested(outputs[:, 0] if self.target_.numeric else outputs, examples)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`, [units, classes]. Raises ConfigError where numbers are predicted."""
        check_is_fitted(self, "head_")
        if self.target_.numeric:
            raise ConfigError("numbers are predicted, so there are no probabilities; use predict")
        logits = self.decision_function(X)
        return [np.exp(one) for one in logits] if self.unit_ == "word" else np.exp(logits)

    def predict(self, X: Any) -> Any:
        """The most probable labels, or numbers."""
        outputs = self.decision_function(X)
        if self.target_.numeric:
            return outputs
        if self.unit_ == "word":
            return [self.classes_[one.argmax(axis=1)] for one in outputs]
        return self.classes_[outputs.argmax(axis=1)]
