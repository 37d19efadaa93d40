"""INLP: train a linear classifier, project its weights out, and again, until dev says that nothing is found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from probekit.erasure.eraser import Eraser
from probekit.erasure.penalty_path import PenaltyPath
from probekit.erasure.train_dev import Labelled, labelled
from probekit.errors import ConfigError
from probekit.glossary import Progress, silent

Array = NDArray[Any]
Float = NDArray[np.float64]

CHUNK = 8192  # rows projected at a time


@dataclass(frozen=True)
class InlpRound:
    """One round: what its classifier reached on dev, how many directions went for it, and how many were gone then.

    ``removed`` is 0 in a last round that found nothing worth removing. ``C`` is the classifier's inverse penalty
    where it is the fast one.
    """

    number: int
    dev_accuracy: float
    removed: int
    rank: int
    C: float | None = None


class Inlp(BaseEstimator):  # type: ignore[misc]
    """Iterative nullspace projection: no classifier of this kind, trained anew, finds the concept on dev.

    Every round trains a linear classifier on what is left, asks dev how accurate it is, and projects the rows of its
    weights out. All directions removed so far are kept as one orthonormal basis Q, so that the projection I - Q Q^T
    stays orthogonal, and is the product of the rounds' own projections (Ravfogel et al. 2020, arXiv:2004.07667).

    It goes over the rows many times, and so takes arrays and no stream.

    Parameters
    ----------
    classifier : any scikit-learn classifier that has ``coef_`` after `fit`; cloned in every round. None: the fast
        one, logistic regression at the strongest penalty that is as accurate on dev as the best up to `slack`, which
        needs far fewer rounds for the same effect.
    rounds : at most.
    margin : stop where dev accuracy is at most the share of the most frequent dev label plus this. Accuracy on train
        never stops it: on few rows a classifier fits noise in any number of directions.
    slack : of the fast classifier, dev accuracy given up for fewer directions; where there are many rows, among
        classifiers trained on a sample of them.
    C : of the fast classifier, a fixed inverse penalty as in `LinearProbe` instead.
    keep_mean : states keep the training mean along the removed directions (a projection about the mean). False: they
        become 0 there, the paper's linear projection.
    seed : draws the rows of the fast classifier's first look, and the held-out rows where no dev rows are given.
    concept : what to call it.

    Attributes
    ----------
    eraser_ : the `Eraser`, whose ``matrix`` is the projection. history_ : an `InlpRound` per round. reason_ : why it
    ended, in words. coefs_ : the weights [classes or 1, dim] of every round that was projected out. bases_ : the
    orthonormal directions [dim, removed] each of these rounds added. majority_ : the share of the most frequent dev
    label. classes_ : the labels.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.normal(size=(600, 5)), np.repeat(["sg", "pl"], 300)
    >>> X[300:, 2] += 6
    >>> inlp = pk.Inlp().fit(X[::2], y[::2], X_dev=X[1::2], y_dev=y[1::2])
    >>> bool(inlp.history_[0].dev_accuracy > 0.95), bool(inlp.history_[-1].dev_accuracy < 0.6)
    (True, True)
    """

    def __init__(
        self,
        classifier: BaseEstimator | None = None,
        *,
        rounds: int = 50,
        margin: float = 0.01,
        slack: float = 0.01,
        C: float | None = None,
        keep_mean: bool = True,
        seed: int = 0,
        concept: str = "",
    ) -> None:
        self.classifier = classifier
        self.rounds = rounds
        self.margin = margin
        self.slack = slack
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
        """Fit on states X [n, dim] and labels y [n]; dev rows decide when to stop.

        Without dev rows a fifth of train is held out to stop by, whole clusters (sentences, say) where `cluster` [n]
        names them. X is copied once, and each round takes its new directions out of that copy.

        Raises DataError (one class only, values that are not finite, widths or lengths that differ, numbers instead
        of labels) and ConfigError (a parameter out of range, a classifier without ``coef_``).
        """
        self._check()
        data = labelled(X, y, X_dev, y_dev, cluster=cluster, seed=self.seed)
        mean = data.mean
        stop_at = data.majority + self.margin
        train = self._trainer(data, stop_at)
        basis: Float = np.zeros((data.X.shape[1], 0))
        self.history_: list[InlpRound] = []
        self.coefs_: list[Float] = []
        self.bases_: list[Float] = []
        self.classes_, self.majority_ = data.classes, data.majority
        self.reason_ = f"the limit of {self.rounds} rounds was reached"
        for number in range(1, self.rounds + 1):
            progress("INLP (rounds)", number - 1, self.rounds)
            coef, accuracy, C = train()
            if accuracy <= stop_at:
                self.reason_ = (
                    f"dev accuracy {accuracy:.4f} in round {number} is within {self.margin:g} of the majority's "
                    f"{data.majority:.4f}"
                )
                self.history_.append(InlpRound(number, accuracy, 0, basis.shape[1], C))
                break
            new = new_directions(coef, basis)
            basis = np.concatenate([basis, new], axis=1)
            self.history_.append(InlpRound(number, accuracy, new.shape[1], basis.shape[1], C))
            if not new.shape[1]:
                self.reason_ = f"the classifier of round {number} weighs no direction that is left"
                break
            self.coefs_.append(coef)
            self.bases_.append(new)
            if basis.shape[1] == len(basis):
                self.reason_ = f"nothing is left: all {len(basis)} directions were removed by round {number}"
                break
            take_out(data.X, new)
            take_out(data.X_dev, new)
        progress("INLP (rounds)", self.rounds, self.rounds)
        self.eraser_ = Eraser(
            left=basis,
            right=basis.T,
            center=mean if self.keep_mean else np.zeros_like(mean),
            method="inlp",
            concept=self.concept,
            about=self._about(data),
        )
        return self

    def _trainer(self, data: Labelled, stop_at: float) -> Any:
        """A call that trains on the rows as they are now: weights [k, dim], dev accuracy, inverse penalty or None."""
        if self.classifier is None:
            path = PenaltyPath(
                data.codes, len(data.classes), data.dev_codes, slack=self.slack, seed=self.seed
            )

            def fast() -> tuple[Float, float, float | None]:
                step = path.fit(data.X, data.X_dev, enough=stop_at, C=self.C)
                return step.coef, step.accuracy, step.C

            return fast

        labels = data.classes[data.codes]
        gold = np.where(data.dev_codes < 0, len(data.classes), data.dev_codes)

        def given() -> tuple[Float, float, float | None]:
            fitted = clone(self.classifier).fit(data.X, labels)
            coef = getattr(fitted, "coef_", None)
            if coef is None:
                raise ConfigError(
                    f"INLP projects out the weights of a linear classifier, and {type(fitted).__name__} has no coef_ "
                    "after fit; give LogisticRegression, LinearSVC, SGDClassifier or another linear one"
                )
            coef = np.atleast_2d(np.asarray(coef))
            if not np.isfinite(coef).all() or coef.shape[1] != data.X.shape[1]:
                raise ConfigError(
                    f"{type(fitted).__name__} gave weights of shape {coef.shape} that are of another width than "
                    f"{data.X.shape[1]}, or not finite; scale the features or choose another classifier"
                )
            predicted = np.searchsorted(data.classes, fitted.predict(data.X_dev))
            return coef, float(np.mean(predicted == gold)), None

        return given

    def _about(self, data: Labelled) -> dict[str, Any]:
        """What the eraser says of itself."""
        classifier = "fast" if self.classifier is None else repr(self.classifier)
        return {
            **data.about,
            "majority_dev": data.majority,
            "classifier": " ".join(classifier.split()),
            "margin": self.margin,
            "seed": self.seed,
            "ended": self.reason_,
            "history": [asdict(one) for one in self.history_],
        }

    def _check(self) -> None:
        if self.rounds < 1:
            raise ConfigError(f"INLP needs at least one round; got rounds={self.rounds}")
        for name in ("margin", "slack"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(
                    f"{name} is a share of accuracy, 0 <= {name} < 1; got {getattr(self, name)}"
                )
        if self.C is not None and not (np.isfinite(self.C) and self.C > 0):
            raise ConfigError(f"the inverse penalty C must be a number above 0; got {self.C}")


def new_directions(coef: Array, basis: Float) -> Float:
    """Orthonormal columns [dim, k] of what the rows of `coef` [rows, dim] weigh and `basis` [dim, rank] lacks.

    A direction counts where its singular value is above what a solver leaves of a direction that it does not use (the
    sum of all classes' weights, say), as a share of the largest one: 4e-11 in float64, 2e-5 in float32.
    """
    eps = np.finfo(coef.dtype if coef.dtype.kind == "f" else np.float64).eps
    rows = np.asarray(coef, dtype=np.float64)
    largest = float(np.linalg.norm(rows, 2)) if rows.any() else 0.0
    left = rows - (rows @ basis) @ basis.T
    left -= (left @ basis) @ basis.T  # twice is enough (Giraud, Langou & Rozloznik 2005)
    _, sizes, directions = np.linalg.svd(left, full_matrices=False)
    room = len(basis) - basis.shape[1]
    kept: Float = directions[:room][sizes[:room] > eps ** (2 / 3) * largest].T
    kept = kept - basis @ (basis.T @ kept)
    q: Float = np.linalg.qr(kept)[0]
    return q


def take_out(X: Array, directions: Float) -> None:
    """Project orthonormal directions [dim, k] out of the rows of X, in place."""
    q = directions.astype(X.dtype)
    for start in range(0, len(X), CHUNK):
        part = X[start : start + CHUNK]
        part -= (part @ q) @ q.T
