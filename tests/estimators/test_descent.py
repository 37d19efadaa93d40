"""Newton steps go down, whatever the rows: an overshoot is never taken for progress."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.estimators.descent import ROUNDING, Descent
from probekit.estimators.objective import Labels, evaluate
from probekit.estimators.rows import Rows


def descended(X: np.ndarray, y: np.ndarray, C: float, passes: int) -> tuple[Descent, list[float]]:
    """A descent at its end, and the objective at every point it stood at."""
    mass = np.bincount(y)
    labels = Labels(torch.from_numpy(y), None, len(mass), C, torch.from_numpy(1.0 / mass).to(torch.float32))
    start = np.zeros((len(mass), X.shape[1] + 1))
    start[:, -1] = np.log(mass / len(y))
    rows = Rows(X)
    descent = Descent(rows, labels, start, tol=5e-4, max_iter=passes)
    values = []
    while not descent.done:
        [found] = evaluate(rows, [descent.labels], [descent.point])
        descent.tell(found)
        values.append(descent.value)
    return descent, values


def repeated_words(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows like those of an embedding: few distinct words, frequent and rare, each of one class."""
    words = rng.normal(size=(150, 120)).astype(np.float32) * 0.5
    label = rng.integers(0, 12, 150)
    drawn = rng.choice(150, size=1500, p=(weights := 1.0 / np.arange(1, 151)) / weights.sum())
    X = words[drawn] + 0.02 * rng.normal(size=(1500, 120)).astype(np.float32)
    return X, np.unique(label[drawn], return_inverse=True)[1]


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0, 100.0])
def test_the_objective_never_rises(C: float) -> None:
    X, y = repeated_words(np.random.default_rng(1))
    descent, values = descended(X, y, C, 100)
    assert all(later <= before * (1 + 2 * ROUNDING) for before, later in pairwise(values))
    assert descent.converged, descent.excess


def test_embeddings_of_a_real_model_need_no_finish() -> None:
    corpus = pk.generate_corpus(train=300, dev=80, test=100)
    data = pk.extract(pk.load_model("demo:minilm"), corpus, layers=[0]).units(pk.load_task("upos"))
    train = data.select("train")
    descent, values = descended(train.X(0), np.unique(train.y, return_inverse=True)[1], 1.0, 100)
    assert descent.converged
    assert all(later <= before * (1 + 2 * ROUNDING) for before, later in pairwise(values))
