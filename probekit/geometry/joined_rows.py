"""The rows that two extractions share, joined by sentence id and word, and samples of whole sentences of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError

Array = NDArray[Any]
SHOWN = 3


@dataclass(frozen=True, eq=False)
class JoinedRows:
    """Row ``a[i]`` of one extraction and row ``b[i]`` of another are the same word, int64 [n].

    ``sentence`` int64 [n], ascending from 0, numbers its sentence; sentences of equal text are one, since they say the
    same twice (their number in the store: ``own``). ``left_out``: rows of either that the other lacks. ``of``: how many
    rows were shared before a sample was drawn.
    """

    a: Array
    b: Array
    sentence: Array
    own: Array
    unit: str
    left_out: int = 0
    of: int = 0

    def __len__(self) -> int:
        return len(self.a)

    @property
    def sentences(self) -> int:
        """How many sentences the rows are of."""
        return int(self.sentence[-1]) + 1 if len(self.sentence) else 0

    @property
    def copies(self) -> int:
        """How many sentences beyond those have a text that one of them has."""
        return len(np.unique(self.own)) - self.sentences

    def sample(self, most: int | None, seed: int) -> JoinedRows:
        """Whole sentences, drawn at random, of at most ``most`` rows together (but at least one sentence)."""
        if most is None or len(self) <= most:
            return self
        sizes = np.bincount(self.sentence)
        order = np.random.default_rng([seed, 6]).permutation(len(sizes))
        fits = np.cumsum(sizes[order]) <= most
        chosen = np.zeros(len(sizes), bool)
        chosen[order[: max(1, int(fits.sum()))]] = True
        kept = chosen[self.sentence]
        _, sentence = np.unique(self.sentence[kept], return_inverse=True)
        return replace(
            self, a=self.a[kept], b=self.b[kept], sentence=sentence.reshape(-1), own=self.own[kept]
        )

    def shuffled(self, seed: int, number: int) -> Array:
        """Permutation ``number``: positions int64 [n] of the rows when their sentences stand in a random order.

        Sentences stay whole, so that row i meets a row of another sentence with its neighbours around it.
        """
        rng = np.random.default_rng([seed, 7, number])
        rank = rng.permutation(self.sentences)
        return np.argsort(rank[self.sentence], kind="stable")


def join_rows(a: Activations, b: Activations | None = None) -> JoinedRows:
    """The rows that both have, ordered by sentence; all rows where there is one extraction only.

    Raises ConfigError where the rows are of different units, or pieces of two extractions; DataError where a sentence
    id stands for different words, or nothing is shared.
    """
    index, unit = a.index, str(a.recipe["unit"])
    text = _texts(a)
    order = _by_sentence(index.sentence, text)
    rows_a = order
    if b is None or b.path == a.path:
        return _joined(a, rows_a, rows_a, text, 0)
    if b.recipe["unit"] != unit:
        raise ConfigError(
            f"rows of {a!r} are one per {unit}, of {b!r} one per {b.recipe['unit']}: extract alike"
        )
    if unit == "piece":
        raise ConfigError("pieces of two models cannot be joined; extract both with unit='word'")
    known = {name: number for number, name in enumerate(b.index.ids)}
    there = np.array([known.get(name, -1) for name in index.ids], np.int64)
    _check_words(a, b, there)
    width = int(max(index.number.max(initial=0), b.index.number.max(initial=0))) + 2
    keys_b = b.index.sentence.astype(np.int64) * width + b.index.number + 1
    sentence_b = there[index.sentence[rows_a]]
    keys = sentence_b * width + index.number[rows_a] + 1
    by_key = np.argsort(keys_b, kind="stable")
    place = np.minimum(np.searchsorted(keys_b, keys, sorter=by_key), len(by_key) - 1)
    shared = (sentence_b >= 0) & (keys_b[by_key[place]] == keys)
    if not shared.any():
        raise DataError(
            f"{a!r} and {b!r} have no {unit} in common: their sentence ids differ (e.g. {index.ids[0]!r} and "
            f"{b.index.ids[0]!r}); extract the same corpus with both models"
        )
    rows_a, rows_b = rows_a[shared], by_key[place[shared]]
    left_out = a.n_rows + b.n_rows - 2 * len(rows_a)
    return _joined(a, rows_a, rows_b, text, left_out)


def _joined(a: Activations, rows_a: Array, rows_b: Array, text: Array, left_out: int) -> JoinedRows:
    own = a.index.sentence[rows_a].astype(np.int64)
    return JoinedRows(rows_a, rows_b, _dense(text[own]), own, str(a.recipe["unit"]), left_out, len(rows_a))


def _texts(acts: Activations) -> Array:
    """A number for the text of each sentence, int64 [sentences]; its own number where the corpus is not known."""
    if acts.corpus is None:
        return np.arange(len(acts.index.ids))
    known: dict[tuple[str, ...], int] = {}
    return np.array(
        [known.setdefault(tuple(one.words), len(known)) for one in acts.corpus.sentences], np.int64
    )


def _check_words(a: Activations, b: Activations, there: Array) -> None:
    """Raises DataError where a sentence id stands for other words on the other side."""
    if a.recipe["corpus"]["text"] == b.recipe["corpus"]["text"]:
        return
    mine = np.flatnonzero(there >= 0)
    other = a.index.words[mine] != b.index.words[there[mine]]
    if a.corpus is not None and b.corpus is not None:
        texts_a, texts_b = a.corpus.sentences, b.corpus.sentences
        places = zip(mine.tolist(), there[mine].tolist(), strict=True)
        other |= np.array([tuple(texts_a[i].words) != tuple(texts_b[j].words) for i, j in places], np.bool_)
    if other.any():
        names = ", ".join(repr(a.index.ids[i]) for i in mine[other][:SHOWN])
        raise DataError(
            f"{int(other.sum())} sentence ids stand for different words on both sides ({names}); extract one corpus "
            "with both models"
        )


def _by_sentence(sentence: Array, text: Array) -> Array:
    """The rows ordered by text, then by sentence, texts and sentences as they first stand in the store."""
    return np.lexsort((_rank(sentence), _rank(text[sentence])))


def _rank(codes: Array) -> Array:
    """How many other codes stand first somewhere before the first of each, int64 [n]."""
    found, first, code = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(found))
    return np.asarray(rank[code.reshape(-1)])


def _dense(sentence: Array) -> Array:
    """Numbers of sentences that stand together, as 0, 1, ... in order of appearance."""
    return np.cumsum(np.concatenate([[0], (np.diff(sentence) != 0).astype(np.int64)]))[: len(sentence)]
