"""From sentences to what a model reads, and where every word stands in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from probekit.errors import AlignmentError, ConfigError, did_you_mean
from probekit.glossary import LengthPolicy, TextForm
from probekit.models.pieces import Pieces, read_surface, read_words
from probekit.models.windows import Inputs, cut

if TYPE_CHECKING:
    from probekit.data.sentence import Sentence
    from probekit.models.model import Model

REASONS = ("", "no piece", "truncated", "unknown piece")
"""Why a word is left out, by ``word_reason``; 0 is a word that is there."""

SENTENCE_REASONS = ("", "empty")
"""Why a sentence as a whole has nothing to read, by ``sentence_reason``: no piece but special ones, or none."""

CHUNK = 2048
"""Sentences tokenized at a time: bounds the memory that character offsets take."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """The inputs a model reads for some sentences, and the place of every word in them.

    Input i holds the pieces ``piece_ids[input_start[i]:input_start[i + 1]]`` of sentence ``input_sentence[i]``;
    ``special`` marks pieces that the tokenizer added. Words stand in the order of the sentences: word w is number
    ``word_index[w]`` (from 0) of sentence ``word_sentence[w]`` and has the pieces ``word_first[w]:word_stop[w]`` of
    input ``word_input[w]``. Where ``word_reason[w]`` is not 0 the word is left out: input -1, range 0:0. A sentence
    read in windows has several inputs; one without any piece has none.
    """

    piece_ids: Int[ndarray, " total"]
    input_start: Int[ndarray, " inputs_1"]
    input_sentence: Int[ndarray, " inputs"]
    special: Bool[ndarray, " total"]
    word_sentence: Int[ndarray, " words"]
    word_index: Int[ndarray, " words"]
    word_input: Int[ndarray, " words"]
    word_first: Int[ndarray, " words"]
    word_stop: Int[ndarray, " words"]
    word_reason: Int[ndarray, " words"]
    sentence_reason: Int[ndarray, " sentences"]
    counts: Mapping[str, int]

    def __repr__(self) -> str:
        return f"<Encoding {', '.join(f'{n:,} {what.replace(chr(95), chr(32))}' for what, n in self.counts.items())}>"

    @cached_property
    def ids_hash(self) -> str:
        """A hash of exactly what is read and of where every word is found in it."""
        digest = hashlib.sha256(b"probekit.encoding.1\0")
        for name in (
            "piece_ids", "input_start", "input_sentence", "special", "word_sentence", "word_index", "word_input",
            "word_first", "word_stop", "word_reason", "sentence_reason",
        ):  # fmt: skip
            array = getattr(self, name)
            digest.update(f"{name} {array.dtype.str} {len(array)}\0".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def encode(
    model: Model,
    sentences: Sequence[Sentence],
    *,
    text_form: TextForm = "surface",
    length: LengthPolicy = "truncate",
) -> Encoding:
    """Tokenize sentences and match their words with pieces.

    ``text_form="surface"`` reads the running text and matches by characters: a piece over two words belongs to both,
    the words of a multiword token share its pieces, a space belongs to none. ``"words"`` reads the words one by one.
    ``length`` says what becomes of a sentence longer than ``model.max_pieces``: ``truncate`` cuts it, ``error``
    refuses it, ``window`` reads it in windows that overlap by half. Words that get no piece, an unknown piece, or are
    cut are left out with their reason, never shifted.

    Raises AlignmentError (too long under ``error``), DataError (text no tokenizer can read), ModelError (the
    tokenizer cannot read pre-split words rightly) and ConfigError (an option).
    """
    for option, value, known in (
        ("text_form", text_form, get_args(TextForm)),
        ("length", length, get_args(LengthPolicy)),
    ):
        if value not in known:
            raise ConfigError(f"unknown {option} {value!r}; {did_you_mean(str(value), known)}")
    read = read_surface if text_form == "surface" else read_words

    def refuse(sentence: Sentence, pieces: int) -> AlignmentError:
        return AlignmentError(
            f"sentence {sentence.id}: {pieces} pieces ({len(sentence.words)} words), and {model.name} reads at most "
            f"{model.max_pieces}; choose length='truncate' or 'window', or split the sentence"
        )

    parts = []
    for begin in range(0, len(sentences), CHUNK):
        chunk = sentences[begin : begin + CHUNK]
        pieces = read(model.tokenizer, chunk)
        parts.append((pieces, cut(pieces, model.max_pieces, length, lambda s, n, c=chunk: refuse(c[s], n))))
    return _join(parts)


def _join(parts: Sequence[tuple[Pieces, Inputs]]) -> Encoding:
    """One Encoding of the chunks, sentences and inputs numbered on."""
    sentences = _before([len(pieces.start) - 1 for pieces, _ in parts])
    inputs = _before([len(cuts.sentence) for _, cuts in parts])
    total = _before([len(cuts.take) for _, cuts in parts])
    reasons = [_reasons(pieces, cuts) for pieces, cuts in parts]
    word_reason = _cat(reasons, np.uint8)
    kept = [reason == 0 for reason in reasons]
    owners = [np.repeat(np.arange(len(p.word_start) - 1), np.diff(p.word_start)) for p, _ in parts]
    sentence_reason = _cat(
        [
            np.add.reduceat(np.append(~p.special, False), p.start[:-1]) * (np.diff(p.start) > 0) == 0
            for p, _ in parts
        ],
        np.uint8,
    )
    input_start = _cat(
        [c.start[:-1] + t for (_, c), t in zip(parts, total, strict=False)] + [total[-1:]], np.int64
    )
    counts = {
        "sentences": int(sentences[-1]),
        "inputs": int(inputs[-1]),
        "pieces": int(total[-1]),
        "words": len(word_reason),
        "words_read": int((word_reason == 0).sum()),
        "words_without_piece": int((word_reason == 1).sum()),
        "truncated_words": int((word_reason == 2).sum()),
        "unknown_words": int((word_reason == 3).sum()),
        "shared_pieces": sum(p.shared for p, _ in parts),
        "multiword_shared": sum(p.multiword for p, _ in parts),
        "long_sentences": sum(c.too_long for _, c in parts),
        "empty_sentences": int((sentence_reason > 0).sum()),
    }
    return Encoding(
        piece_ids=_cat([p.ids[c.take] for p, c in parts], np.int32),
        input_start=input_start,
        input_sentence=_cat([c.sentence + s for (_, c), s in zip(parts, sentences, strict=False)], np.int32),
        special=_cat([p.special[c.take] for p, c in parts], np.bool_),
        word_sentence=_cat([o + s for o, s in zip(owners, sentences, strict=False)], np.int32),
        word_index=_cat(
            [np.arange(len(o)) - p.word_start[:-1][o] for (p, _), o in zip(parts, owners, strict=True)],
            np.int32,
        ),
        word_input=_cat(
            [np.where(k, c.word_input + i, -1) for (_, c), k, i in zip(parts, kept, inputs, strict=False)],
            np.int32,
        ),
        word_first=_cat(
            [np.where(k, c.word_first, 0) for (_, c), k in zip(parts, kept, strict=True)], np.int32
        ),
        word_stop=_cat(
            [np.where(k, c.word_stop, 0) for (_, c), k in zip(parts, kept, strict=True)], np.int32
        ),
        word_reason=word_reason,
        sentence_reason=sentence_reason,
        counts=counts,
    )


def _reasons(pieces: Pieces, cuts: Inputs) -> Int[ndarray, " words"]:
    unknown = np.concatenate([[0], np.cumsum(pieces.unknown)])
    reason = np.where(unknown[pieces.stop] > unknown[pieces.first], 3, 0)
    reason[cuts.word_input < 0] = 2
    reason[pieces.stop <= pieces.first] = 1
    return reason


def _before(sizes: Sequence[int]) -> Int[ndarray, " n_1"]:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


def _cat(arrays: Sequence[ndarray], dtype: type[np.generic]) -> ndarray:
    """One array of a fixed type, also of no arrays at all."""
    return np.concatenate([np.zeros(0, dtype=dtype), *(array.astype(dtype) for array in arrays)])
