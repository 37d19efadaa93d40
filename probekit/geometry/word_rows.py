"""One layer's words in context: unit vectors, and their sums for every sentence and for every word type in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError
from probekit.geometry.joined_rows import JoinedRows, join_rows
from probekit.geometry.stored import finite_rows, rows_that
from probekit.glossary import Layer
from probekit.maths.cosines import sums_by, unit_rows

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class WordRows:
    """The rows of an extraction ordered by sentence, with the type of each word.

    ``joined`` holds rows and sentences; ``kind`` int64 [n] is the word's type, whose name is ``types[kind]``; a cell is
    a type in a sentence: ``cell`` int64 [n], and of each cell its type and sentence.
    """

    acts: Activations
    joined: JoinedRows
    kind: Array
    types: tuple[str, ...]
    cell: Array
    cell_kind: Array
    cell_sentence: Array

    @classmethod
    def of(cls, acts: Activations, max_rows: int | None, seed: int, casefold: bool) -> WordRows:
        """The words of an extraction. Raises ConfigError where it has no words or came without its corpus."""
        if acts.recipe["unit"] != "word":
            raise ConfigError(
                f"word types need rows of words, and these are one per {acts.recipe['unit']}; extract with unit='word'"
            )
        if acts.corpus is None:
            raise ConfigError("these activations came without their corpus; give it to Activations.open")
        joined = join_rows(acts).sample(max_rows, seed)
        index, sentences = acts.index, acts.corpus.sentences
        places = zip(index.sentence[joined.a].tolist(), index.number[joined.a].tolist(), strict=True)
        words = [sentences[s].words[w] for s, w in places]
        types, kind = np.unique([w.casefold() for w in words] if casefold else words, return_inverse=True)
        keys = kind.reshape(-1).astype(np.int64) * joined.sentences + joined.sentence
        found, cell = np.unique(keys, return_inverse=True)
        return cls(
            acts, joined, kind.reshape(-1), tuple(map(str, types)), cell.reshape(-1), found // joined.sentences,
            found % joined.sentences,
        )  # fmt: skip

    def layer(self, layer: Layer) -> LayerRows:
        """Rows of a layer. Raises DataError where a row has no direction or is not finite."""
        X = finite_rows(self.acts, layer, self.joined.a)
        units, some = unit_rows(X)
        if not some.all():
            gone = rows_that(int((~some).sum()), "is 0 and has", "are 0 and have")
            raise DataError(
                f"layer {layer} of {self.acts.model['name']}: {gone} no direction, "
                "so no cosine; leave such words out"
            )
        sentences = self.joined.sentences
        means = sums_by(X, self.joined.sentence, sentences)
        means, _ = unit_rows(means)
        to_mean = np.einsum("ij,ij->i", units, means[self.joined.sentence])
        return LayerRows(
            X, units, sums_by(units, self.joined.sentence, sentences),
            np.bincount(self.joined.sentence, minlength=sentences), sums_by(units, self.cell, len(self.cell_kind)),
            np.bincount(self.cell, minlength=len(self.cell_kind)),
            np.bincount(self.joined.sentence, weights=to_mean, minlength=sentences),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class LayerRows:
    """``X`` and unit vectors ``units`` [n, dim]; their sums and numbers by sentence and by cell (type in a sentence).

    ``to_mean`` float64 [sentences]: sum of the cosines of a sentence's words with its mean vector.
    """

    X: Array
    units: Array
    sentence_sums: Array
    sentence_sizes: Array
    cell_sums: Array
    cell_sizes: Array
    to_mean: Array
