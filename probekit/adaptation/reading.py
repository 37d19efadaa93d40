"""Texts are read by the model once: what the store has is taken from there, and then no model is even loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.activations.extract import run_extraction
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.activations.store import Store
from probekit.adaptation.examples import Examples
from probekit.adaptation.features import Features, Source, WordRows
from probekit.adaptation.known_texts import Held, KnownTexts, reader_identity
from probekit.adaptation.loop import plain_memory
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import DataError, ModelError
from probekit.glossary import Progress, silent
from probekit.models.align import REASONS, encode
from probekit.models.hooks.edit import active_edits
from probekit.models.model import Model
from probekit.models.ref import ModelRef

FILLER = "a"
"""A text that every model can read."""


class Reader:
    """A frozen model that is loaded when first needed, and the store that remembers what it read.

    With `fingerprint`, ModelError for a model of other weights; where memory does not suffice, ModelError too. While
    edits of the model are in force, every text is read under them, and none of that is remembered as the model's own.
    """

    def __init__(
        self, model: str | ModelRef | Model, store: Store | str | Path | None = None, *, fingerprint: str = ""
    ) -> None:
        self.ref = None if isinstance(model, Model) else ModelRef.of(model)
        self._model = model if isinstance(model, Model) else None
        self.store = store if isinstance(store, Store) else Store(store)
        self.fingerprint = fingerprint
        self._identity: str | None = None

    @property
    def model(self) -> Model:
        """The model; loaded at the first call."""
        if self._model is None:
            assert self.ref is not None
            model = self.ref.load()
            self._check(model.fingerprint)
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
            read = [self._words(examples.texts, one, progress) for one in (pools[:1] if words else pools)]
            cut = int(read[0][1].sum())
            if words:
                return Features((), (_present(read[0][0]),), n, cut)
            return Features((tuple(rows.source for rows, _ in read),), (), n, cut)
        texts = list(zip(*examples.texts, strict=True)) if examples.unit == "pair" else [examples.texts]
        if words:
            by_word = [self._words(side, "mean", progress) for side in texts]
            cut = int(np.any([short for _, short in by_word], axis=0).sum())
            return Features((), tuple(_present(rows) for rows, _ in by_word), len(examples), cut)
        whole = [[self._texts(side, one, progress) for one in pools] for side in texts]
        cut = int(np.any([side[0][1] for side in whole], axis=0).sum())
        return Features(tuple(tuple(rows for rows, _ in side) for side in whole), (), len(examples), cut)

    def _texts(self, texts: Any, pool: str, progress: Progress) -> tuple[Source, NDArray[np.bool_]]:
        """One vector per text, and which texts were cut."""
        place = _numbered(texts)
        which = np.array([place[text] for text in texts])
        parts, cut = [], np.zeros(len(place), bool)
        for held in self._held(list(place), "sentence", pool, progress):
            acts, here = held.acts, held.sentence >= 0
            row_of = np.full(len(acts.index.ids), -1, np.int64)
            row_of[acts.index.sentence] = np.arange(acts.n_rows)
            rows = np.where(here, row_of[held.sentence], -1)
            parts.append((acts, rows[which]))
            cut |= held.cut
        return Source(tuple(parts)), cut[which]

    def _words(self, texts: Any, pool: str, progress: Progress) -> tuple[WordRows, NDArray[np.bool_]]:
        """One vector per word of texts (str, or tuples of words), -1 for a word without a row; which texts were cut."""
        place = _numbered(texts)
        which = np.array([place[text] for text in texts])
        found = self._held(list(place), "word", pool, progress)
        sizes, cut = np.zeros(len(place), np.int64), np.zeros(len(place), bool)
        for held in found:
            here = held.sentence >= 0
            sizes[here] = held.acts.index.words[held.sentence[here]]
            cut |= held.cut
        lengths = sizes[which]
        start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(start[-1]) - np.repeat(start[:-1], lengths)
        parts = []
        for held in found:
            index = held.acts.index
            first = np.concatenate([[0], np.cumsum(index.words)]).astype(np.int64)
            row_of = np.full(int(first[-1]) + 1, -1, np.int64)  # the last is for words that are not here
            row_of[first[index.sentence] + index.number] = np.arange(held.acts.n_rows)
            sentence = np.repeat(held.sentence[which], lengths)
            parts.append((held.acts, row_of[np.where(sentence >= 0, first[sentence] + within, -1)]))
        unit = None if isinstance(texts[0], str) else np.arange(start[-1])
        return WordRows(Source(tuple(parts)), start, unit), cut[which]

    def _held(self, texts: list[Any], unit: str, pool: str, progress: Progress) -> list[Held]:
        """Where the store holds texts, all different, after what it lacked was read."""
        form = "surface" if isinstance(texts[0], str) else "words"
        known = None
        edited = self._model is not None and bool(active_edits(self._model))
        if self.ref is not None and not edited:
            if self._identity is None:
                self._identity = reader_identity(self.ref)
            known = KnownTexts(self.store, self._identity, unit, pool, form)
        found = [] if known is None else known.find(texts)
        for held in found:
            self._check(str(held.acts.recipe["model"]["weights"]))
        missing = np.ones(len(texts), bool)
        for held in found:
            missing &= held.sentence < 0
        if not missing.any():
            return found
        lacking = np.flatnonzero(missing)
        acts, cut = self._extract([texts[number] for number in lacking], unit, pool, form, progress)
        if known is not None:
            known.add(acts, [texts[number] for number in lacking], cut)
        sentence, short = np.full(len(texts), -1, np.int64), np.zeros(len(texts), bool)
        sentence[lacking], short[lacking] = np.arange(len(lacking)), cut
        return [*found, Held(acts, sentence, short)]

    def _extract(
        self, texts: list[Any], unit: str, pool: str, form: str, progress: Progress
    ) -> tuple[Activations, NDArray[np.bool_]]:
        """Read texts with the model; their entry, and which of them were cut."""
        make: Any = Sentence.from_text if form == "surface" else Sentence.from_words
        try:
            return self._extracted([make(f"e{number}", text) for number, text in enumerate(texts)], unit, pool, form,
                                   progress)  # fmt: skip
        except DataError:  # none of them has a piece: beside a text that has, they are merely left out
            filled = [*texts, FILLER if form == "surface" else (FILLER,)]
            acts, cut = self._extracted([make(f"e{number}", text) for number, text in enumerate(filled)], unit, pool,
                                        form, progress)  # fmt: skip
            return acts, cut[:-1]

    def _extracted(
        self, sentences: list[Sentence], unit: str, pool: str, form: str, progress: Progress
    ) -> tuple[Activations, NDArray[np.bool_]]:
        corpus = Corpus(sentences, "examples", text_form="surface" if form == "surface" else "words")
        encoding = encode(self.model, corpus.sentences, text_form=corpus.text_form)
        gone = encoding.word_sentence[encoding.word_reason == REASONS.index("truncated")]
        plan = plan_extraction(self.model, corpus, Options(unit=unit, pool=pool), encoding=encoding)
        with plain_memory(f"reading with {self.model.name}", "use shorter texts, or a smaller model"):
            acts = run_extraction(plan, self.model, corpus, store=self.store, progress=progress)
        return acts, np.bincount(gone, minlength=len(sentences)) > 0

    def _check(self, fingerprint: str) -> None:
        if self.fingerprint not in ("", fingerprint):
            name = "the model" if self.ref is None else self.ref.name
            raise ModelError(
                f"{name}: its weights are not those that the head was fitted on; give back the model of then"
            )


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
