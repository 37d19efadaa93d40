"""From sentences to what a model reads, and where every word stands in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from probekit.errors import AlignmentError, ConfigError, ModelError, did_you_mean
from probekit.glossary import LengthPolicy, TextForm
from probekit.models.pieces import Ints, Pieces, read_surface, read_words
from probekit.models.windows import Inputs, cut

if TYPE_CHECKING:
    from probekit.data.sentence import Sentence
    from probekit.models.model import Model

REASONS = ("", "no piece", "truncated", "unknown piece")
"""Why a word is left out, by ``word_reason``; 0 is a word that is there."""

SENTENCE_REASONS = ("", "empty")
"""Why a sentence has nothing to read, by ``sentence_reason``: no piece but special ones, or none at all."""

CHUNK = 2048
"""Sentences tokenized at a time: bounds the memory that character offsets take."""

COUNTED = (
    "sentences",
    "inputs",
    "pieces",
    "words",
    "words_without_piece",
    "truncated_words",
    "unknown_words",
    "shared_pieces",
    "multiword_shared",
    "long_sentences",
    "empty_sentences",
)
"""What ``counts`` tells. Shared pieces cover words at two places; multiword words share one place."""

DTYPES = {
    "piece_ids": np.int32,
    "input_start": np.int64,
    "input_sentence": np.int32,
    "special": np.bool_,
    "word_sentence": np.int32,
    "word_index": np.int32,
    "word_input": np.int32,
    "word_first": np.int32,
    "word_stop": np.int32,
    "word_reason": np.uint8,
    "sentence_reason": np.uint8,
}


@dataclass(frozen=True, eq=False, repr=False)
class Encoding:
    """The inputs a model reads for some sentences, and the place of every word in them.

    Input i holds the pieces ``piece_ids[input_start[i]:input_start[i + 1]]`` of sentence
    ``input_sentence[i]``; ``special`` marks pieces that the tokenizer added. Words stand in the order of the
    sentences: word w is number ``word_index[w]`` (from 0) of sentence ``word_sentence[w]`` and has the pieces
    ``word_first[w]:word_stop[w]`` of input ``word_input[w]``. Where ``word_reason[w]`` is not 0 the word is
    left out: input -1, range 0:0. A sentence read in windows has several inputs; one without any piece has
    none.
    """

    piece_ids: NDArray[np.int32]
    input_start: NDArray[np.int64]
    input_sentence: NDArray[np.int32]
    special: NDArray[np.bool_]
    word_sentence: NDArray[np.int32]
    word_index: NDArray[np.int32]
    word_input: NDArray[np.int32]
    word_first: NDArray[np.int32]
    word_stop: NDArray[np.int32]
    word_reason: NDArray[np.uint8]
    sentence_reason: NDArray[np.uint8]
    counts: Mapping[str, int]

    def __repr__(self) -> str:
        counts = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in self.counts.items())
        return f"<Encoding {counts}>"

    @cached_property
    def ids_hash(self) -> str:
        """A hash of exactly what is read and of where every word is found in it."""
        digest = hashlib.sha256(b"probekit.encoding.1\0")
        for name in DTYPES:
            array = getattr(self, name)
            digest.update(f"{name} {array.dtype.str} {len(array)}\0".encode())
            digest.update(array.data)
        return digest.hexdigest()


def encode(
    model: Model,
    sentences: Sequence[Sentence],
    *,
    text_form: TextForm = "surface",
    length: LengthPolicy = "truncate",
) -> Encoding:
    """Tokenize sentences and match their words with pieces.

    ``text_form="surface"`` reads the running text and matches by characters: a piece over two words belongs
    to both, the words of a multiword token share its pieces, a space belongs to none. ``"words"`` reads the
    words one by one. ``length`` says what becomes of a sentence longer than ``model.max_pieces``:
    ``truncate`` cuts it, ``error`` refuses it, ``window`` reads it in windows that overlap by half. Words
    that get no piece, get an unknown piece, or are cut are left out with their reason, never shifted.

    Raises AlignmentError (too long under ``error``), DataError (text no tokenizer can read), ModelError (the
    tokenizer cannot read pre-split words rightly) and ConfigError (an option).
    """
    _check_option("text_form", text_form, get_args(TextForm))
    _check_option("length", length, get_args(LengthPolicy))
    read = read_surface if text_form == "surface" else read_words
    columns: dict[str, list[Any]] = {name: [] for name in DTYPES}
    columns["input_start"].append([0])
    counts = Counter(dict.fromkeys(COUNTED, 0))
    for begin in range(0, len(sentences), CHUNK):
        chunk = sentences[begin : begin + CHUNK]
        pieces = read(model.tokenizer, chunk)
        if length == "error":
            _refuse_long(model, chunk, np.diff(pieces.start))
        inputs = cut(pieces, model.max_pieces, window=length == "window")
        for name, values in _numbered_on(pieces, inputs, counts):
            columns[name].append(values)
        _count(pieces, inputs, counts)
    arrays: dict[str, Any] = {
        name: np.concatenate([np.zeros(0, DTYPES[name]), *parts]).astype(DTYPES[name])
        for name, parts in columns.items()
    }
    _check_vocabulary(model, arrays["piece_ids"])
    reasons = np.bincount(arrays["word_reason"], minlength=len(REASONS))
    counts["words_without_piece"], counts["truncated_words"], counts["unknown_words"] = map(int, reasons[1:])
    counts["empty_sentences"] = int(arrays["sentence_reason"].sum())
    return Encoding(**arrays, counts=dict(counts))


def _numbered_on(pieces: Pieces, inputs: Inputs, before: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    """The columns of one chunk, its sentences, inputs and pieces counted on from the chunks before."""
    sentences = np.arange(len(pieces.start) - 1)
    owner = np.repeat(sentences, np.diff(pieces.word_start))
    reason = _reasons(pieces, inputs)
    kept = reason == 0
    piece_owner = np.repeat(sentences, np.diff(pieces.start))
    read = np.bincount(piece_owner[~pieces.special], minlength=len(sentences))
    yield "piece_ids", pieces.ids[inputs.take]
    yield "special", pieces.special[inputs.take]
    yield "input_start", inputs.start[1:] + before["pieces"]
    yield "input_sentence", inputs.sentence + before["sentences"]
    yield "word_sentence", owner + before["sentences"]
    yield "word_index", np.arange(len(owner)) - pieces.word_start[:-1][owner]
    yield "word_input", np.where(kept, inputs.word_input + before["inputs"], -1)
    yield "word_first", np.where(kept, inputs.word_first, 0)
    yield "word_stop", np.where(kept, inputs.word_stop, 0)
    yield "word_reason", reason
    yield "sentence_reason", read == 0


def _reasons(pieces: Pieces, inputs: Inputs) -> Ints:
    unknown = np.concatenate([[0], np.cumsum(pieces.unknown)])
    reason = np.where(unknown[pieces.stop] > unknown[pieces.first], REASONS.index("unknown piece"), 0)
    reason[inputs.word_input < 0] = REASONS.index("truncated")
    reason[pieces.stop <= pieces.first] = REASONS.index("no piece")
    return reason


def _count(pieces: Pieces, inputs: Inputs, counts: Counter[str]) -> None:
    counts["sentences"] += len(pieces.start) - 1
    counts["inputs"] += len(inputs.sentence)
    counts["pieces"] += len(inputs.take)
    counts["words"] += len(pieces.first)
    counts["shared_pieces"] += pieces.shared
    counts["multiword_shared"] += pieces.multiword
    counts["long_sentences"] += inputs.long_sentences


def _refuse_long(model: Model, sentences: Sequence[Sentence], lengths: Ints) -> None:
    if model.max_pieces is None or not (lengths > model.max_pieces).any():
        return
    at = int(np.argmax(lengths > model.max_pieces))
    raise AlignmentError(
        f"{sentences[at].location}: {len(sentences[at].words)} words make {lengths[at]} pieces, and "
        f"{model.name} reads at most {model.max_pieces}; choose length='truncate' or 'window', or split it"
    )


def _check_vocabulary(model: Model, ids: NDArray[np.int32]) -> None:
    if len(ids) and int(ids.max()) >= model.vocabulary:
        piece = model.tokenizer.convert_ids_to_tokens(int(ids.max()))
        raise ModelError(
            f"{model.name}: its tokenizer gives piece {int(ids.max())} ({piece!r}), and its embedding has "
            f"{model.vocabulary} rows; tokenizer and model do not belong together"
        )


def _check_option(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"unknown {option} {value!r}; {did_you_mean(str(value), known)}")
