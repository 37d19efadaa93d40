"""Texts as the pieces a scorer sums over: ids, the characters they stand for, the words they are part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from probekit.errors import ConfigError, DataError, ModelError, did_you_mean
from probekit.models.pieces import Flags, Ints, is_space, next_letter

BosRule: TypeAlias = Literal["auto", "with", "without"]


@dataclass(frozen=True, eq=False)
class TextPieces:
    """The pieces of one text, special ones included.

    ``spans`` are the characters of a piece as the tokenizer gives them. ``at`` is its first character that is
    no white space: a space in front of a word belongs to the word, and so does a piece that is nothing but such
    a space. ``words`` number the words: a word ends where the tokenizer splits before it looks up pieces, and at
    white space; a special piece has -1.
    """

    ids: Ints
    spans: Ints
    at: Ints
    words: Ints
    unknown: Flags
    special: Flags

    def __len__(self) -> int:
        return len(self.ids)


def read_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special: bool = False
) -> list[TextPieces]:
    """The pieces of every text, with the tokenizer's special pieces around them or without.

    Nothing is cut or filled. Raises DataError on text that is not valid Unicode.
    """
    if not texts:
        return []
    codes = _code_points(texts)
    backend: Any = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    read = backend.encode_batch(list(texts), add_special_tokens=special)
    start = np.concatenate([[0], np.cumsum([len(e) for e in read])]).astype(np.int64)
    base = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    n = int(start[-1])
    owner = np.repeat(np.arange(len(texts)), np.diff(start))
    ids = np.fromiter(chain.from_iterable(e.ids for e in read), np.int64, n)
    added = np.fromiter(chain.from_iterable(e.special_tokens_mask for e in read), np.bool_, n)
    split = np.fromiter(
        (-1 if w is None else w for w in chain.from_iterable(e.word_ids for e in read)), np.int64, n
    )
    spans = np.fromiter(
        chain.from_iterable(chain.from_iterable(e.offsets for e in read)), np.int64, 2 * n
    ).reshape(-1, 2)
    begin = spans[:, 0] + base[owner]
    end = base[owner + 1]
    following = next_letter(codes)[np.minimum(begin, len(codes))]
    at = np.where(following < end, following, np.maximum(np.minimum(begin, end - 1), base[owner]))
    spaces = np.concatenate([[0], np.cumsum(is_space(codes))])
    new = np.ones(n, dtype=bool)
    new[1:] = (split[1:] != split[:-1]) | (spaces[at[1:]] != spaces[at[:-1]]) | (owner[1:] != owner[:-1])
    count = np.cumsum(new)
    unknown = np.zeros(n, dtype=bool) if tokenizer.unk_token_id is None else ids == tokenizer.unk_token_id
    parts = []
    for i in range(len(texts)):
        own = slice(int(start[i]), int(start[i + 1]))
        content = ~added[own]
        numbers = count[own] - (count[own][content].min() if content.any() else 0)
        parts.append(
            TextPieces(
                ids=ids[own],
                spans=spans[own],
                at=at[own] - base[i],
                words=np.where(content, numbers, -1),
                unknown=unknown[own] & content,
                special=added[own],
            )
        )
    return parts


def begin_piece(tokenizer: PreTrainedTokenizerBase, bos: BosRule) -> int | None:
    """The piece that is read before a text: the tokenizer's beginning-of-sequence piece, else its [CLS], else the
    first piece it puts in front itself; None without one.

    Raises ConfigError on an unknown rule and ModelError where one is asked for and there is none.
    """
    if bos not in get_args(BosRule):
        raise ConfigError(f"unknown bos {bos!r}; {did_you_mean(str(bos), get_args(BosRule))}")
    if bos == "without":
        return None
    for piece in (tokenizer.bos_token_id, tokenizer.cls_token_id, *pieces_in_front(tokenizer)):
        if isinstance(piece, int):
            return piece
    if bos == "with":
        raise ModelError(
            f"{type(tokenizer).__name__} has no piece that begins a text (bos_token or cls_token); use bos='without'"
        )
    return None


def pieces_in_front(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The special pieces that the tokenizer puts before a text."""
    encoding: Any = tokenizer.backend_tokenizer.encode("a", add_special_tokens=True)
    special = np.array(encoding.special_tokens_mask, dtype=bool)
    n = int(np.argmin(special)) if not special.all() else 0
    return tuple(int(piece) for piece in encoding.ids[:n])


def owned(pieces: TextPieces, spans: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    """Which piece belongs to which span, as pairs in the order of the pieces: by the piece's `at`."""
    ranges = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    inside = (pieces.at[:, None] >= ranges[:, 0]) & (pieces.at[:, None] < ranges[:, 1])
    inside &= ~pieces.special[:, None]
    piece, span = np.nonzero(inside)
    return piece, span


def common_prefix(sequences: Sequence[NDArray[Any]]) -> int:
    """How many entries at the beginning all sequences share."""
    n = min(len(sequence) for sequence in sequences)
    first = sequences[0][:n]
    for other in sequences[1:]:
        differs = np.flatnonzero(first[:n] != other[:n])
        n = int(differs[0]) if len(differs) else n
    return n


def _code_points(texts: Sequence[str]) -> Ints:
    try:
        return np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    except UnicodeEncodeError:
        for text in texts:
            for place, character in enumerate(text):
                if "\ud800" <= character <= "\udfff":
                    raise DataError(
                        f"text {text[:40]!a}: character {place + 1} is half of a surrogate pair "
                        f"(U+{ord(character):04X}), which no tokenizer can read; mend the text"
                    ) from None
        raise
