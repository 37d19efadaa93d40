"""The linear sweep (layers x (a task + 5 control seeds)) against scikit-learn called once per cell.

Words of EWT as MiniLM represents them, part of speech and word-type control labels at C = 1, where the public
data sets stand beside the checkout; else generated vectors of the same width. Peers: scikit-learn's
LogisticRegression run until its gradient is small, once (that is what "the same accuracy" means), and with its
defaults, which stop unconverged after 100 iterations. A ratio counts as equal where no cell's test accuracy differs
from the converged one's by more than 0.1 point. By default one layer and 50,000 words, which takes some minutes;
PROBEKIT_BENCH_FULL=1 runs every layer and the whole training set, which takes hours of scikit-learn.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.common import SHARED, Ratio, compare, round_robin
from probekit.estimators.logistic import Problem, solve_logistic
from probekit.estimators.logits import linear_logits

if TYPE_CHECKING:
    from probekit.activations.activations import UnitData

FULL = bool(os.environ.get("PROBEKIT_BENCH_FULL"))
WORDS, LAYERS = (200_000, range(7)) if FULL else (50_000, (3,))
SEEDS = range(5)
POINTS = 0.1
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """One layer: vectors of train and test, and (train, test) codes of the task and of each control."""

    X: Array
    X_test: Array
    labels: list[tuple[Array, Array]]
    classes: int


def layers() -> tuple[str, list[Cells]]:
    """What is swept, and a word on where it comes from."""
    treebank = SHARED / "data" / "ud_ewt"
    return ("EWT, MiniLM", _real(treebank)) if treebank.exists() else ("generated vectors", _generated())


def _real(treebank: Any) -> list[Cells]:
    from probekit.activations.extract import extract
    from probekit.activations.store import Store
    from probekit.data.corpus import Corpus
    from probekit.data.read_conllu import read_conllu
    from probekit.data.task import load_task
    from probekit.models.load import load_model

    whole = read_conllu([treebank / f"en_ewt-ud-{split}.conllu" for split in ("train", "test")])
    train_set, test_set = whole.split("train"), whole.split("test")
    ends = np.cumsum([len(sentence.words) for sentence in train_set])
    enough = int(np.searchsorted(ends, WORDS)) + 100  # a little more: some words may be left out
    corpus = Corpus((*train_set.sentences[:enough], *test_set.sentences), name="EWT")
    with tempfile.TemporaryDirectory() as folder:
        return _cells(
            extract(load_model("demo:minilm"), corpus, store=Store(folder)).units(load_task("upos"))
        )


def _cells(data: UnitData) -> list[Cells]:
    from probekit.data.controls import word_type_labels

    train = np.flatnonzero(data.split == "train")[:WORDS]
    test = np.flatnonzero(data.split == "test")
    targets = [data.y, *(word_type_labels(data.units, seed=seed) for seed in SEEDS)]
    names, codes = np.unique(np.concatenate(targets).astype(str), return_inverse=True)
    coded = codes.reshape(len(targets), -1)
    cells = []
    for layer in LAYERS:
        X = data.X(layer)
        cells.append(Cells(X[train], X[test], [(y[train], y[test]) for y in coded], len(names)))
    return cells


def _generated(dim: int = 384, classes: int = 17, types: int = 5_000) -> list[Cells]:
    """Word types with a vector each, blurred by context; a class per type, and control classes of equal shares."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, types + 1)
    words = rng.choice(types, WORDS + WORDS // 4, p=share / share.sum())
    scale = np.arange(1, dim + 1) ** -0.5
    centers = rng.normal(size=(types, dim))
    of_type = [(centers @ rng.normal(size=(dim, classes))).argmax(axis=1)]
    of_type += [rng.permutation(of_type[0]) for _ in SEEDS]
    cells = []
    for layer in range(len(LAYERS)):
        X = (centers[words] + (0.5 + 0.2 * layer) * rng.normal(size=(len(words), dim))) * scale
        X = X.astype(np.float32)
        labels = [(y[words[:WORDS]], y[words[WORDS:]]) for y in of_type]
        cells.append(Cells(X[:WORDS], X[WORDS:], labels, classes))
    return cells


def ours(cells: list[Cells]) -> list[float]:
    """Test accuracy of every cell in points, a layer's cells solved together."""
    found = []
    for layer in cells:
        problems = [Problem(y=train, n_classes=layer.classes) for train, _ in layer.labels]
        for solution, (_, test) in zip(solve_logistic(layer.X, problems), layer.labels, strict=True):
            predicted = linear_logits(layer.X_test, solution.coef, solution.intercept).argmax(axis=1)
            found.append(100.0 * float(np.mean(predicted == test)))
    return found


def scikit_learn(cells: list[Cells], **options: Any) -> tuple[list[float], list[LogisticRegression]]:
    """The same, one fit per cell; also the fitted models."""
    found, models = [], []
    for layer in cells:
        for train, test in layer.labels:
            model = LogisticRegression(**options)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(layer.X, train)
            found.append(100.0 * float(np.mean(model.predict(layer.X_test) == test)))
            models.append(model)
    return found, models


def steepest(models: list[LogisticRegression], cells: list[Cells]) -> float:
    """The largest entry of any cell's gradient of the mean objective at the end, in float64."""
    places = [(layer.X, train) for layer in cells for train, _ in layer.labels]
    return max(gradient_norm(model, *place) for model, place in zip(models, places, strict=True))


def gradient_norm(model: LogisticRegression, X: Array, y: Array) -> float:
    """The largest entry of the gradient of the mean objective at a fitted model's coefficients."""
    residual = model.predict_proba(X.astype(np.float64))
    residual[np.arange(len(y)), np.searchsorted(model.classes_, y)] -= 1.0
    gradient = residual.T @ X.astype(np.float64) + model.coef_
    return float(max(np.abs(gradient).max(), np.abs(residual.sum(axis=0)).max()) / len(y))


def run(rounds: int) -> Iterator[Ratio]:
    """One ratio against converged scikit-learn, one against its defaults."""
    torch.set_num_threads(1)
    source, cells = layers()
    results: dict[str, Any] = {}
    begun = time.process_time()
    results["converged"] = scikit_learn(cells, tol=1e-6, max_iter=5_000)
    seconds = {"converged": [time.process_time() - begun]}
    work = {"ours": lambda: ours(cells), "LogisticRegression()": lambda: scikit_learn(cells)}
    seconds |= round_robin(work, 1 if FULL else min(rounds, 2), results.__setitem__)
    seconds["converged"] *= len(seconds["ours"])
    converged, _ = results["converged"]
    for peer, name in (("converged", "LogisticRegression, converged"), ("LogisticRegression()",) * 2):
        accuracy, models = results[peer]
        apart = float(np.abs(np.subtract(results["ours"], converged)).max())
        theirs = float(np.abs(np.subtract(accuracy, converged)).max())
        note = (
            f"{source}, {len(cells)} layers x {len(cells[0].labels)} label sets, {len(cells[0].X)} words; "
            f"largest difference of a cell's test accuracy from the converged one's in points: ours {apart:.3f}, "
            f"the peer's {theirs:.3f}; the peer's largest gradient entry {steepest(models, cells):.1e}"
        )
        yield compare(
            "sweep", seconds["ours"], seconds[peer], peer=f"scikit-learn {name}", aim=12.0, equal=apart <= POINTS,
            difference=apart, note=note,
        )  # fmt: skip
