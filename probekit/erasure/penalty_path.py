"""The fast linear classifier of INLP: logistic regression at the strongest penalty that classifies about as well.

How much a classifier's weights take away when they are projected out depends on its penalty. Almost without one they
point where classes separate best *relative to the spread of the data*, and a neighbouring direction tells the classes
nearly as well afterwards. Under a strong penalty they turn towards the differences of the class means, and once
those are gone no linear classifier is left. So the path of solutions is walked from the strongest penalty to weaker
ones, each beginning where the last one ended, and the first that is as accurate on dev as the best, up to ``slack``,
is taken: the fewest directions for the same accuracy. Where there are many rows, the walk looks at a sample of them,
and the classifier that was chosen is then solved for on all.

Penalties are told in units of the data: ``C = strength / (rows * mean variance of a feature)``, so that neither the
number of rows nor the scale of the features matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.estimators.logistic import LinearSolution, Problem, solve_logistic

Array = NDArray[Any]

STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)
ROWS_PER_FEATURE = 16  # that the walk looks at; the step that counts looks at all
FEWEST = 8192
TOLERANCE = 5e-3  # of the objective: a direction needs less than a prediction
ON_THE_WAY = 2e-2  # the same for the classifiers that are only walked past
PATIENCE = 1  # weaker penalties in a row without a gain before the walk ends


@dataclass(frozen=True)
class Step:
    """A classifier of the walk: its place in `STRENGTHS`, its solution, its accuracy on dev and its penalty."""

    place: int
    solution: LinearSolution
    accuracy: float
    C: float

    @property
    def coef(self) -> NDArray[np.float64]:
        """Weights [classes, dim] without what all classes share, which no prediction depends on; [1, dim] for two."""
        coef = self.solution.coef
        return coef[1:] - coef[:1] if len(coef) == 2 else coef - coef.mean(axis=0)


class PenaltyPath:
    """Classifiers over the same labels, round after round, while the rows lose directions.

    codes: int [n] in 0..classes-1 of the training rows; dev_codes: int [m], -1 for a label that training lacks.
    """

    def __init__(self, codes: Array, classes: int, dev_codes: Array, *, slack: float, seed: int) -> None:
        self.codes, self.classes, self.dev_codes = codes, classes, dev_codes
        self.slack = slack
        self.draw = np.random.default_rng(seed)
        self.place = 0

    def fit(self, X: Array, X_dev: Array, *, enough: float, C: float | None = None) -> Step:
        """The classifier of this round over X [n, dim]; with C, the one at that penalty.

        ``enough`` is the dev accuracy above which something is left: where the strongest penalty in use finds
        no more than that, weaker ones are tried to the end before it is believed.
        """
        scale = len(X) * _mean_variance(X)
        if C is not None or scale == 0.0:
            at = (0, 1.0 if C is None else C)
            return self._solve(X, X_dev, self.codes, at, self._nothing(X.shape[1]), TOLERANCE)
        few = self._sample(X)
        walked = (
            self._walk(X, X_dev, self.codes, enough)
            if few is None
            else (self._walk(X[few], X_dev, self.codes[few], enough))
        )
        self.place = walked.place
        at = (self.place, STRENGTHS[self.place] / scale)
        return self._solve(X, X_dev, self.codes, at, walked.solution, TOLERANCE)

    def _walk(self, X: Array, X_dev: Array, codes: Array, enough: float) -> Step:
        """From the penalty of the round before to weaker ones, until they gain nothing."""
        scale = len(X) * _mean_variance(X)
        steps: list[Step] = []
        start, without = self._nothing(X.shape[1]), 0
        for place in range(max(self.place - 1, 0), len(STRENGTHS)):
            step = self._solve(X, X_dev, codes, (place, STRENGTHS[place] / scale), start, ON_THE_WAY)
            best = max((one.accuracy for one in steps), default=-1.0)
            without = without + 1 if step.accuracy <= best + self.slack / 4 else 0
            steps.append(step)
            start = step.solution
            if without >= PATIENCE and max(best, step.accuracy) > enough:
                break
        best = max(step.accuracy for step in steps)
        least = best - max(self.slack, self._standard_error(best))
        if best > enough:  # never trade away what is left
            least = max(least, enough + 1e-12)
        return next(step for step in steps if step.accuracy >= min(least, best))

    def _solve(
        self,
        X: Array,
        X_dev: Array,
        codes: Array,
        at: tuple[int, float],
        start: LinearSolution,
        tolerance: float,
    ) -> Step:
        place, C = at
        problem = Problem(y=codes, n_classes=self.classes, C=C, start=start)
        [solution] = solve_logistic(X, [problem], tol=tolerance)
        logits = X_dev @ solution.coef.T.astype(X_dev.dtype) + solution.intercept
        accuracy = float(np.mean(logits.argmax(axis=1) == self.dev_codes))
        return Step(place, solution, accuracy, C)

    def _sample(self, X: Array) -> Array | None:
        """Rows for the walk, where there are many more than it needs: every class keeps its share and one row."""
        wanted = max(FEWEST, ROWS_PER_FEATURE * X.shape[1])
        if 2 * wanted > len(X):
            return None
        chosen = self.draw.permutation(len(X))[:wanted]
        _, one_of_each = np.unique(self.codes, return_index=True)
        return np.unique(np.concatenate([chosen, one_of_each]))

    def _standard_error(self, accuracy: float) -> float:
        return float(np.sqrt(accuracy * (1.0 - accuracy) / max(1, len(self.dev_codes))))

    def _nothing(self, dim: int) -> LinearSolution:
        """Where the walk begins: the shares of the classes and no weights."""
        share = np.bincount(self.codes, minlength=self.classes) / len(self.codes)
        return solution_at(np.zeros((self.classes, dim)), np.log(share))


def solution_at(coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> LinearSolution:
    """A place to begin a solve at: weights [classes, dim] and intercepts [classes]."""
    return LinearSolution(
        coef=coef,
        intercept=intercept,
        objective=np.inf,
        excess=np.inf,
        gradient_norm=np.inf,
        n_iter=0,
        converged=False,
    )


def _mean_variance(X: Array) -> float:
    """The mean over features of their variance, from some thousand rows at most."""
    some = X[:: max(1, len(X) // 2048)]
    return float(np.var(some, axis=0, dtype=np.float64).mean())
