"""The log-odds that a language model gives a target against a foil at a place of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.data.sentence import Sentence
from probekit.erasure.fills import fill_piece
from probekit.erasure.predictions import Bound, Look, nothing_to_read, one_each
from probekit.erasure.reading import Change, Flat
from probekit.erasure.versions import GONE, Version
from probekit.errors import ConfigError, DataError, ModelError
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.scoring import Ask, Queries, make_scorer
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule, TextPieces, owned
from probekit.models.scoring.rows import head_logprobs, state_layer

Array = NDArray[Any]
Ints = NDArray[np.int64]

PLACE = "___"
NO_CONTEXT = "nothing stands before the place"


@dataclass(frozen=True)
class LogOdds:
    """log p(target) - log p(foil) at a place of a text, in nats; without a foil the log-probability of the target.

    The place is where the text says ``___`` (see `place`), or word number `word` (from 0), whose place target and
    foil take; else they go on where the text ends, after a space where neither side has one. Each is scored by the
    rules of `make_scorer`, piece by piece: a causal model reads what stands before, a masked model both sides.

    Parameters
    ----------
    target, foil : one for all texts, or one for each
    word : number of a word, one for all texts or one for each
    place : what marks the place in a text
    bos, pll : see `make_scorer`

    Examples
    --------
    >>> LogOdds(" are", " is").name
    "log-odds of 'are' against 'is'"
    """

    target: str | Sequence[str]
    foil: str | Sequence[str] = ""
    word: int | Sequence[int] | None = None
    place: str = PLACE
    bos: BosRule = "auto"
    pll: Pll = "within_word_l2r"

    @property
    def name(self) -> str:
        """What the number is."""
        target = repr(self.target.strip()) if isinstance(self.target, str) else "the target"
        if not self.foil:
            return f"log-probability of {target}"
        foil = repr(self.foil.strip()) if isinstance(self.foil, str) else "the foil"
        return f"log-odds of {target} against {foil}"

    @property
    def unit(self) -> str:
        """Its unit."""
        return "nats"

    def bind(self, model: Model, sentences: Sequence[Sentence]) -> Bound:
        """The prediction about these texts. Raises ModelError, ConfigError, DataError."""
        scorer = _scorer(model, self.bos, self.pll)
        if scorer.kind == "encoder-decoder":
            raise ModelError(
                f"{model.name} is an encoder-decoder, whose two texts LogOdds cannot tell apart; give a causal or "
                "masked model, or a function of texts"
            )
        n = len(sentences)
        targets: list[str] = one_each(self.target, n, "target")
        foils: list[str] = one_each(self.foil, n, "foil")
        words: list[int | None] = one_each(self.word, n, "word")
        for target in targets:
            if not target.strip():
                raise ConfigError(f"target must be text; got {target!r}")
        found = [self._place(one, word) for one, word in zip(sentences, words, strict=True)]
        versions = [
            Version(number, one.text, one.offsets, place)
            for number, (one, place) in enumerate(zip(sentences, found, strict=True))
        ]
        return _LogOdds(model, scorer, versions, targets, foils)

    def _place(self, sentence: Sentence, word: int | None) -> tuple[int, int]:
        text = sentence.text
        if word is not None:
            if not -len(sentence) <= word < len(sentence):
                raise ConfigError(f"{sentence.location} has {len(sentence)} words; there is no word {word}")
            return sentence.offsets[word]
        times = text.count(self.place) if self.place else 0
        if times > 1:
            raise DataError(f"{sentence.location}: {self.place!r} marks {times} places; mark one")
        at = text.find(self.place) if times else len(text)
        return at, at + len(self.place) * times


class _LogOdds(Bound):
    def __init__(
        self,
        model: Model,
        scorer: ModelScorer,
        versions: list[Version],
        targets: Sequence[str],
        foils: Sequence[str],
    ) -> None:
        self.model, self.scorer, self.versions = model, scorer, versions
        self.layer = state_layer(model)
        self.fill, self.no_fill = fill_piece(model, sees_ahead=scorer.kind == "masked")
        self._targets, self._foils = targets, foils
        self._front = len(getattr(scorer, "front", ()))
        self._queries: Queries | None = None

    def looks(self, versions: Sequence[Version]) -> list[Look]:
        asks: list[list[Ask]] = []
        words: list[list[tuple[int, int]]] = []
        for version in versions:
            asks.append([])
            for candidate in (self._targets[version.origin], self._foils[version.origin]):
                if candidate:
                    text, span, moved = _filled(version, candidate)
                    asks[-1].append(Ask(text, (span,)))
                    words.append(moved)
        queries = self._queries = self.scorer.queries(asks)
        begins = np.searchsorted(queries.ask, np.arange(len(words) + 1))
        ends = np.cumsum([len(group) for group in asks])
        flat = [ask.spans for group in asks for ask in group]
        whole = [
            len(owned(pieces, span)[0]) == begins[i + 1] - begins[i]
            for i, (pieces, span) in enumerate(zip(queries.asked.pieces, flat, strict=True))
        ]
        return [
            self._look(queries, words, begins, range(end - len(group), end), whole)
            for end, group in zip(ends.tolist(), asks, strict=True)
        ]

    def _look(
        self,
        queries: Queries,
        words: list[list[tuple[int, int]]],
        begins: Ints,
        asks: range,
        whole: Sequence[bool],
    ) -> Look:
        for one in asks:
            if queries.asked.left_out[one]:
                return nothing_to_read(queries.asked.left_out[one])
            if not whole[one]:
                return nothing_to_read(NO_CONTEXT)
        own = np.arange(begins[asks[0]], begins[asks[-1] + 1])
        numbers, first_row, which = np.unique(queries.input[own], return_index=True, return_inverse=True)
        inputs = tuple(queries.inputs[i].astype(np.int64) for i in numbers)
        ranges = tuple(
            word_ranges(queries.asked.pieces[a], words[a], self._front, len(ids))
            for a, ids in zip(queries.ask[own[first_row]], inputs, strict=True)
        )
        position = queries.position[own]
        weight = np.where(queries.ask[own] == asks[0], 1.0, -1.0)
        return Look(inputs, ranges, which, position, position + 1, queries.target[own], weight)

    def scores(self, states: torch.Tensor, row: Ints, target: Ints) -> Array:
        states = states.to(self.model.module.dtype)
        return head_logprobs(self.scorer.head, states, row, target, self.model.vocabulary)

    def differentiable(self, states: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = self.scorer.head(states.to(self.model.module.dtype)).float()
        found: torch.Tensor = torch.log_softmax(logits, -1).gather(1, target[:, None])[:, 0]
        return found

    def answers(self, flat: Flat, change: Change | None = None, progress: Progress = silent) -> Array:
        """As the scorer reads: texts of a causal model share the states of what they begin with."""
        if change is not None or self._queries is None:
            return super().answers(flat, change, progress)
        none = np.zeros(len(flat.input), np.int64)
        inputs = [ids.astype(np.int32) for ids in flat.inputs]
        queries = Queries(self._queries.asked, inputs, flat.input, flat.first, flat.target, none, none)
        return self.scorer.logprobs(queries, progress)


def _filled(version: Version, candidate: str) -> tuple[str, tuple[int, int], list[tuple[int, int]]]:
    """The text with a candidate at its place, the characters of the candidate, and those of every word."""
    text = version.text
    start, stop = version.place or (len(text), len(text))
    at_end = start == stop == len(text)
    if at_end and text and not text[-1].isspace() and not candidate[:1].isspace():
        candidate = f" {candidate}"
    shift = len(candidate) - (stop - start)
    words = [
        GONE if a < stop and b > start else (a, b) if a < stop or at_end else (a + shift, b + shift)
        for a, b in version.words
    ]
    return text[:start] + candidate + text[stop:], (start, start + len(candidate)), words


def word_ranges(pieces: TextPieces, words: Sequence[tuple[int, int]], shift: int, length: int) -> Ints:
    """The range of pieces of every word, int64 ``[words, 2]``, in an input of `length` pieces.

    `shift` pieces stand in front of the text; a word that has no piece in the input has 0:0.
    """
    piece, word = owned(pieces, words)
    ranges = np.zeros((len(words), 2), np.int64)
    ranges[:, 0] = length
    np.minimum.at(ranges[:, 0], word, piece + shift)
    np.maximum.at(ranges[:, 1], word, piece + shift + 1)
    ranges[:, 1] = np.minimum(ranges[:, 1], length)
    ranges[ranges[:, 0] >= ranges[:, 1]] = 0
    return ranges


def _scorer(model: Model, bos: BosRule, pll: Pll) -> ModelScorer:
    """The scorer of a model, made once: it is tried out on the model when it is made. It goes when the model goes."""
    known: dict[tuple[str, str], ModelScorer] = vars(model).setdefault("_scorers_of_erasure", {})
    if (bos, pll) not in known:
        known[bos, pll] = make_scorer(model, bos=bos, pll=pll)
    return known[bos, pll]
