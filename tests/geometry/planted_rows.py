"""Activations of a tiny model whose rows are replaced by vectors set by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import probekit as pk
from probekit.activations.activations import Activations
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from tests.tiny_models import tiny_model

Vector = Callable[[str, int, int], Any]
"""(layer, sentence, word, from 0) -> the vector."""


class Planted(Activations):
    """Rows that a function gives; index, corpus and recipe are those of a real extraction."""

    def plant(self, vector: Vector) -> Planted:
        places = list(zip(self.index.sentence.tolist(), self.index.number.tolist(), strict=True))
        self.planted = {
            layer: np.array([vector(layer, s, w) for s, w in places], dtype=np.float32)
            for layer in self.layers
        }
        return self

    @property
    def dim(self) -> int:
        return next(iter(self.planted.values())).shape[1]

    def gather(self, layer: Any, rows: Any) -> Any:
        return self.planted[str(layer)][np.asarray(rows, dtype=np.int64)]

    def iter_rows(self, layer: Any) -> Iterator[Any]:
        rows = self.planted[str(layer)]
        for start in range(0, len(rows), 7):  # blocks so small that their borders matter
            yield rows[start : start + 7]


def planted(corpus: Corpus, vector: Vector, kind: str = "roberta") -> Planted:
    acts = pk.extract(tiny_model(kind), corpus)
    return Planted(acts.entry, corpus).plant(vector)


def labelled(texts: list[str], senses: list[list[str]], *, name: str = "made") -> Corpus:
    """Sentences of words between spaces with a column ``sense`` ("_" = none) and one of parts of speech."""
    return Corpus(
        [
            Sentence.from_words(
                f"s{n}", text.split(), columns={"sense": own, "upos": ["_" if s == "_" else "NOUN" for s in own]},
                split="train",
            )
            for n, (text, own) in enumerate(zip(texts, senses, strict=True))
        ],
        name=name,
    )  # fmt: skip
