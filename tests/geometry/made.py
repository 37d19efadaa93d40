"""Extractions made of arrays, for analyses that read layers, rows and an index and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class MadeActivations:
    """Rows of layers {name: [n, dim]} of words {(sentence id, word)}, as `Activations` gives them."""

    def __init__(
        self, layers: dict[str, Array], sentence: Array, number: Array, ids: list[str], *, name: str = "made",
        words: list[list[str]] | None = None, unit: str = "word",
    ) -> None:  # fmt: skip
        self.stored = {key: np.asarray(X, np.float32) for key, X in layers.items()}
        self.layers = tuple(layers)
        first = next(iter(self.stored.values()))
        self.n_rows, self.dim = first.shape
        self.path = Path(name)
        self.model = {"name": name, "kind": "pretrained"}
        self.recipe = {"unit": unit, "site": "hidden", "corpus": {"text": name}}
        self.entry = SimpleNamespace(about={"corpus": "made"})
        sizes = np.bincount(sentence, minlength=len(ids))
        self.index = SimpleNamespace(
            ids=tuple(ids), sentence=np.asarray(sentence), number=np.asarray(number), words=sizes
        )
        texts = words or [[f"s{i}w{j}" for j in range(size)] for i, size in enumerate(sizes)]
        self.corpus = SimpleNamespace(sentences=[SimpleNamespace(words=tuple(text)) for text in texts])
        self.read: list[str] = []

    def gather(self, layer: int | str, rows: Array) -> Array:
        self.read.append(str(layer))
        return self.stored[str(layer)][rows]

    def __repr__(self) -> str:
        return f"<made {self.path}>"


def made(
    layers: dict[str, Array], sizes: list[int], *, name: str = "made", order: Array | None = None, **more: Any
) -> Any:
    """Sentences s0, s1, ... of these many words; the rows stand in this order in the store."""
    sentence = np.repeat(np.arange(len(sizes)), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    at = np.arange(len(sentence)) if order is None else order
    ids = [f"s{k}" for k in range(len(sizes))]
    stored = {key: X[at] for key, X in layers.items()}
    return MadeActivations(stored, sentence[at], number[at], ids, name=name, **more)
