"""Texts are read by the model once: what the store has is taken from there, and then no model is even loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.extract import run_extraction
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.activations.store import Store
from probekit.adaptation.examples import Examples
from probekit.adaptation.features import Features, Source, WordRows
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ModelError
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.ref import ModelRef


class Reader:
    """A frozen model that is loaded when first needed, and the store that remembers what it read.

    With `fingerprint`, ModelError for a model of other weights.
    """

    def __init__(
        self, model: str | ModelRef | Model, store: Store | str | Path | None = None, *, fingerprint: str = ""
    ) -> None:
        self.ref = None if isinstance(model, Model) else ModelRef.of(model)
        self._model = model if isinstance(model, Model) else None
        self.store = store if isinstance(store, Store) else Store(store)
        self.fingerprint = fingerprint

    @property
    def model(self) -> Model:
        """The model; loaded at the first call."""
        if self._model is None:
            assert self.ref is not None
            model = self.ref.load()
            if self.fingerprint not in ("", model.fingerprint):
                raise ModelError(
                    f"{model.name}: its weights are not those that the head was fitted on; give back the model of then"
                )
            self._model = model
        return self._model

    def read(
        self, examples: Examples, *, pool: str = "mean", words: bool = False, progress: Progress = silent
    ) -> Features:
        """The states of examples at all layers. Equal texts are read once.

        `pool` makes one vector of a text (``mean``, ``cls``, ``last``, ``max``, or several joined by ``+``) or of a
        word (``mean``, ``first``, ``last``, ``max``). With `words`, texts are read word by word instead.
        """
        pools = pool.split("+")
        if examples.unit == "word":
            n = int(examples.sizes.sum())
            if words:
                return Features((), (_present(self._words(examples.texts, pools[0], progress)),), n)
            return Features(
                (tuple(self._words(examples.texts, one, progress).source for one in pools),), (), n
            )
        texts = list(zip(*examples.texts, strict=True)) if examples.unit == "pair" else [examples.texts]
        if words:
            found = tuple(_present(self._words(side, "mean", progress)) for side in texts)
            return Features((), found, len(examples))
        sides = tuple(tuple(self._texts(side, one, progress) for one in pools) for side in texts)
        return Features(sides, (), len(examples))

    def _texts(self, texts: Any, pool: str, progress: Progress) -> Source:
        """One vector per text."""
        place = _numbered(texts)
        acts = self._extract(list(place), "sentence", pool, progress)
        row_of = np.full(len(place), -1, np.int64)
        row_of[acts.index.sentence] = np.arange(acts.n_rows)
        return Source(((acts, row_of[[place[text] for text in texts]]),))

    def _words(self, texts: Any, pool: str, progress: Progress) -> WordRows:
        """One vector per word of texts (str, or tuples of words); -1 for a word without a row."""
        place = _numbered(texts)
        acts = self._extract(list(place), "word", pool, progress)
        index = acts.index
        first = np.concatenate([[0], np.cumsum(index.words)]).astype(np.int64)
        row_of = np.full(int(first[-1]), -1, np.int64)
        row_of[first[index.sentence] + index.number] = np.arange(acts.n_rows)
        chosen = [row_of[first[place[text]] : first[place[text] + 1]] for text in texts]
        start = np.concatenate([[0], np.cumsum([len(own) for own in chosen])]).astype(np.int64)
        unit = None if isinstance(texts[0], str) else np.arange(start[-1])
        return WordRows(Source(((acts, np.concatenate(chosen)),)), start, unit)

    def _extract(self, texts: list[Any], unit: str, pool: str, progress: Progress) -> Any:
        words = not isinstance(texts[0], str)
        sentences = [
            Sentence.from_words(f"e{number}", text) if words else Sentence.from_text(f"e{number}", text)
            for number, text in enumerate(texts)
        ]
        corpus = Corpus(sentences, "examples", text_form="words" if words else "surface")
        plan = plan_extraction(self.model, corpus, Options(unit=unit, pool=pool))
        return run_extraction(plan, self.model, corpus, store=self.store, progress=progress)


def read_features(
    model: str | ModelRef | Model,
    examples: Examples,
    *,
    pool: str = "mean",
    words: bool = False,
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> Features:
    """The states of examples at all layers, from the store where they are; see `Reader.read`."""
    return Reader(model, store).read(examples, pool=pool, words=words, progress=progress)


def _numbered(texts: Any) -> dict[Any, int]:
    """Different texts, numbered as they first occur."""
    place: dict[Any, int] = {}
    for text in texts:
        place.setdefault(text, len(place))
    return place


def _present(rows: WordRows) -> WordRows:
    """The words that have a row, text by text."""
    there: NDArray[np.bool_] = rows.source.there
    kept = np.flatnonzero(there)
    before = np.concatenate([[0], np.cumsum(there)]).astype(np.int64)
    return WordRows(
        rows.source.take(kept), before[rows.start], None if rows.unit is None else rows.unit[kept]
    )
