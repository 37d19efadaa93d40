"""Value and gradient of many logistic problems in one pass over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.estimators.rows import Rows

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Label codes [n] (every class has an example), weights [n] or None, and the factor C of the data term."""

    codes: Tensor
    weights: Tensor | None
    classes: int
    C: float


def evaluate(rows: Rows, labels: Sequence[Labels], points: Sequence[Float]) -> list[tuple[float, Float]]:
    """The objective and its gradient of each problem at its point [classes, dim + 1], intercept last."""
    kind = torch.float64 if rows.dtype == np.float64 else torch.float32
    stacked = torch.from_numpy(np.concatenate(points))
    weight, intercept = stacked[:, :-1].to(kind), stacked[:, -1:].to(kind)
    gradient = torch.zeros_like(stacked)
    losses = [0.0] * len(labels)
    for span in rows.spans():
        chunk = rows.chunk(span)
        logits = torch.addmm(intercept, weight, chunk.T)
        first = 0
        for i, label in enumerate(labels):
            block = logits[first : first + label.classes]
            losses[i] += residual(
                block, label.codes[span], None if label.weights is None else label.weights[span]
            )
            first += label.classes
        gradient[:, :-1] += logits @ chunk
        gradient[:, -1] += logits.sum(dim=1, dtype=torch.float64)
    answers, first = [], 0
    for label, point, loss in zip(labels, points, losses, strict=True):
        g = label.C * gradient[first : first + label.classes].numpy()
        g[:, :-1] += point[:, :-1]
        answers.append((label.C * loss + 0.5 * float(np.sum(point[:, :-1] ** 2)), g))
        first += label.classes
    return answers


def residual(logits: Tensor, codes: Tensor, weights: Tensor | None) -> float:
    """Turn logits [classes, m] into probabilities minus one-hot labels, in place; give the summed log loss."""
    gold = codes[None]
    norm = torch.logsumexp(logits, dim=0)
    loss = norm - logits.gather(0, gold)[0]
    logits.sub_(norm).exp_()
    logits.scatter_add_(0, gold, torch.full_like(loss, -1.0)[None])
    if weights is not None:
        logits.mul_(weights)
        loss = loss * weights
    return float(loss.sum(dtype=torch.float64))
