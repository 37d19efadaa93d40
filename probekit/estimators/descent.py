"""One logistic problem on its way down: it asks for a point, is told value and gradient there, and moves.

The direction is L-BFGS (Nocedal & Wright 2006, algorithm 7.4) around a Kronecker-factored metric: the
Hessian's exact form where no feature is used yet, ``C * n * A (x) S + I`` with A the covariance of the class indicators
and S that of the features. Because the penalty sits inside the eigenbasis, weak and strong penalties are equally easy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
MEMORY = 20


class KroneckerMetric:
    """Solves ``(scale * A (x) S + penalty on W) d = g`` in the eigenbases of A [K, K] and S [dim, dim]."""

    def __init__(self, A: Float, S: tuple[Float, Float], center: Float, scale: float) -> None:
        a, self.left = np.linalg.eigh(A)
        a = np.maximum(a, 0.0)
        self.right, self.center = S[1], center
        self.curvature = scale * a[:, None] * np.maximum(S[0], 0.0)[None, :] + 1.0
        flat = scale * a
        self.intercept_inverse = np.where(a > 1e-9 * a.max(), 1.0 / np.where(flat > 0, flat, 1.0), 0.0)

    def solve(self, gradient: Float) -> Float:
        """gradient [K, dim + 1], the intercept last."""
        gb = gradient[:, -1]
        g = self.left.T @ (gradient[:, :-1] - np.outer(gb, self.center)) @ self.right
        w = self.left @ (g / self.curvature) @ self.right.T
        b = self.left @ (self.intercept_inverse * (self.left.T @ gb)) - w @ self.center
        return np.hstack([w, b[:, None]])


class Descent:
    """Ask for ``point`` [K, dim + 1], tell its value and gradient; ``done`` says when to stop asking."""

    def __init__(
        self, point: Float, metric: KroneckerMetric, *, zero_norm: float, tol: float, max_iter: int
    ) -> None:
        self.best = self.point = point
        self.metric = metric
        self.target = tol * zero_norm
        self.zero_norm = zero_norm
        self.max_iter = max_iter
        self.n_iter = 0
        self.done = False
        self.value = np.inf
        self.gradient: Float | None = None
        self.direction = np.zeros_like(point)
        self.step = 0.0
        self.pairs: list[tuple[Float, Float, float]] = []

    def tell(self, value: float, gradient: Float) -> None:
        self.n_iter += 1
        if self.gradient is not None and not self._accepts(gradient):
            self._finish_if_spent()
            return
        if self.gradient is not None:
            s, y = self.point - self.best, gradient - self.gradient
            sy = float(np.vdot(s, y))
            if sy > 1e-12 * float(np.linalg.norm(s) * np.linalg.norm(y)):
                self.pairs = [*self.pairs[-MEMORY + 1 :], (s, y, sy)]
        self.best, self.value, self.gradient = self.point, value, gradient
        self.norm = float(np.linalg.norm(gradient))
        self._finish_if_spent()
        if not self.done:
            self._aim()

    def _accepts(self, gradient: Float) -> bool:
        assert self.gradient is not None
        before = float(np.vdot(self.gradient, self.direction))
        after = float(np.vdot(gradient, self.direction))
        if after <= -0.8 * before:
            return True
        self.step *= min(max(-before / (after - before), 0.1), 0.6)
        self.point = self.best + self.step * self.direction
        return self.step < 1e-8

    def _aim(self) -> None:
        assert self.gradient is not None
        q = self.gradient.copy()
        alphas = []
        for s, y, sy in reversed(self.pairs):
            alpha = float(np.vdot(s, q)) / sy
            alphas.append(alpha)
            q -= alpha * y
        d = self.metric.solve(q)
        for (s, y, sy), alpha in zip(self.pairs, reversed(alphas), strict=True):
            d += (alpha - float(np.vdot(y, d)) / sy) * s
        self.direction = -d
        self.step = 1.0
        self.point = self.best + self.direction

    def _finish_if_spent(self) -> None:
        self.done = self.norm <= self.target or self.n_iter >= self.max_iter
