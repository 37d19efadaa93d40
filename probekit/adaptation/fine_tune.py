"""`FineTune`: a Transformer adapted to labels by training some or all of it. A scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from probekit.adaptation.examples import Target, nested, read_examples
from probekit.adaptation.inputs import encode_inputs
from probekit.adaptation.live import Live
from probekit.adaptation.loop import Labelled, LoopPlan, predict_outputs, run_loop
from probekit.adaptation.strategy import find_strategy, make_tuning
from probekit.errors import ConfigError
from probekit.models.ref import ModelRef


class FineTune(BaseEstimator):  # type: ignore[misc]
    """A Transformer fine-tuned on texts, pairs of texts, or the words of sentences.

    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = FineTune("demo:minilm", strategy="head-only", epochs=1).fit(texts, labels)
    >>> clf.predict_proba(["keys rust"]).shape
    (1, 2)
    """

    def __init__(
        self,
        model: str | ModelRef = "demo:minilm",
        strategy: str = "full",
        *,
        options: Mapping[str, Any] | None = None,
        epochs: float | None = None,
        rate: float | None = None,
        batch_size: int = 32,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip: float = 1.0,
        dropout: float = 0.1,
        pool: str = "mean",
        target: str = "auto",
        seed: int = 0,
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.options = options
        self.epochs = epochs
        self.rate = rate
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip = clip
        self.dropout = dropout
        self.pool = pool
        self.target = target
        self.seed = seed

    def fit(self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None) -> Self:
        """Fit on examples and their labels; dev examples choose the epoch that is kept."""
        strategy = find_strategy(self.strategy, "fine-tuning")
        examples = read_examples(X, y)
        target = Target.of(y, examples, self.target)
        codes = target.encode(y, examples)
        model = ModelRef.of(self.model).load()
        live = Live(model, target.outputs, dropout=self.dropout, seed=self.seed)
        tuning = make_tuning(strategy, self.options or {})
        tuning.prepare(live)
        train = Labelled(encode_inputs(model, examples, pool=self.pool), codes)
        dev = None
        if X_dev is not None:
            held = read_examples(X_dev, y_dev, unit=examples.unit)
            dev = Labelled(encode_inputs(model, held, pool=self.pool), target.encode(y_dev, held))
        self.history_ = run_loop(live, tuning, train, dev, self._plan(strategy.defaults))
        self.unit_, self.target_, self.live_, self.tuning_ = examples.unit, target, live, tuning
        if target.classes is not None:
            self.classes_ = target.classes
        self.n_truncated_ = train.inputs.truncated
        return self

    def _plan(self, defaults: Mapping[str, Any]) -> LoopPlan:
        return LoopPlan(
            epochs=defaults["epochs"] if self.epochs is None else self.epochs,
            rate=defaults["rate"] if self.rate is None else self.rate,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            clip=self.clip,
            seed=self.seed,
        )

    def decision_function(self, X: Any) -> Any:
        """Outputs of the head: [units, classes] logits, or [units] numbers; for words a list of them."""
        check_is_fitted(self, "live_")
        examples = read_examples(X, unit=self.unit_)
        outputs = predict_outputs(self.live_, encode_inputs(self.live_.model, examples, pool=self.pool))
        return nested(outputs[:, 0] if self.target_.numeric else outputs, examples)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`, [units, classes]. Raises ConfigError where numbers are predicted."""
        check_is_fitted(self, "live_")
        if self.target_.numeric:
            raise ConfigError("numbers are predicted, so there are no probabilities; use predict")
        logits = self.decision_function(X)
        return [_softmax(one) for one in logits] if self.unit_ == "word" else _softmax(logits)

    def predict(self, X: Any) -> Any:
        """The most probable labels, or numbers."""
        outputs = self.decision_function(X)
        if self.target_.numeric:
            return outputs
        if self.unit_ == "word":
            return [self.classes_[one.argmax(axis=1)] for one in outputs]
        return self.classes_[outputs.argmax(axis=1)]


def _softmax(logits: Any) -> Any:
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
