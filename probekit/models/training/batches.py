"""Texts become pieces, and pieces become batches in an order that seed and epoch alone decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from probekit.errors import DataError
from probekit.models.training.config import BatchPlan
from probekit.models.training.text import Span
from probekit.models.training.tokenizer import boundaries

Array = np.ndarray[Any, Any]
TEXTS_AT_ONCE = 1000


@dataclass(frozen=True)
class Batch:
    """`ids` int64[rows, pieces], nothing padded; `marks` bool of that shape where words were marked."""

    ids: Array
    marks: Array | None = None


@dataclass(frozen=True)
class Pieces:
    """Texts one behind another: piece numbers, where each text starts (and the end), which pieces are marked.

    Every text stands between the piece that begins a text and the one that ends it; where these are the same
    piece, it stands once between two texts.
    """

    ids: Array
    starts: Array
    marks: Array | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Array:
        """Pieces of each text."""
        lengths: Array = np.diff(self.starts)
        return lengths

    def text(self, number: int) -> Array:
        """The pieces of one text."""
        part: Array = self.ids[self.starts[number] : self.starts[number + 1]]
        return part


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], marks: Sequence[Sequence[Span]] = ()
) -> Pieces:
    """The pieces of texts; a piece is marked where it shares a letter with a marked span."""
    begin, end = boundaries(tokenizer)
    closing = [] if begin == end else [end]
    ids: list[Array] = []
    marked: list[Array] = []
    engine: Any = tokenizer
    for first in range(0, len(texts), TEXTS_AT_ONCE):
        some = list(texts[first : first + TEXTS_AT_ONCE])
        coded = engine(some, add_special_tokens=False, return_offsets_mapping=bool(marks), verbose=False)
        for number, row in enumerate(coded["input_ids"]):
            ids.append(np.array([begin, *row, *closing], dtype=np.int32))
            if marks:
                spans = marks[first + number]
                touched = [
                    any(start < stop and start < e and b < stop for b, e in spans)
                    for start, stop in coded["offset_mapping"][number]
                ]
                marked.append(np.array([False, *touched, *([False] * len(closing))]))
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    return Pieces(np.concatenate(ids), starts, np.concatenate(marked) if marks else None)


class Batches:
    """The batches of an epoch, in an order that is a function of seed and epoch: any of them can be made again.

    Packed: the texts of the epoch in a random order, one behind another, cut into rows of exactly `length`
    pieces; what is left over at the end is not read in that epoch. Not packed: a text a row, rows of one length
    together, shorter batches where a length runs out; texts longer than `length` are left out and counted.

    Raises DataError where there is less than one batch.
    """

    def __init__(self, pieces: Pieces, plan: BatchPlan, seed: int) -> None:
        self.pieces, self.plan, self.seed = pieces, plan, seed
        lengths = pieces.lengths
        fits = np.ones(len(lengths), bool) if plan.pack else (lengths <= plan.length) & (lengths > 2)
        self.kept = np.flatnonzero(fits)
        self.left_out = int((~fits).sum())
        self.rows = max(1, plan.pieces // plan.length)
        available = int(lengths[fits].sum())
        least = self.rows * plan.length if plan.pack else plan.pieces
        if available < least:
            long = f" ({self.left_out:,} texts are longer than batches.length)" if self.left_out else ""
            raise DataError(
                f"the corpus is smaller than one batch: {available:,} pieces to train on{long}, and a batch holds "
                f"{least:,}; give more text, or a smaller batches.pieces"
            )
        self.available = available
        self.per_epoch = (
            available // least
            if plan.pack
            else sum(-(-n // r) for _, n, r in self._groups(lengths[self.kept]))
        )

    def _groups(self, lengths: Array) -> list[tuple[int, int, int]]:
        """Length, number of texts, and rows of a batch."""
        found, counts = np.unique(lengths, return_counts=True)
        return [
            (int(n), int(c), max(1, self.plan.pieces // int(n))) for n, c in zip(found, counts, strict=True)
        ]

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the one numbered `skip` (from 0) on."""
        generator = np.random.default_rng([self.seed, number])
        order = generator.permutation(self.kept)
        return self._packed(order, skip) if self.plan.pack else self._apart(order, generator, skip)

    def _packed(self, order: Array, skip: int) -> Iterator[Batch]:
        starts, lengths = self.pieces.starts[order], self.pieces.lengths[order]
        ends = np.cumsum(lengths)
        size = self.rows * self.plan.length
        for number in range(skip, self.per_epoch):
            low, high = number * size, (number + 1) * size
            first, last = np.searchsorted(ends, [low, high - 1], side="right")
            index = np.concatenate(
                [np.arange(starts[i], starts[i] + lengths[i]) for i in range(first, last + 1)]
            )
            begun = low - (ends[first] - lengths[first])
            yield self._batch(index[begun : begun + size].reshape(self.rows, self.plan.length))

    def _apart(self, order: Array, generator: np.random.Generator, skip: int) -> Iterator[Batch]:
        lengths = self.pieces.lengths[order]
        groups = []
        for length, _, rows in self._groups(lengths):
            same = order[lengths == length]
            groups += [(length, same[i : i + rows]) for i in range(0, len(same), rows)]
        for place in generator.permutation(len(groups))[skip:]:
            length, texts = groups[place]
            yield self._batch(self.pieces.starts[texts][:, None] + np.arange(length))

    def _batch(self, index: Array) -> Batch:
        marks = None if self.pieces.marks is None else self.pieces.marks[index]
        return Batch(self.pieces.ids[index].astype(np.int64), marks)
