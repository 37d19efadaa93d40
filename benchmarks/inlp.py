"""INLP against the loop over scikit-learn's classifiers, at equal residual accuracy.

Words of EWT as MiniLM represents them at layer 3, NOUN or not (2 classes) and part of speech (17), where the public
data sets stand beside the checkout; else generated vectors of the same width. The peer projects the rows out of the
weights of 4 (2 classes) or 2 (17 classes) rounds of LogisticRegression or SGDClassifier with their defaults. What is
left is what a fresh, well converged linear probe finds on test. Ours runs as many rounds as it takes to leave no more
than that: a round takes away very different amounts with different classifiers, so rounds are not compared. A ratio
counts as equal where our residual is at most 0.1 point above the peer's. The last peer is one that knows in advance the
penalty that ours found on dev. By default 50,000 words; PROBEKIT_BENCH_FULL=1 takes 100,000.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.linalg import orth
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier

from benchmarks.common import SHARED, Ratio, compare, round_robin
from probekit.erasure.inlp import Inlp
from probekit.estimators.linear import LinearProbe

WORDS = 100_000 if os.environ.get("PROBEKIT_BENCH_FULL") else 50_000
ROUNDS = {2: 4, 17: 2}  # of the peer
MOST = 6  # of ours, to reach the peer's residual
POINTS = 0.1
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """Vectors and codes of train, dev and test."""

    name: str
    X: Array
    y: Array
    X_dev: Array
    y_dev: Array
    X_test: Array
    y_test: Array


def problems() -> tuple[str, list[Rows]]:
    """Both label sets, and where they come from."""
    treebank = SHARED / "data" / "ud_ewt"
    source, X, y, split = _real(treebank) if treebank.exists() else _generated()
    noun = (y == "NOUN").astype(int)
    codes = np.unique(y, return_inverse=True)[1]
    train = np.flatnonzero(split == "train")[:WORDS]
    dev, test = (np.flatnonzero(split == name) for name in ("dev", "test"))
    return source, [
        Rows(name, X[train], z[train], X[dev], z[dev], X[test], z[test])
        for name, z in (("2 classes", noun), ("17 classes", codes))
    ]


def _real(treebank: Any) -> tuple[str, Array, Array, Array]:
    from probekit.activations.extract import extract
    from probekit.activations.store import Store
    from probekit.data.corpus import Corpus
    from probekit.data.read_conllu import read_conllu
    from probekit.data.task import load_task
    from probekit.models.load import load_model

    whole = read_conllu([treebank / f"en_ewt-ud-{split}.conllu" for split in ("train", "dev", "test")])
    train, dev, test = (whole.split(name) for name in ("train", "dev", "test"))
    ends = np.cumsum([len(sentence.words) for sentence in train])
    enough = int(np.searchsorted(ends, WORDS)) + 100
    corpus = Corpus((*train.sentences[:enough], *dev.sentences, *test.sentences), name="EWT")
    with tempfile.TemporaryDirectory() as folder:
        data = extract(load_model("demo:minilm"), corpus, layers=[3], store=Store(folder)).units(
            load_task("upos")
        )
        return "EWT, MiniLM layer 3", data.X(3), data.y.astype(str), data.split


def _generated(dim: int = 384, classes: int = 17) -> tuple[str, Array, Array, Array]:
    """Classes of unequal frequency, their means apart mostly where the vectors vary most."""
    rng = np.random.default_rng(0)
    n = WORDS + 20_000
    names = np.array(["NOUN", *(f"C{k:02}" for k in range(1, classes))])
    share = 1.0 / np.arange(1, classes + 1)
    y = rng.choice(classes, n, p=share / share.sum())
    scale = np.arange(1, dim + 1) ** -0.5
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    X = ((rng.normal(size=(classes, dim))[y] * 0.5 + rng.normal(size=(n, dim))) * scale) @ rotation
    split = np.repeat(["train", "dev", "test"], [WORDS, 10_000, 10_000])
    return "generated vectors", X.astype(np.float32), names[y], split


def scikit_learn(rows: Rows, classifier: BaseEstimator, rounds: int) -> Array:
    """The usual loop: project, fit, score on dev, and the nullspace of all weights so far; gives the basis removed."""
    basis = np.zeros((rows.X.shape[1], 0), np.float32)
    for _ in range(rounds):
        P = np.eye(rows.X.shape[1], dtype=np.float32) - basis @ basis.T
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = clone(classifier).fit(rows.X @ P, rows.y)
        fitted.score(rows.X_dev @ P, rows.y_dev)
        basis = orth(np.hstack([basis, P @ fitted.coef_.T.astype(np.float32)]))
    return basis


def ours(rows: Rows, rounds: int) -> Inlp:
    """Ours, with as many rounds."""
    return Inlp(rounds=rounds).fit(rows.X, rows.y, X_dev=rows.X_dev, y_dev=rows.y_dev)


def residual(rows: Rows, basis: Array) -> float:
    """Points of test accuracy that a fresh linear probe reaches without some orthonormal directions [dim, k]."""
    q = basis.astype(np.float32)
    probe = LinearProbe(tol=1e-4).fit(rows.X - (rows.X @ q) @ q.T, rows.y)
    return 100.0 * float(np.mean(probe.predict(rows.X_test - (rows.X_test @ q) @ q.T) == rows.y_test))


def run(rounds: int) -> Iterator[Ratio]:
    """For both label sets: against LogisticRegression, SGDClassifier, and LogisticRegression at our penalty."""
    torch.set_num_threads(1)
    source, both = problems()
    for rows in both:
        yield from _against(source, rows, min(rounds, 2))


def _against(source: str, rows: Rows, turns: int) -> Iterator[Ratio]:
    number = ROUNDS[int(rows.name.split()[0])]
    C = float(ours(rows, 1).history_[0].C or 1.0)
    peers = {
        "LogisticRegression()": (LogisticRegression(), number),
        "SGDClassifier()": (SGDClassifier(random_state=0), number),
        f"LogisticRegression(C={C:.2g}), told our penalty": (LogisticRegression(C=C), 1),
    }
    kept: dict[str, Any] = {}
    left: dict[int, float] = {}
    work: dict[str, Any] = {}
    for name, given in peers.items():
        work[name] = partial(scikit_learn, rows, *given)
        work[f"ours {name}"] = _Ours(rows, partial(kept.__getitem__, name), left)
    seconds = round_robin(work, turns, kept.__setitem__)
    before = residual(rows, np.zeros((rows.X.shape[1], 0)))
    for name, (_, theirs) in peers.items():
        mine, remains = kept[f"ours {name}"], residual(rows, kept[name])
        after = residual(rows, mine)
        yield compare(
            "inlp",
            seconds[f"ours {name}"],
            seconds[name],
            peer=f"scikit-learn {name}, {rows.name}",
            aim=1.0 if "told" in name else 4.0,
            equal=after <= remains + POINTS,
            difference=after - remains,
            note=(
                f"{source}, {len(rows.X)} words; test accuracy of a fresh linear probe in points: before {before:.2f}, "
                f"after ours {after:.2f} ({work[f'ours {name}'].rounds} rounds, rank {mine.shape[1]}), "
                f"after the peer's {remains:.2f} ({theirs} rounds, rank {kept[name].shape[1]})"
            ),
        )


class _Ours:
    """Ours with the rounds it takes to leave no more than the peer; the first, unmeasured call finds out how many."""

    def __init__(self, rows: Rows, peer: Callable[[], Array], left: dict[int, float]) -> None:
        self.rows, self.peer, self.left = rows, peer, left
        self.rounds = 0

    def __call__(self) -> Array:
        if not self.rounds:
            remains = residual(self.rows, self.peer())
            while self.rounds < MOST:
                self.rounds += 1
                if self.rounds not in self.left:
                    basis = ours(self.rows, self.rounds).eraser_.basis
                    self.left[self.rounds] = residual(self.rows, basis)
                if self.left[self.rounds] <= remains + POINTS:
                    break
        return ours(self.rows, self.rounds).eraser_.basis
