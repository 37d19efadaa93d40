"""Which rows an extraction has: one per unit, each a range of pieces of one input."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from probekit.errors import ConfigError, DataError
from probekit.models.align import REASONS, SENTENCE_REASONS

if TYPE_CHECKING:
    from probekit.activations.recipe import Options
    from probekit.models.align import Encoding


@dataclass(frozen=True, eq=False)
class Rows:
    """Row i is made of the pieces ``first[i]:stop[i]`` of input ``input[i]``, all int32 ``[rows]``.

    It belongs to sentence number ``sentence[i]`` and is its word ``number[i]`` (from 0); -1 for a sentence,
    the place in the input for a piece.
    """

    input: Int[ndarray, " rows"]
    first: Int[ndarray, " rows"]
    stop: Int[ndarray, " rows"]
    sentence: Int[ndarray, " rows"]
    number: Int[ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.input)

    def take(self, order: Int[ndarray, " rows"]) -> Rows:
        """The rows in another order."""
        return Rows(*(getattr(self, field.name)[order] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Units without a row: sentence and number as in `Rows`, and why (index into `reasons`)."""

    sentence: Int[ndarray, " left"]
    number: Int[ndarray, " left"]
    reason: Int[ndarray, " left"]
    reasons: tuple[str, ...]


def choose_rows(encoding: Encoding, options: Options) -> tuple[Rows, LeftOut]:
    """The rows for a unit and its pooling, in corpus order, and the units that get none, with the reason.

    Raises ConfigError where the pooling asks for what the tokenizer does not give, DataError where nothing is
    left.
    """
    make = {"word": _words, "sentence": _sentences, "piece": _pieces}[options.unit]
    rows, left_out = make(encoding, options)
    if not len(rows):
        raise DataError(
            f"no {options.unit} of this corpus has a piece to read; is the file what it should be?"
        )
    return rows, left_out


def _words(encoding: Encoding, options: Options) -> tuple[Rows, LeftOut]:
    kept = np.flatnonzero(encoding.word_reason == 0)
    gone = np.flatnonzero(encoding.word_reason)
    rows = Rows(
        encoding.word_input[kept],
        encoding.word_first[kept],
        encoding.word_stop[kept],
        encoding.word_sentence[kept],
        encoding.word_index[kept],
    )
    reasons = encoding.word_reason[gone].astype(np.uint8)
    return rows, LeftOut(encoding.word_sentence[gone], encoding.word_index[gone], reasons, REASONS)


def _sentences(encoding: Encoding, options: Options) -> tuple[Rows, LeftOut]:
    lengths = np.diff(encoding.input_start)
    inputs = np.arange(len(lengths), dtype=np.int32)
    begin = encoding.input_start[:-1]
    # ordinary pieces in front of each place, to find the first and the last of every input without a loop
    text = np.flatnonzero(~encoding.special)
    first_text, stop_text = np.searchsorted(text, begin), np.searchsorted(text, encoding.input_start[1:])
    filled = (stop_text > first_text) & (encoding.sentence_reason[encoding.input_sentence] == 0)
    inputs, first_text, stop_text = inputs[filled], first_text[filled], stop_text[filled]
    first = (text[first_text] - begin[filled]).astype(np.int32)
    stop = (text[stop_text - 1] + 1 - begin[filled]).astype(np.int32)
    if options.pool == "cls":
        if np.any(first == 0):
            raise ConfigError(
                "pool='cls' needs a special piece in front of the text, and this tokenizer puts none there; "
                "choose 'mean', 'max' or 'last'"
            )
        first, stop = np.zeros_like(first), np.ones_like(stop)
    elif options.special:
        first, stop = np.zeros_like(first), lengths[filled].astype(np.int32)
    sentence = encoding.input_sentence[filled].astype(np.int32)
    rows = Rows(inputs, first, stop, sentence, np.full(len(sentence), -1, np.int32))
    gone = np.setdiff1d(np.arange(len(encoding.sentence_reason)), sentence).astype(np.int32)
    reasons = np.ones(len(gone), np.uint8)
    return rows, LeftOut(gone, np.full(len(gone), -1, np.int32), reasons, SENTENCE_REASONS)


def _pieces(encoding: Encoding, options: Options) -> tuple[Rows, LeftOut]:
    kept = np.arange(len(encoding.special)) if options.special else np.flatnonzero(~encoding.special)
    owner = (np.searchsorted(encoding.input_start, kept, side="right") - 1).astype(np.int32)
    place = (kept - encoding.input_start[owner]).astype(np.int32)
    none = np.zeros(0, np.int32)
    rows = Rows(owner, place, place + np.int32(1), encoding.input_sentence[owner].astype(np.int32), place)
    return rows, LeftOut(none, none, none.astype(np.uint8), ("",))
