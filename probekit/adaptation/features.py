"""Examples as the store gives them: vectors per unit and layer, read by the model once and by nobody again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.activations.extract import extract
from probekit.activations.store import Store
from probekit.adaptation.examples import Examples
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.glossary import Progress, silent
from probekit.models.model import Model


@dataclass(frozen=True, eq=False)
class Features:
    """The stored states of some examples. ``rows[u]`` is the row in `acts` of unit u, -1 where it has none."""

    acts: Activations
    rows: NDArray[np.int64]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers there are."""
        return self.acts.layers

    def vectors(self, layer: str) -> NDArray[np.float32]:
        """One vector per unit, float32[units, dim]; 0 for a unit without a row."""
        found = np.zeros((len(self.rows), self.acts.dim), np.float32)
        there = np.flatnonzero(self.rows >= 0)
        found[there] = self.acts.gather(layer, self.rows[there])
        return found

    @cached_property
    def left_out(self) -> NDArray[np.bool_]:
        """Which units have no row, bool[units]."""
        return self.rows < 0


def read_features(
    model: Model,
    examples: Examples,
    *,
    pool: str = "mean",
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> Features:
    """The states of examples at all layers, from the store where they are. Equal texts are read once."""
    words = examples.unit == "word"
    place: dict[Any, int] = {}
    for text in examples.texts:
        place.setdefault(text, len(place))
    sentences = [
        Sentence.from_words(f"e{number}", text) if words else Sentence.from_text(f"e{number}", text)
        for text, number in place.items()
    ]
    corpus = Corpus(sentences, "examples", text_form="words" if words else "surface")
    acts = extract(
        model, corpus, unit="word" if words else "sentence", pool=pool, store=store, progress=progress
    )
    index = acts.index
    first = np.concatenate([[0], np.cumsum([len(s.words) if words else 1 for s in sentences])]).astype(
        np.int64
    )
    row_of = np.full(int(first[-1]), -1, np.int64)
    within = index.number.clip(min=0) if words else 0
    row_of[first[index.sentence] + within] = np.arange(acts.n_rows)
    chosen = [row_of[first[place[text]] : first[place[text] + 1]] for text in examples.texts]
    return Features(acts, np.concatenate(chosen))
