"""R-LACE: a game between a linear classifier and the projection of a given rank that leaves it the least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from probekit.erasure.eraser import Eraser
from probekit.erasure.penalty_path import solution_at
from probekit.erasure.train_dev import Labelled, labelled
from probekit.errors import ConfigError, DataError
from probekit.estimators.logistic import LinearSolution, Problem, solve_logistic
from probekit.glossary import Progress, silent

Array = NDArray[Any]
Float = NDArray[np.float64]

STRENGTHS = (3.0, 30.0, 300.0)  # of the answering classifier, one after the other: data against penalty
ROWS_PER_FEATURE = 64  # that the game is played on
FEWEST = 8192
LONGER, SHORTER = 1.5, 0.4  # the step after one that led up, and after one that led down
TOLERANCE = 1e-3  # of the classifiers' objective


@dataclass(frozen=True)
class RlaceCheck:
    """The exact projection after some moves: what a classifier trained anew reached on dev, its accuracy and loss.

    ``loss`` is the mean log loss in nats; ``gap`` is how far the relaxed projection was from one of the wanted rank,
    the sum of its eigenvalues beyond the largest `rank`.
    """

    moves: int
    dev_accuracy: float
    loss: float
    gap: float


class Rlace(BaseEstimator):  # type: ignore[misc]
    """Relaxed linear adversarial concept erasure: the orthogonal projection of rank k that leaves the least to tell.

    The game is min over classifiers W, max over projections P = I - A of the log loss of W P x, with A relaxed from
    projections of rank k to the Fantope {0 <= A <= I, trace A = k} (Ravfogel et al. 2022, arXiv:2201.12091). Moves
    of A follow the gradient of the loss, back into the Fantope by way of its eigenvalues. W is solved for at every
    move, under a penalty that is strong at first, so that moves begin where the classes differ most, and weaker
    later; a move that leaves the classifier more is taken back. Now and then the k leading directions of A make an
    exact projection, a classifier trained anew judges it on dev, and the best one is kept.

    It goes over the rows many times, and so takes arrays and no stream.

    Parameters
    ----------
    rank : directions to remove; None: one for two classes, classes - 1 for more, which is enough.
    moves : of the projection, at most. every : moves between two judgements.
    margin : stop once dev accuracy is at most the share of the most frequent dev label plus this.
    C : inverse penalty of the judging classifier, as in `LinearProbe` on features of mean variance 1.
    keep_mean : states keep the training mean along the removed directions. False: they become 0 there.
    seed : draws the rows that the game is played on, where there are many, and the held-out rows where no dev rows
        are given.
    concept : what to call it.

    Attributes
    ----------
    eraser_ : the `Eraser`, an exact projection of rank k. history_ : an `RlaceCheck` per judgement, the first before
    anything was removed. reason_ : why it ended, in words. classes_, majority_ : as of `Inlp`.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.normal(size=(600, 5)), np.repeat(["sg", "pl"], 300)
    >>> X[300:, 2] += 6
    >>> rlace = pk.Rlace(rank=1).fit(X[::2], y[::2], X_dev=X[1::2], y_dev=y[1::2])
    >>> bool(rlace.history_[0].dev_accuracy > 0.95), bool(rlace.history_[-1].dev_accuracy < 0.6), rlace.eraser_.rank
    (True, True, 1)
    """

    def __init__(
        self,
        rank: int | None = None,
        *,
        moves: int = 60,
        every: int = 10,
        margin: float = 0.01,
        C: float = 1.0,
        keep_mean: bool = True,
        seed: int = 0,
        concept: str = "",
    ) -> None:
        self.rank = rank
        self.moves = moves
        self.every = every
        self.margin = margin
        self.C = C
        self.keep_mean = keep_mean
        self.seed = seed
        self.concept = concept

    def fit(
        self,
        X: Array,
        y: Any,
        *,
        X_dev: Array | None = None,
        y_dev: Any = None,
        cluster: Any = None,
        progress: Progress = silent,
    ) -> Self:
        """Fit on states X [n, dim] and labels y [n]; dev rows judge, or held-out rows of train as in `Inlp`.

        Raises DataError (as `Inlp`, and a rank that is not below the width) and ConfigError (a parameter out of range).
        """
        self._check()
        data = labelled(X, y, X_dev, y_dev, cluster=cluster, seed=self.seed)
        dim = data.X.shape[1]
        rank = len(data.classes) - 1 if self.rank is None else self.rank
        if rank >= dim:
            raise DataError(f"a projection of rank {rank} leaves nothing of width {dim}; give a lower rank")
        mean = data.mean
        scale = _standardise(data, mean)
        self.classes_, self.majority_ = data.classes, data.majority
        judge = _Judge(data, self.C)
        self.history_ = [judge.look(np.zeros((dim, 0)), 0, float(rank))]
        game = _Game(data, rank, self.seed)
        best, basis = (np.inf, 0.0), np.zeros((dim, rank))
        self.reason_ = f"the limit of {self.moves} moves was reached"
        for move in range(1, self.moves + 1):
            game.move((move - 1) / self.moves)
            if move % self.every and move != self.moves:
                continue
            progress("R-LACE (moves)", move, self.moves)
            candidate, gap = game.leading()
            check = judge.look(candidate, move, gap)
            self.history_.append(check)
            if (check.dev_accuracy, -check.loss) < best:
                best, basis = (check.dev_accuracy, -check.loss), candidate
            if check.dev_accuracy <= data.majority + self.margin:
                self.reason_ = (
                    f"dev accuracy {check.dev_accuracy:.4f} after {move} moves is within {self.margin:g} of the "
                    f"majority's {data.majority:.4f}"
                )
                break
        self.eraser_ = Eraser(
            left=basis,
            right=basis.T,
            center=mean if self.keep_mean else np.zeros_like(mean),
            method="rlace",
            concept=self.concept,
            about={
                **data.about,
                "majority_dev": data.majority,
                "dev_accuracy": best[0],
                "scale": scale,
                "seed": self.seed,
                "ended": self.reason_,
            },
        )
        return self

    def _check(self) -> None:
        for name in ("rank", "moves", "every"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 0.0 <= self.margin < 1.0:
            raise ConfigError(f"margin is a share of accuracy, 0 <= margin < 1; got {self.margin}")
        if not (np.isfinite(self.C) and self.C > 0):
            raise ConfigError(f"the inverse penalty C must be a number above 0; got {self.C}")


class _Game:
    """The two players. Features are centred and scaled by one number, which no projection minds."""

    def __init__(self, data: Labelled, rank: int, seed: int) -> None:
        wanted = max(FEWEST, ROWS_PER_FEATURE * data.X.shape[1])
        self.X, self.codes = data.X, data.codes
        if wanted < len(self.X):
            _, one_of_each = np.unique(self.codes, return_index=True)
            some = np.random.default_rng(seed).permutation(len(self.X))[:wanted]
            rows = np.unique(np.concatenate([some, one_of_each]))
            self.X, self.codes = self.X[rows], self.codes[rows]
        self.dim, self.rank = data.X.shape[1], rank
        self.A = np.eye(self.dim) * (rank / self.dim)  # the middle of the Fantope
        self.classes = len(data.classes)
        self.answer: LinearSolution | None = None
        self.step, self.strength, self.value = 1.0, 0.0, -np.inf
        self.uphill = np.zeros_like(self.A)

    def move(self, share: float) -> None:
        """One step of A up the slope of the loss that the best answer leaves; taken back, and shortened, where it led
        down. ``share`` is how much of the game is over."""
        strength = STRENGTHS[min(int(share * len(STRENGTHS)), len(STRENGTHS) - 1)]
        if strength != self.strength:
            self.strength, self.step = strength, 1.0
            self.value, self.uphill = self._look(self.A)
        size = float(np.abs(np.linalg.eigvalsh(self.uphill)).max())
        if size == 0.0:
            return
        there = to_fantope(self.A + self.step / size * self.uphill, self.rank)
        value, uphill = self._look(there)
        if value > self.value:
            self.A, self.value, self.uphill = there, value, uphill
            self.step = min(1.0, LONGER * self.step)
        else:
            self.step *= SHORTER

    def _look(self, A: Float) -> tuple[float, Float]:
        """What the classifier's best answer to A costs it, and the gradient of that in A [dim, dim]."""
        left = self.X @ (np.eye(self.dim) - A).astype(self.X.dtype)
        problem = Problem(
            y=self.codes,
            n_classes=self.classes,
            C=self.strength / len(self.X),
            start=self.answer or self._nothing(),
        )
        [self.answer] = solve_logistic(left, [problem], tol=TOLERANCE)
        error = left @ self.answer.coef.T.astype(self.X.dtype) + self.answer.intercept.astype(self.X.dtype)
        error = np.exp(error - error.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(error)), self.codes] -= 1.0
        read = (error.T @ self.X).astype(np.float64)
        slope = -(self.answer.coef.T @ read)  # of the loss in A, since P = I - A (Danskin's theorem)
        return self.answer.objective, slope + slope.T

    def _nothing(self) -> LinearSolution:
        share = np.bincount(self.codes, minlength=self.classes) / len(self.codes)
        return solution_at(np.zeros((self.classes, self.dim)), np.log(share))

    def leading(self) -> tuple[Float, float]:
        """The `rank` leading directions of A [dim, rank], and how much of A lies beyond them."""
        values, vectors = np.linalg.eigh(self.A)
        basis: Float = vectors[:, ::-1][:, : self.rank]
        return np.ascontiguousarray(basis), max(0.0, float(values[: -self.rank].sum()))


class _Judge:
    """A classifier trained anew on rows from which directions were removed."""

    def __init__(self, data: Labelled, C: float) -> None:
        self.data, self.C = data, C
        self.start: LinearSolution | None = None

    def look(self, basis: Float, moves: int, gap: float) -> RlaceCheck:
        data = self.data
        [solution] = solve_logistic(
            _without(data.X, basis),
            [Problem(y=data.codes, n_classes=len(data.classes), C=self.C, start=self.start)],
            tol=TOLERANCE,
        )
        self.start = solution
        logits = _without(data.X_dev, basis) @ solution.coef.T + solution.intercept
        accuracy = float(np.mean(logits.argmax(axis=1) == data.dev_codes))
        known = data.dev_codes >= 0
        logits = logits[known] - logits[known].max(axis=1, keepdims=True)
        gold = logits[np.arange(len(logits)), data.dev_codes[known]]
        loss = float(np.mean(np.log(np.exp(logits).sum(axis=1)) - gold)) if known.any() else 0.0
        return RlaceCheck(moves, accuracy, loss, gap)


def to_fantope(A: Float, rank: int) -> Float:
    """The nearest matrix (Frobenius) with eigenvalues in [0, 1] that sum to `rank`; A [dim, dim] is symmetric.

    The eigenvalues are moved by one number and cut to [0, 1] (Vu, Cho, Lei & Rohe 2013, lemma 4.1).

    >>> to_fantope(np.diag([3.0, 0.2, 0.1]), 1).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    values, vectors = np.linalg.eigh((A + A.T) / 2)
    low, high = values.min() - 1.0, values.max()
    for _ in range(100):
        middle = (low + high) / 2
        if np.clip(values - middle, 0.0, 1.0).sum() > rank:
            low = middle
        else:
            high = middle
    inside: Float = (vectors * np.clip(values - (low + high) / 2, 0.0, 1.0)) @ vectors.T
    return inside


def _standardise(data: Labelled, mean: Float) -> float:
    """Centre the working copies and scale them, in place, to a mean variance of 1; the factor."""
    center = mean.astype(data.X.dtype)
    data.X.__isub__(center)
    data.X_dev.__isub__(center)
    variance = float(np.mean(np.square(data.X), dtype=np.float64))
    if variance == 0.0:
        raise DataError("every row of train is the same; there is nothing to erase")
    scale = float(variance**-0.5)
    data.X.__imul__(scale)
    data.X_dev.__imul__(scale)
    return scale


def _without(X: Array, basis: Float) -> Array:
    """A copy of the rows without some orthonormal directions [dim, k]."""
    q = basis.astype(X.dtype)
    rows: Array = X - (X @ q) @ q.T
    return rows
