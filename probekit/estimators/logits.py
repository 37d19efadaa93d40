"""From a solved linear model to numbers per row: logits in chunks, and how clearly the gold label won."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.estimators.rows import Rows

Array = NDArray[Any]


def linear_logits(X: Array, coef: Array, intercept: Array) -> Array:
    """``X @ coef.T + intercept``: [n, dim] x [classes, dim] -> [n, classes], read in chunks.

    float64 in, float64 out; anything else (float16, memory-mapped ...) gives float32.
    """
    rows = Rows(X)
    weight = torch.tensor(coef.T, dtype=rows.kind).contiguous()
    bias = torch.tensor(intercept + coef @ rows.center, dtype=rows.kind)
    logits = np.empty((rows.n, len(coef)), dtype=rows.dtype)
    for span in rows.spans():
        logits[span] = torch.addmm(bias, rows.chunk(span), weight).numpy()
    return logits


def log_softmax(logits: Array) -> Array:
    """Log probabilities of logits [n, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def margins(logits: Array, gold: Array) -> NDArray[np.float32]:
    """The gold label's log probability minus the best other label's: above 0 where the gold label wins.

    logits [n, classes], gold codes [n]. NaN where the gold label is none of the classes (a code outside
    ``0 .. classes-1``: a label never seen in training).

    >>> margins(np.array([[2.0, 0.5], [1.0, 4.0]]), np.array([0, 0])).tolist()
    [1.5, -3.0]
    """
    classes = logits.shape[1]
    gold = np.asarray(gold)
    known = (gold >= 0) & (gold < classes)
    column = np.where(known, gold, 0)
    won = np.take_along_axis(logits, column[:, None], axis=1)[:, 0]
    others = logits.copy()
    np.put_along_axis(others, column[:, None], -np.inf, axis=1)
    with np.errstate(invalid="ignore"):
        margin = won - others.max(axis=1)
    return np.where(known, margin, np.nan).astype(np.float32)
