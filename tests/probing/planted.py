"""A planted probing problem: layer 0 is noise, layer 1 tells the word form, layer 2 tells the label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from probekit.probing.problem import ProbeProblem

FORMS, LABELS = 40, 4


class PlantedActivations:
    """Rows of layers held in memory, with the one method that a probe needs."""

    def __init__(self, layers: Mapping[str, np.ndarray]) -> None:
        self.by_name = dict(layers)
        self.layers = tuple(layers)

    def gather(self, layer: str, rows: np.ndarray) -> np.ndarray:
        return self.by_name[layer][rows].astype(np.float32)


def planted(
    *,
    sentences: int = 240,
    words: int = 6,
    dim: int = 24,
    seed: int = 0,
    n_control: int = 3,
    numeric: bool = False,
) -> tuple[ProbeProblem, PlantedActivations, PlantedActivations]:
    """Problem, activations and a twin whose layers tell the word form only."""
    rng = np.random.default_rng(seed)
    n = sentences * words
    cluster = np.repeat(np.arange(sentences, dtype=np.int32), words)
    split = np.select([cluster < sentences * 0.6, cluster < sentences * 0.8], [0, 1], 2).astype(np.int8)
    form = rng.integers(0, FORMS, n)
    # a form has one usual label, and one word in five another: form alone cannot solve the task
    usual = rng.integers(0, LABELS, FORMS)
    label = np.where(rng.random(n) < 0.2, rng.integers(0, LABELS, n), usual[form])
    form_vectors, label_vectors = rng.normal(size=(FORMS, dim)), 3.0 * rng.normal(size=(LABELS, dim))
    noise = rng.normal(size=(3, n, dim))
    layers = {
        "0": noise[0],
        "1": form_vectors[form] * 2 + 0.3 * noise[1],
        "2": label_vectors[label] + 0.5 * noise[2],
    }
    rows = rng.permutation(n).astype(np.int64)  # the store's order is another one
    stored = {name: np.empty_like(value) for name, value in layers.items()}
    for name, value in layers.items():
        stored[name][rows] = value
    twin = {name: np.empty_like(layers["1"]) for name in layers}
    for value in twin.values():
        value[rows] = form_vectors[form] * 2 + 0.3 * rng.normal(size=(n, dim))
    gold = label.astype(np.float64) if numeric else label.astype(np.int32)
    controls = rng.integers(0, LABELS, (n_control, FORMS))[:, form].astype(gold.dtype)
    shuffled = gold.copy()
    for code in (0, 1):
        where = np.flatnonzero(split == code)
        shuffled[where] = rng.permutation(gold[where])
    problem = ProbeProblem(
        task="planted",
        unit="word",
        kind="number" if numeric else "classes",
        metric="r2" if numeric else "accuracy",
        labels=() if numeric else ("A", "B", "C", "D"),
        n_train_labels=0 if numeric else LABELS,
        ids=tuple(f"s{c}:{i % words + 1}" for i, c in enumerate(cluster)),
        rows=rows,
        gold=gold,
        split=split,
        cluster=cluster,
        overlap=(split == 2) & (cluster % 7 == 0),
        word_type=controls,
        shuffled=shuffled[None],
        majority=np.full(n, np.bincount(label[split == 0]).argmax(), gold.dtype),
        word_identity=usual[form].astype(gold.dtype),
        control_seeds=tuple(range(n_control)),
        left_out={"truncated": 2},
    )
    return problem, PlantedActivations(stored), PlantedActivations(twin)
