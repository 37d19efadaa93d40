"""Numbers out of fitted probes: scores of classes, margins and log-probabilities of a label, with gradients or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from probekit.errors import ConfigError, did_you_mean
from probekit.estimators.linear import LinearProbe
from probekit.estimators.logits import log_softmax
from probekit.estimators.mlp import MLPProbe

Array = NDArray[Any]
Ints = NDArray[np.int64]


def check_probe(probe: Any, measure: str = "margin") -> None:
    """Raise ConfigError unless this is a fitted probe that gives what is measured, or a function."""
    if is_function(probe):
        return
    if not hasattr(probe, "predict"):
        raise ConfigError(
            f"probe must be a fitted scikit-learn estimator or a function of rows; got {probe!r}"
        )
    if not is_classifier(probe):
        if not hasattr(probe, "n_features_in_"):
            raise ConfigError(f"{type(probe).__name__} is not fitted; call its fit(X, y) first")
        return
    if not (hasattr(probe, "decision_function") or hasattr(probe, "predict_log_proba")):
        raise ConfigError(
            f"{type(probe).__name__} has no decision_function and no predict_log_proba to measure with"
        )
    if measure != "margin" and not hasattr(probe, "predict_log_proba"):
        raise ConfigError(f"{type(probe).__name__} gives no probabilities; use measure='margin'")


def class_scores(probe: Any, rows: Array) -> Array:
    """Scores of all classes, float64 ``[n, classes]``: those of its decision function, else log-probabilities.

    Two classes have the scores 0 and s, so that differences are what the decision function gives. Raises ConfigError
    where a probability is 0, which has no logarithm.
    """
    if hasattr(probe, "decision_function"):
        scores = np.asarray(probe.decision_function(rows), dtype=np.float64)
    else:
        with np.errstate(divide="ignore"):
            scores = np.asarray(probe.predict_log_proba(rows), dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ConfigError(
            f"{type(probe).__name__} gives a class the probability 0, so that its margin is infinite; take a probe "
            "with a decision function, or a function of rows"
        )
    return np.column_stack([np.zeros_like(scores), scores]) if scores.ndim == 1 else scores


def plain_output(probe: Any, rows: Array) -> Array:
    """What a regressor or a function gives, float64 ``[n]``. Raises ConfigError where it is not one number a row."""
    found = np.asarray(probe(rows) if is_function(probe) else probe.predict(rows), dtype=np.float64)
    if found.shape != (len(rows),):
        raise ConfigError(
            f"the probe gives the shape {found.shape} for {len(rows)} rows; one number for each is needed"
        )
    return found


def label_scores(logits: Array, target: Ints, foil: int, measure: str) -> Array:
    """The margin or log-probability of class ``target[n]`` by scores of all classes ``[n, classes]``."""
    own = np.take_along_axis(logits, target[:, None], axis=1)[:, 0]
    if measure != "margin":
        return np.take_along_axis(log_softmax(logits), target[:, None], axis=1)[:, 0]
    if foil >= 0:
        return np.asarray(own - logits[:, foil])
    others = logits.copy()
    np.put_along_axis(others, target[:, None], -np.inf, axis=1)
    return np.asarray(own - others.max(axis=1))


def label_code(probe: Any, label: Any) -> int:
    """The number of a label among the classes of a probe. Raises ConfigError for one it does not know."""
    if not is_classifier(probe):
        raise ConfigError(f"{type(probe).__name__} predicts numbers and has no label {label!r}; leave it out")
    classes = [str(one) for one in probe.classes_]
    if str(label) not in classes:
        raise ConfigError(f"the probe has no label {label!r}; {did_you_mean(str(label), classes)}")
    return classes.index(str(label))


def torch_scores(probe: Any, states: torch.Tensor) -> torch.Tensor | None:
    """The same scores of all classes with gradients, for linear probes and MLPs; None for others."""

    def as_tensor(array: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array), dtype=torch.float64, device=states.device)

    x = states.double()
    if net := getattr(probe, "net_", None):
        x = (x - as_tensor(net.shift)) / as_tensor(net.scale)
        for depth, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            x = (x.relu() if depth else x) @ as_tensor(weight) + as_tensor(bias)
        scaled: torch.Tensor = x * net.target_scale + net.target_shift
        return scaled
    if not hasattr(probe, "coef_") or hasattr(probe, "support_vectors_"):
        return None
    scores = x @ as_tensor(np.atleast_2d(probe.coef_)).T + as_tensor(np.atleast_1d(probe.intercept_))
    if is_classifier(probe) and scores.shape[1] == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], 1)
    return scores


def is_classifier(probe: Any) -> bool:
    """Whether it predicts labels."""
    return hasattr(probe, "classes_")


def is_function(probe: Any) -> bool:
    """Whether it is a plain function of rows."""
    return callable(probe) and not hasattr(probe, "predict")


def unit_of(probe: Any, measure: str) -> str:
    """The unit of what a probe gives."""
    if not is_classifier(probe):
        return "what it gives" if is_function(probe) else "what it predicts"
    nats = measure != "margin" or isinstance(probe, LinearProbe | MLPProbe | LogisticRegression)
    return "nats" if nats or not hasattr(probe, "decision_function") else "units of its decision function"


def spoken_output(probe: Any, measure: str, label: Any = None, foil: Any = None) -> str:
    """What a probe gives, in words; without a label, or with one for each text, of "the label"."""
    name = getattr(probe, "__name__", "a function") if is_function(probe) else type(probe).__name__
    if not is_classifier(probe):
        return name
    several = isinstance(label, Sequence) and not isinstance(label, str)
    spoken = "the label" if label is None or several else repr(label)
    against = "" if foil is None or measure != "margin" else f" against {foil!r}"
    return f"{measure} for {spoken}{against} of {name}"
