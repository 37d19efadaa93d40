"""Which pieces of the tokenizer make up which word: flat arrays over many sentences at once.

Words and pieces are matched by the characters they cover in the running text, so nothing is ever counted off
by position, and a piece that was normalised, merged over a word boundary or split into bytes still finds its
word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from probekit.data.sentence import Sentence

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_LAST_SPACE = 0x3000
_IS_SPACE = np.array([chr(code).isspace() for code in range(_LAST_SPACE + 1)] + [False])
_SPACE_MARKS = ("▁", "Ġ")
"""Pieces that stand for a space alone, in SentencePiece-like and in byte-level vocabularies."""


@dataclass(frozen=True)
class Pieces:
    """The pieces of some sentences, one sentence after another, and the range of pieces of every word.

    Sentence i has the pieces ``start[i]:start[i + 1]``; word w has ``first[w]:stop[w]``, empty where no piece
    covers it. Words stand sentence after sentence too: those of sentence i are ``word_start[i]:word_start[i +
    1]``.
    """

    ids: Ints
    special: Flags
    unknown: Flags
    start: Ints
    word_start: Ints
    first: Ints
    stop: Ints
    shared: int
    """How many pieces cover two words that stand at different places of the text."""
    multiword: int
    """How many words stand at one place together with another: parts of a multiword token."""


def read_surface(tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Sentence]) -> Pieces:
    """Pieces of the running texts; a word owns every piece that covers one of its characters.

    A space in front of a word belongs to no word, though byte-level and SentencePiece-like pieces carry it.
    Raises DataError on text that is not valid Unicode.
    """
    texts = [sentence.text for sentence in sentences]
    codes = _code_points(texts, sentences)
    base = _starts([len(text) for text in texts])
    ids, special, start, encodings = _tokenize(tokenizer, texts, split=False)

    spans = np.fromiter(
        chain.from_iterable(chain.from_iterable(e.offsets for e in encodings)), np.int64, 2 * len(ids)
    ).reshape(-1, 2)
    spans += np.repeat(base[:-1], np.diff(start))[:, None]
    mark = _is_space_mark(tokenizer, ids)
    # a mark that claims a character of the next piece was put in front of the text by the tokenizer
    mark[:-1] &= (spans[1:, 0] < spans[:-1, 1]) & ~special[1:]
    mark[-1:] = False
    left, right = _without_spaces(codes, spans)
    content = np.flatnonzero(~special & ~mark & (left < right))

    word_start = _starts([len(sentence.offsets) for sentence in sentences])
    words = np.fromiter(
        chain.from_iterable(chain.from_iterable(s.offsets for s in sentences)),
        np.int64,
        2 * int(word_start[-1]),
    ).reshape(-1, 2)
    owner = np.repeat(np.arange(len(texts)), np.diff(word_start))
    words = words + base[owner][:, None]
    word_left, word_right = _without_spaces(codes, words)

    # running extremes: a normaliser may reorder marks on one letter, and a search needs sorted ends
    ends = np.maximum.accumulate(right[content])
    begins = np.minimum.accumulate(left[content][::-1])[::-1]
    first = np.searchsorted(ends, word_left, side="right")
    stop = np.searchsorted(begins, word_right, side="left")
    first, stop = _in_all_pieces(content, first, stop, (stop > first) & (word_right > word_left))

    together = (words[1:] == words[:-1]).all(axis=1) & (owner[1:] == owner[:-1])
    grouped = np.zeros(len(words), dtype=bool)
    grouped[1:] |= together
    grouped[:-1] |= together
    once = np.ones(len(words), dtype=bool)
    once[1:] = ~together
    return Pieces(
        ids=ids,
        special=special,
        unknown=_is_unknown(tokenizer, ids, special),
        start=start,
        word_start=word_start,
        first=first,
        stop=stop,
        shared=_shared(first[once], stop[once], len(ids)),
        multiword=int(grouped.sum()),
    )


def read_words(tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Sentence]) -> Pieces:
    """Pieces of words given one by one, for corpora whose words are known and whose spacing is not.

    Raises ModelError where the tokenizer would read a pre-split word without the space that stands before it
    in running text: such pieces are others than those the model was trained on.
    """
    _check_leading_space(tokenizer)
    lists = [list(sentence.words) for sentence in sentences]
    _code_points([" ".join(words) for words in lists], sentences)
    ids, special, start, encodings = _tokenize(tokenizer, lists, split=True)

    word_start = _starts([len(words) for words in lists])
    inner = np.fromiter(
        (-1 if word is None else word for word in chain.from_iterable(e.word_ids for e in encodings)),
        np.int64,
        len(ids),
    )
    word = np.where(inner < 0, -1, inner + np.repeat(word_start[:-1], np.diff(start)))
    mark = _is_space_mark(tokenizer, ids)
    mark[:-1] &= word[1:] == word[:-1]
    mark[-1:] = False
    content = np.flatnonzero(~special & ~mark & (word >= 0))
    every = np.arange(int(word_start[-1]))
    first = np.searchsorted(word[content], every, side="left")
    stop = np.searchsorted(word[content], every, side="right")
    first, stop = _in_all_pieces(content, first, stop, stop > first)
    return Pieces(
        ids=ids,
        special=special,
        unknown=_is_unknown(tokenizer, ids, special),
        start=start,
        word_start=word_start,
        first=first,
        stop=stop,
        shared=0,
        multiword=0,
    )


def _tokenize(
    tokenizer: PreTrainedTokenizerBase, batch: list[Any], *, split: bool
) -> tuple[Ints, Flags, Ints, list[Any]]:
    """One batch call of the tokenizer's engine: whole texts, special pieces added, nothing cut or filled."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    encodings = backend.encode_batch(batch, is_pretokenized=split, add_special_tokens=True)
    start = _starts([len(e) for e in encodings])
    total = int(start[-1])
    ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int64, total)
    special = np.fromiter(chain.from_iterable(e.special_tokens_mask for e in encodings), np.bool_, total)
    return ids, special, start, encodings


def _code_points(texts: Sequence[str], sentences: Sequence[Sentence]) -> Ints:
    """The characters of all texts as numbers."""
    try:
        return np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    except UnicodeEncodeError:
        for sentence, text in zip(sentences, texts, strict=True):
            for place, character in enumerate(text):
                if "\ud800" <= character <= "\udfff":
                    raise DataError(
                        f"{sentence.location}: character {place + 1} is half of a surrogate "
                        f"pair (U+{ord(character):04X}), which no tokenizer can read; mend the text, or "
                        "leave the sentence out"
                    ) from None
        raise


def next_letter(codes: Ints) -> Ints:
    """For every place of a text, given as code points, the first place from there on that is no white space."""
    n = len(codes)
    following = np.full(n + 1, n)
    following[:n] = np.where(is_space(codes), n, np.arange(n))
    return np.minimum.accumulate(following[::-1])[::-1]


def is_space(codes: Ints) -> Flags:
    """Which characters, given as code points, are white space."""
    return _IS_SPACE[np.minimum(codes, _LAST_SPACE + 1)]


def _without_spaces(codes: Ints, spans: Ints) -> tuple[Ints, Ints]:
    """Spans without the white space at their two ends; a span of nothing else ends before it begins."""
    n = len(codes)
    preceding = np.zeros(n + 1, dtype=np.int64)
    preceding[1:] = np.where(is_space(codes), 0, np.arange(n) + 1)
    preceding = np.maximum.accumulate(preceding)
    return next_letter(codes)[spans[:, 0]], preceding[spans[:, 1]]


def _in_all_pieces(
    content: Ints,
    first: Ints,
    stop: Ints,
    found: Flags,
) -> tuple[Ints, Ints]:
    """Ranges over the pieces with content as ranges over all pieces; 0:0 where nothing was found."""
    if not len(content):
        return np.zeros_like(first), np.zeros_like(stop)
    last = len(content) - 1
    begin = content[np.minimum(first, last)]
    end = content[np.clip(stop - 1, 0, last)] + 1
    return np.where(found, begin, 0), np.where(found, end, 0)


def _shared(first: Ints, stop: Ints, n: int) -> int:
    cover = np.zeros(n + 1, dtype=np.int64)
    np.add.at(cover, first, 1)
    np.add.at(cover, stop, -1)
    return int((np.cumsum(cover) > 1).sum())


def _is_space_mark(tokenizer: PreTrainedTokenizerBase, ids: Ints) -> Flags:
    vocabulary = tokenizer.backend_tokenizer
    marks = [piece for mark in _SPACE_MARKS if (piece := vocabulary.token_to_id(mark)) is not None]
    return np.isin(ids, marks)


def _is_unknown(tokenizer: PreTrainedTokenizerBase, ids: Ints, special: Flags) -> Flags:
    unknown = tokenizer.unk_token_id
    return np.zeros(len(ids), dtype=bool) if unknown is None else (ids == unknown) & ~special


def _check_leading_space(tokenizer: PreTrainedTokenizerBase) -> None:
    backend = tokenizer.backend_tokenizer
    spaced = backend.encode("a a", add_special_tokens=False).ids
    if backend.encode(["a", "a"], is_pretokenized=True, add_special_tokens=False).ids != spaced:
        raise ModelError(
            f"{type(tokenizer).__name__} reads pre-split words without the space that stands before them, "
            "which are other pieces than in running text; use text_form='surface' (or save the model's "
            "tokenizer with add_prefix_space=True)"
        )


def _starts(lengths: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
