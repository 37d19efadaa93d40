"""One logistic problem on its way down: it asks for a point, is told what is there, and moves.

Many such descents share each pass over the rows, every one with its own step length; see `solve_logistic`.
"""

from __future__ import annotations

import numpy as np
import torch

from probekit.estimators.curvature import Metric, newton_step
from probekit.estimators.objective import Evaluation, Float, Labels
from probekit.estimators.rows import Rows

SAMPLE, MOST = (
    32,
    96,
)  # rows per feature that a Newton step looks at: to begin with, and where that was too few
FEWEST, PLENTY = 4096, 32768  # but never fewer rows than these
BYTES = 256 * 2**20  # and never more than fit here
OVERSHOOT = 0.8  # the slope at a point, against that at the start, above which a step was too long
LITTLE = 0.05  # of the objective: a step that promised more says little about what is left
SHORTEST = 1e-7
ROUNDING = 1e-6  # of the objective: two values nearer than this may be equal


class Descent:
    """``point`` is where the next evaluation is wanted, until ``done``; ``best`` is where it stands.

    ``excess`` estimates how far the objective at ``best`` lies above its minimum, as a share of it.
    """

    def __init__(self, rows: Rows, labels: Labels, point: Float, *, tol: float, max_iter: int) -> None:
        self.rows, self.labels, self.tol, self.max_iter = rows, labels, tol, max_iter
        self.point = self.best = point
        self.n_iter = 0
        self.done = self.converged = False
        self.excess = np.inf
        self.value, self.gradient, self.doubt = np.inf, np.zeros_like(point), torch.empty(0)
        self.direction, self.length, self.slope = np.zeros_like(point), 1.0, 0.0
        self.metric: Metric | None = None
        self.size = max(FEWEST, SAMPLE * rows.dim)
        self.draw = np.random.default_rng(0)

    def tell(self, found: Evaluation) -> None:
        """Take the evaluation of ``point``; then ``point`` is another, or ``done``."""
        self.n_iter += 1
        if self._accepts(found):
            self.best = self.point
            self.value, self.gradient, self.doubt = found.value, found.gradient, found.doubt
            self._judge()
            if not self.done:
                self._aim()
        self.done = self.done or self.n_iter >= self.max_iter or self.length < SHORTEST

    def _accepts(self, found: Evaluation) -> bool:
        """Take a point that falls enough, or that has not risen where the slope is not yet turned too far.

        The second rule is for the end, where values differ by less than their rounding and slopes are still exact.
        By the slope alone a point far up the other side could be taken: a row decided wrongly climbs in a
        straight line, however far the step overshot.
        """
        if self.metric is None:
            return True
        there = float(np.vdot(found.gradient, self.direction))
        fell = self.value - found.value
        turned = there > -OVERSHOOT * self.slope
        if fell > max(-0.1 * self.length * self.slope, 1e-5 * self.value):
            return True
        if not turned and fell >= -ROUNDING * self.value:
            return True
        self.length *= min(max(self._lowest(fell, there), 0.1), 0.6)
        self.point = self.best + self.length * self.direction
        self._look_at_more()
        return False

    def _lowest(self, fell: float, there: float) -> float:
        """Where the cubic through both values and slopes is lowest, as a share of the step (Nocedal & Wright 2006,
        3.59)."""
        if not (np.isfinite(fell) and np.isfinite(there)):
            return 0.0
        bend = self.slope + there + 3.0 * fell / self.length
        root = bend * bend - self.slope * there
        if root < 0.0:
            return 0.5
        root = float(np.sqrt(root))
        below = there - self.slope + 2.0 * root
        return 1.0 - (there + root - bend) / below if below > 0.0 else 0.5

    def _judge(self) -> None:
        """Half of Newton's decrement says how far below the minimum lies (Boyd & Vandenberghe 2004, 9.5.1).

        The metric is that of the point before; it is believed only where the step from there promised little.
        """
        if self.metric is None:
            return
        before, scale = self.excess, max(self.value, 1e-300)
        self.excess = 0.5 * float(np.vdot(self.gradient, self.metric.solve(self.gradient))) / scale
        self.converged = self.done = self.excess <= self.tol and -0.5 * self.slope <= LITTLE * scale
        if self.excess > 0.3 * before:
            self._look_at_more()

    def _aim(self) -> None:
        self.direction, self.metric = newton_step(
            self.rows, self.labels, self.best, self.gradient, self.doubt, self.size, self.draw
        )
        self.slope = float(np.vdot(self.gradient, self.direction))
        self.length = 1.0
        self.point = self.best + self.direction
        if not self.slope < 0.0:  # nothing left but rounding
            self.done = True

    def _look_at_more(self) -> None:
        most = min(max(PLENTY, MOST * self.rows.dim), BYTES // (self.rows.dim * self.rows.dtype.itemsize))
        self.size = max(FEWEST, min(2 * self.size, most))
