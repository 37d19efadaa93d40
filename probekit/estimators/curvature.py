"""Newton directions from a sample of rows, drawn where the objective bends.

A row decided with certainty adds nothing to the Hessian, and most rows soon are. Rows are drawn with a probability
in proportion to their doubt (`Evaluation.doubt`) and weighted by its inverse, so that some thousands stand for all,
and a rare class keeps its say; the gradient stays exact. Conjugate gradients solve for the step, around a
Kronecker-factored metric (Martens & Grosse 2015, arXiv:1503.05671) whose eigenbasis takes the penalty in exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.estimators.objective import Float, Labels
from probekit.estimators.rows import CHUNK, Rows

DOUBT_FLOOR = 0.1  # of the mean doubt: every row can be drawn, and none weighs over ten times the mean
METRIC_SHARE = 3  # one block in so many is looked at for the metric's features
CG_LEAST, CG_STEPS = 8, 40
CG_PAYS = 0.4  # stop when the mean fall of the steps so far is worth this many times the last one's


@dataclass(frozen=True)
class Metric:
    """Solves ``(A (x) S + penalty on W) d = g``: A [K, K] over classes, S [dim, dim] over features about ``center``."""

    class_values: Float
    class_vectors: Float
    feature_values: Float
    feature_vectors: Float
    center: Float

    @classmethod
    def of(cls, A: Float, S: Float, center: Float) -> Metric:
        """Decompose both factors. Moving all classes alike changes nothing, and rounding must not say otherwise."""
        A = A - A.mean(axis=0)
        a, left = np.linalg.eigh(A - A.mean(axis=1, keepdims=True))
        s, right = np.linalg.eigh(S)
        return cls(np.maximum(a, 0.0), left, np.maximum(s, 0.0), right, center)

    def solve(self, gradient: Float) -> Float:
        """gradient [K, dim + 1], intercepts last -> the step, uphill."""
        at_intercept = gradient[:, -1]
        w = (
            self.class_vectors.T
            @ (gradient[:, :-1] - np.outer(at_intercept, self.center))
            @ self.feature_vectors
        )
        w /= np.outer(self.class_values, self.feature_values) + 1.0
        w = self.class_vectors @ w @ self.feature_vectors.T
        bends = self.class_values > 1e-12 * self.class_values.max()
        inverse = np.divide(1.0, self.class_values, out=np.zeros_like(self.class_values), where=bends)
        b = self.class_vectors @ (inverse * (self.class_vectors.T @ at_intercept)) - w @ self.center
        return np.column_stack([w, b])


def newton_step(
    rows: Rows,
    labels: Labels,
    point: Float,
    gradient: Float,
    doubt: Tensor,
    size: int,
    draw: np.random.Generator,
) -> tuple[Float, Metric]:
    """The downhill Newton step [classes, dim + 1] at a point, from about ``size`` rows, and the metric it used."""
    which, inverse = draw_rows(doubt, size, draw)
    chunk = rows.chunk(which)
    share = torch.from_numpy(inverse * labels.C).to(rows.kind)
    weights = labels.weights_of(which)
    if weights is not None:
        share = share * weights
    at = torch.tensor(point, dtype=rows.kind)
    blocks = []
    for x, s in zip(torch.split(chunk, CHUNK), torch.split(share, CHUNK), strict=True):
        blocks.append((x, torch.softmax(torch.addmm(at[:, -1:], at[:, :-1], x.T), dim=0), s))
    metric = _metric(blocks)

    def times_hessian(step: Float) -> Float:
        v = torch.tensor(step, dtype=rows.kind)
        product = torch.zeros_like(v)
        for x, p, s in blocks:  # small enough to be read from memory once for both products
            moved = torch.addmm(v[:, -1:], v[:, :-1], x.T).mul_(p)
            moved.addcmul_(p, moved.sum(dim=0), value=-1.0).mul_(s)
            product[:, :-1] += moved @ x
            product[:, -1] += moved.sum(dim=1)
        result = product.numpy().astype(np.float64)
        result[:, :-1] += step[:, :-1]
        return result

    return -_conjugate_gradients(times_hessian, metric, gradient), metric


def draw_rows(doubt: Tensor, size: int, draw: np.random.Generator) -> tuple[NDArray[np.int64], Float]:
    """About ``size`` rows [m], sorted, each with one over its probability of being drawn; all rows if size allows."""
    n = len(doubt)
    if size >= n:
        return np.arange(n), np.ones(n)
    wanted = doubt.numpy().astype(np.float64)
    wanted = wanted + DOUBT_FLOOR * wanted.mean() + 1e-30
    factor = size / wanted.sum()
    for _ in range(8):  # some probabilities are cut at 1; spread what they leave over the others
        factor *= size / np.minimum(factor * wanted, 1.0).sum()
    chance = np.minimum(factor * wanted, 1.0)
    which = np.flatnonzero(draw.random(n) < chance)
    return which, 1.0 / chance[which]


def _metric(blocks: list[tuple[Tensor, Tensor, Tensor]]) -> Metric:
    """The factors from a share of the rows: one number a row stands for its K x K part of the Hessian."""
    dim, classes = blocks[0][0].shape[1], len(blocks[0][1])
    total, center, S, A = 0.0, np.zeros(dim), np.zeros((dim, dim)), np.zeros((classes, classes))
    for number, (x, p, share) in enumerate(blocks):
        exact = p.to(torch.float64)
        weighted = exact * share
        A += np.diag(weighted.sum(dim=1).numpy()) - (weighted @ exact.T).numpy()
        if number % METRIC_SHARE == 0:
            bend = (1.0 - (p * p).sum(dim=0)).clamp_(min=0.0).mul_(share)
            total += float(bend.sum(dtype=torch.float64))
            center += (bend @ x).numpy()
            S += ((x * bend[:, None]).T @ x).numpy()
    total = max(total, 1e-300)
    center /= total
    return Metric.of(A, S / total - np.outer(center, center), center)


def _conjugate_gradients(times_hessian: Callable[[Float], Float], metric: Metric, target: Float) -> Float:
    """x with H x = target, as far as it pays; a descent direction after any number of steps.

    What falls from step to step is the quadratic model, not the residual, so it is the model that says when to stop
    (Nash & Sofer 1990). Directions are corrected as in Polak & Ribiere: products in float32 are not quite symmetric.
    """
    x, residual = np.zeros_like(target), target.copy()
    z = metric.solve(residual)
    direction, height, fallen = z, float(np.vdot(residual, z)), 0.0
    for step in range(1, CG_STEPS + 1):
        bent = times_hessian(direction)
        curvature, along = float(np.vdot(direction, bent)), float(np.vdot(residual, direction))
        if not (curvature > 0.0 and height > 0.0):
            break
        x = x + (along / curvature) * direction
        fall = along * along / curvature
        fallen += fall
        if step >= CG_LEAST and step * fall <= CG_PAYS * fallen:
            break
        before, residual = residual, residual - (along / curvature) * bent
        z = metric.solve(residual)
        turn = float(np.vdot(residual - before, z)) / height
        height = float(np.vdot(residual, z))
        direction = z + max(turn, 0.0) * direction
    return x
