"""From texts and spans to what a scorer looks at: which state of which input says how likely which piece is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from probekit.errors import DataError
from probekit.models.pieces import Ints
from probekit.models.scoring.asks import EMPTY_TEXT, NO_PIECE, TOO_LONG, UNKNOWN_PIECE, Answer, Ask
from probekit.models.scoring.pieces import TextPieces, common_prefix, owned, read_pieces

NATS_PER_BIT = math.log(2)


@dataclass(frozen=True, eq=False)
class Asked:
    """Asks as pieces, ask after ask: ``piece[i]`` and ``span[i]`` pair the pieces of ask i that are to be scored
    with the numbers of the spans they count for.

    ``left_out`` is the reason why an ask is not scored ("" where it is), ``n_unknown`` how many unknown pieces
    stand outside its spans.
    """

    sizes: tuple[int, ...]
    pieces: list[TextPieces]
    sources: list[str]
    n_spans: list[int]
    piece: list[Ints]
    span: list[Ints]
    left_out: list[str]
    n_unknown: list[int]


@dataclass(frozen=True, eq=False)
class Queries:
    """What a scorer looks at. ``inputs`` are the distinct piece sequences that the model reads (the decoder of an
    encoder-decoder, whose encoder reads the ``sources`` at the same places).

    Each query is one row of ``input``, ``position``, ``target``, ``ask`` and ``span``: the state at ``position`` of
    the input gives a distribution over pieces, and minus the logarithm of what it gives to ``target`` counts for that
    span of that ask (asks are numbered through all groups). Equal rows of input, position and target occur where
    spans overlap or texts are alike.
    """

    asked: Asked
    inputs: list[NDArray[np.int32]]
    input: Ints
    position: Ints
    target: Ints
    ask: Ints
    span: Ints
    sources: list[NDArray[np.int32]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.input)

    def about(self, chosen: NDArray[np.bool_]) -> tuple[Queries, NDArray[np.bool_]]:
        """The queries about some of the inputs, and which of all queries they are."""
        rows = chosen[self.input]
        numbers = np.cumsum(chosen) - 1
        kept = np.flatnonzero(chosen)
        part = Queries(
            asked=self.asked,
            inputs=[self.inputs[i] for i in kept],
            input=numbers[self.input[rows]],
            position=self.position[rows],
            target=self.target[rows],
            ask=self.ask[rows],
            span=self.span[rows],
            sources=[self.sources[i] for i in kept] if self.sources else [],
        )
        return part, rows

    def answers(self, logprob: NDArray[np.float64]) -> list[list[Answer]]:
        """Log-probabilities of the queries, in nats, summed up to surprisals in bits."""
        asked = self.asked
        start = np.concatenate([[0], np.cumsum(asked.n_spans)]).astype(np.int64)
        place = start[self.ask] + self.span
        bits = -np.bincount(place, weights=logprob, minlength=int(start[-1])) / NATS_PER_BIT + 0.0
        counts = np.bincount(place, minlength=int(start[-1]))
        flat = []
        for i, reason in enumerate(asked.left_out):
            own = slice(int(start[i]), int(start[i + 1]))
            if reason:
                empty = np.full(asked.n_spans[i], np.nan)
                flat.append(Answer(empty, np.zeros(asked.n_spans[i], np.int64), reason, asked.n_unknown[i]))
            else:
                flat.append(Answer(bits[own], counts[own], "", asked.n_unknown[i]))
        ends = np.cumsum(asked.sizes)
        return [flat[end - size : end] for end, size in zip(ends, asked.sizes, strict=True)]


class QueryList:
    """Gathers queries while a scorer walks over asks; equal inputs are kept once."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.inputs: list[NDArray[np.int32]] = []
        self.sources: list[NDArray[np.int32]] = []
        self._known: dict[Any, int] = {}
        self._rows: list[tuple[Any, Any, Any, int, Any]] = []

    def number(self, ids: NDArray[np.int32], source: NDArray[np.int32] | None = None) -> int:
        """The number of an input, new or known."""
        key = (ids.tobytes(), b"" if source is None else source.tobytes())
        found = self._known.setdefault(key, len(self.inputs))
        if found == len(self.inputs):
            self.inputs.append(ids)
            if source is not None:
                self.sources.append(source)
        return found

    def add(self, inputs: Any, position: Ints, target: Ints, ask: int, span: Ints) -> None:
        """Queries of one ask; ``inputs`` is one input number or one for each."""
        self._rows.append((np.broadcast_to(inputs, len(position)), position, target, ask, span))

    def done(self) -> Queries:
        def joined(column: int) -> Ints:
            return np.concatenate([np.zeros(0, np.int64), *(row[column] for row in self._rows)]).astype(
                np.int64
            )

        lengths = [len(row[1]) for row in self._rows]
        asks = np.array([row[3] for row in self._rows], dtype=np.int64)
        return Queries(
            asked=self.asked,
            inputs=self.inputs,
            input=joined(0),
            position=joined(1),
            target=joined(2),
            ask=np.repeat(asks, np.array(lengths, dtype=np.int64)),
            span=joined(4),
            sources=self.sources,
        )


def read_asks(
    tokenizer: PreTrainedTokenizerBase,
    groups: Sequence[Sequence[Ask]],
    *,
    special: bool = False,
    room: int | None = None,
    skip_first: bool = False,
    shared_prefix_cancels: bool = False,
) -> Asked:
    """Asks as pieces. ``room`` is how many pieces of a text can be read, its special ones included (as many as the
    tokenizer adds where ``special``); with ``skip_first`` the first piece is not scored.

    Equal texts are read once. Raises DataError where a span is not inside its text.
    """
    asks = [ask for group in groups for ask in group]
    numbers: dict[str, int] = {}
    which = [numbers.setdefault(ask.text, len(numbers)) for ask in asks]
    read = read_pieces(tokenizer, list(numbers), special=special)
    asked = Asked(
        tuple(len(group) for group in groups), [read[i] for i in which], [ask.source for ask in asks],
        [len(ask.spans) for ask in asks], [], [], [], [],
    )  # fmt: skip
    for ask, pieces in zip(asks, asked.pieces, strict=True):
        _check_spans(ask)
        piece, span = owned(pieces, ask.spans)
        reason = ""
        n_unknown = int(pieces.unknown.sum())
        content = int((~pieces.special).sum())
        if skip_first and content:
            piece, span = piece[piece > 0], span[piece > 0]
        if not content:
            reason = EMPTY_TEXT
        elif room is not None and len(pieces) > room:
            reason = TOO_LONG
        elif n_unknown and pieces.unknown[piece].any():
            reason = UNKNOWN_PIECE
        if reason in ("", UNKNOWN_PIECE) and len(np.unique(span)) < len(ask.spans):
            reason = NO_PIECE
        if n_unknown:
            n_unknown -= int(pieces.unknown[np.unique(piece)].sum())
        asked.piece.append(piece[:0] if reason else piece)
        asked.span.append(span[:0] if reason else span)
        asked.left_out.append(reason)
        asked.n_unknown.append(n_unknown)
    if shared_prefix_cancels:
        _cancel(asked)
    return asked


def _cancel(asked: Asked) -> None:
    """Leave the pieces unscored that every text of a group begins with, where each is asked for as a whole."""
    end = 0
    for size in asked.sizes:
        own = range(end, end + size)
        end += size
        whole = all(
            not asked.left_out[i]
            and asked.n_spans[i] == 1
            and len(asked.piece[i]) >= len(asked.pieces[i]) - 1  # the first may have no context
            for i in own
        )
        if size < 2 or not whole or len({asked.sources[i] for i in own}) > 1:
            continue
        shared = common_prefix([asked.pieces[i].ids for i in own])
        for i in own:
            kept = asked.piece[i] >= shared
            asked.piece[i], asked.span[i] = asked.piece[i][kept], asked.span[i][kept]


def _check_spans(ask: Ask) -> None:
    for begin, end in ask.spans:
        if not 0 <= begin <= end <= len(ask.text):
            raise DataError(
                f"the span {begin}:{end} is not inside the {len(ask.text)} characters of {ask.text[:60]!r}"
            )
