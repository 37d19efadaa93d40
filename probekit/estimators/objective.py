"""Value, gradient and doubt of many logistic problems in one pass over their shared rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.estimators.rows import Rows

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Codes [n], each of ``classes`` with an example; weights [n] or None; the factor C of the data term."""

    codes: Tensor
    weights: Tensor | None
    classes: int
    C: float
    rarity: Tensor  # [classes]: one over the weight of each class's examples

    def weights_of(self, rows: Any) -> Tensor | None:
        """The weights of some rows, or None where all weigh 1."""
        return None if self.weights is None else self.weights[rows]


@dataclass(frozen=True)
class Evaluation:
    """One problem at one point [classes, dim + 1] (intercepts in the last column).

    ``doubt`` [n] is each row's weight times ``sum_k p_k (1 - p_k) / n_k``, its share in bending the objective: rows
    already decided have none, and what hesitates about a rare class of ``n_k`` examples counts for more.
    """

    value: float
    gradient: Float
    doubt: Tensor


def evaluate(rows: Rows, labels: Sequence[Labels], points: Sequence[Float]) -> list[Evaluation]:
    """The objective of each problem at its own point: products in the rows' dtype, sums in float64."""
    stacked = torch.tensor(np.concatenate(points))
    weight, intercept = stacked[:, :-1].to(rows.kind).contiguous(), stacked[:, -1:].to(rows.kind)
    gradient = torch.zeros_like(stacked)
    losses = [0.0] * len(labels)
    doubts = torch.empty(len(labels), rows.n, dtype=rows.kind)
    for span in rows.spans():
        chunk = rows.chunk(span)
        logits = torch.addmm(intercept, weight, chunk.T)
        for i, (label, block) in enumerate(
            zip(labels, torch.split(logits, [x.classes for x in labels]), strict=True)
        ):
            weights = label.weights_of(span)
            losses[i] += residuals(block, label.codes[span], weights, (label.rarity, doubts[i, span]))
        gradient[:, :-1] += logits @ chunk
        gradient[:, -1] += logits.sum(dim=1, dtype=torch.float64)
    answers = []
    parts = gradient.numpy(), np.cumsum([label.classes for label in labels])[:-1]
    for i, (label, point, g) in enumerate(zip(labels, points, np.split(*parts), strict=True)):
        g *= label.C
        g[:, :-1] += point[:, :-1]
        value = label.C * losses[i] + 0.5 * float(np.sum(point[:, :-1] ** 2))
        answers.append(Evaluation(value, g, doubts[i]))
    return answers


def residuals(
    logits: Tensor, codes: Tensor, weights: Tensor | None, doubt: tuple[Tensor, Tensor] | None = None
) -> float:
    """Logits [classes, m] become probabilities minus one-hot labels, in place; gives the summed log loss.

    ``doubt`` is what each class counts [classes] and where to write the rows' doubt [m].
    """
    gold = codes[None]
    norm = torch.logsumexp(logits, dim=0)
    loss = norm - logits.gather(0, gold)[0]
    logits.sub_(norm).exp_()
    if doubt is not None:
        torch.mv((logits * (1.0 - logits)).T, doubt[0], out=doubt[1])
    logits.scatter_add_(0, gold, loss.new_full((1, len(loss)), -1.0))
    if weights is not None:
        logits.mul_(weights)
        loss.mul_(weights)
        if doubt is not None:
            doubt[1].mul_(weights)
    return float(loss.sum(dtype=torch.float64))
