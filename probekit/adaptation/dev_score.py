"""How good an epoch is on dev, by the metric that chooses the epoch kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.maths import scores

METRICS = ("loss", "accuracy", "macro_f1", "weighted_f1", "mcc", "r2")


@dataclass(frozen=True)
class DevScore:
    """``value`` is what decides, higher is better; ``loss`` decides between equals. None: not defined."""

    value: float
    loss: float | None
    accuracy: float | None


def metric_in_force(metric: str | None, numeric: bool) -> str:
    """The metric that chooses an epoch: accuracy, or the loss for numbers, unless one is named. Raises ConfigError."""
    if metric is None:
        return "loss" if numeric else "accuracy"
    if metric not in METRICS:
        raise ConfigError(f"unknown metric {metric!r}; {did_you_mean(str(metric), METRICS)}")
    if metric != "loss" and (metric == "r2") != numeric:
        what = "numbers are predicted" if numeric else "classes are predicted"
        raise ConfigError(
            f"metric {metric!r} where {what}; use {'r2' if numeric else 'accuracy'!r} or 'loss'"
        )
    return metric


def dev_score(
    outputs: NDArray[Any], gold: NDArray[Any], train: NDArray[Any], metric: str = "accuracy"
) -> DevScore:
    """The score of outputs [units, outputs] against codes (-1: unseen in training) or numbers.

    A unit without outputs (NaN in all) is predicted as the most frequent code of `train`, or its mean. The loss is
    the mean over units with outputs whose label was seen in training.
    """
    read = ~np.isnan(outputs).all(axis=1)
    if gold.dtype.kind == "f":
        predicted = np.where(read, outputs[:, 0], train.mean())
        loss = float(np.mean((predicted - gold) ** 2))
        value = -loss if metric == "loss" else scores.r2(gold, predicted)
        return DevScore(_defined(value, metric), loss, None)
    frequent = np.bincount(train).argmax()
    predicted = np.where(read, np.where(read[:, None], outputs, 0).argmax(axis=1), frequent)
    accuracy = float(np.mean(predicted == gold))
    known = read & (gold >= 0)
    loss_found = _cross_entropy(outputs[known], gold[known]) if known.any() else None
    if metric == "loss":
        if loss_found is None:
            raise DataError("no dev label occurs in training, so there is no loss on dev; check the labels")
        return DevScore(-loss_found, loss_found, accuracy)
    if metric == "accuracy":
        return DevScore(accuracy, loss_found, accuracy)
    n = outputs.shape[1]
    # a label that training had not is a class of its own, which is never predicted
    counted = scores.score(metric, np.where(gold < 0, n, gold), predicted, n + int((gold < 0).any()))
    return DevScore(_defined(counted, metric), loss_found, accuracy)


def is_better(score: DevScore, best: DevScore | None) -> bool:
    """Whether a score beats the best so far: by its value, at equal values by its loss."""
    if best is None:
        return True
    if score.value != best.value:
        return score.value > best.value
    return score.loss is not None and best.loss is not None and score.loss < best.loss


def _defined(value: float, metric: str) -> float:
    if not np.isfinite(value):
        raise DataError(f"{metric} is not defined on dev: its labels are all one; choose by metric='loss'")
    return value


def _cross_entropy(outputs: NDArray[Any], gold: NDArray[Any]) -> float:
    logits = outputs.astype(np.float64)
    top = logits.max(axis=1)
    norm = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.mean(norm - logits[np.arange(len(gold)), gold]))
