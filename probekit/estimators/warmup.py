"""A few epochs of Adam in whitened coordinates: near the minimum for the price of a few passes.

Where there are many rows a quadratic model far from the minimum is of little use, and a stochastic start costs least:
each epoch takes hundreds of small steps. The features are whitened without a copy of them, by moving the map
to the parameters' side: with ``W = V T'``, the gradient in V is the gradient in W times T.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.estimators.objective import Labels, residuals
from probekit.estimators.rows import Rows

Float = NDArray[np.float64]

EPOCHS = 2
STEPS = 400  # at least, in as many epochs as that takes
BATCH = 512
RATE = 0.015
BETAS = (0.9, 0.999)
FLOOR = 1e-3  # of the mean variance: directions with less than this are not blown up


def warm_up(
    rows: Rows,
    labels: Sequence[Labels],
    points: Sequence[Float],
    basis: tuple[Float, Float],
    *,
    seed: int = 0,
) -> list[Float]:
    """Points [classes, dim + 1] after some epochs of minibatches over all problems together.

    basis: eigenvalues [dim] and eigenvectors [dim, dim] of the rows' covariance. Same seed, same points.
    """
    variances = np.maximum(basis[0], 0.0)
    scale = 1.0 / np.sqrt(variances + FLOOR * variances.mean())
    whiten = torch.tensor(basis[1] * scale, dtype=rows.kind)
    sizes = [label.classes for label in labels]
    penalty = torch.cat([torch.from_numpy(np.tile(scale**2 / _mass(x), (x.classes, 1))) for x in labels]).to(
        rows.kind
    )
    share = torch.cat([torch.full((x.classes, 1), x.C * rows.n / _mass(x)) for x in labels]).to(rows.kind)
    start = np.concatenate(points)
    v = torch.tensor(np.hstack([start[:, :-1] @ (basis[1] / scale), start[:, -1:]]), dtype=rows.kind)
    first, second, gradient = torch.zeros_like(v), torch.zeros_like(v), torch.empty_like(v)
    draw = np.random.default_rng(seed)
    per_epoch = -(-rows.n // BATCH)
    epochs = max(EPOCHS, -(-STEPS // per_epoch))
    step, steps = 0, epochs * per_epoch
    for _ in range(epochs):
        order = draw.permutation(rows.n)
        for begin in range(0, rows.n, BATCH):
            which = np.sort(order[begin : begin + BATCH])
            chunk = rows.chunk(which)
            logits = torch.addmm(v[:, -1:], v[:, :-1] @ whiten.T, chunk.T)
            for label, block in zip(labels, torch.split(logits, sizes), strict=True):
                residuals(block, label.codes[which], label.weights_of(which))
            logits.mul_(share / len(which))
            torch.sum(logits, dim=1, out=gradient[:, -1])
            gradient[:, :-1] = (logits @ chunk) @ whiten
            gradient[:, :-1].addcmul_(v[:, :-1], penalty)
            step += 1
            rate = RATE * (1 - (step - 1) / steps)
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            size = second.sqrt().div_((1 - BETAS[1] ** step) ** 0.5).add_(1e-8)
            v.addcdiv_(first, size, value=-rate / (1 - BETAS[0] ** step))
    end = v.to(torch.float64).numpy()
    end[:, :-1] = end[:, :-1] @ (basis[1] * scale).T
    return np.split(end, np.cumsum(sizes)[:-1])


def _mass(labels: Labels) -> float:
    """What the data term of the objective weighs in all."""
    rows = len(labels.codes) if labels.weights is None else float(labels.weights.sum(dtype=torch.float64))
    return labels.C * rows
