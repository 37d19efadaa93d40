"""What happens to a sentence with more pieces than a model reads: cut it, or read it in windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probekit.models.pieces import Ints, Pieces


@dataclass(frozen=True)
class Inputs:
    """What the model reads. Input i is ``take[start[i]:start[i + 1]]``, places in the flat array of pieces.

    A word stands in input ``word_input`` (-1: in none) at ``word_first:word_stop``.
    """

    take: Ints
    start: Ints
    sentence: Ints
    word_input: Ints
    word_first: Ints
    word_stop: Ints
    long_sentences: int


def cut(pieces: Pieces, limit: int | None, *, window: bool) -> Inputs:
    """Make inputs of at most ``limit`` pieces, special pieces included, and find every word's place in them.

    A longer sentence is read from its beginning until the limit, or (``window``) in windows that overlap by
    half, each with the special pieces around it; a word is taken from the window in whose middle it stands
    best. A word that no input holds whole stands in none.
    """
    lengths = np.diff(pieces.start)
    owner = np.repeat(np.arange(len(lengths)), np.diff(pieces.word_start))
    spans: dict[int, _Windows] = {}
    if limit is not None:
        spans = {int(s): _windows(pieces, int(s), limit, window) for s in np.flatnonzero(lengths > limit)}
    inputs_of = (lengths > 0).astype(np.int64)
    for s, windows in spans.items():
        inputs_of[s] = len(windows.begin)
    input_start = np.concatenate([[0], np.cumsum(inputs_of)])

    word_input = input_start[:-1][owner]
    word_first = pieces.first - pieces.start[:-1][owner]
    word_stop = pieces.stop - pieces.start[:-1][owner]
    for s, windows in spans.items():
        words = slice(int(pieces.word_start[s]), int(pieces.word_start[s + 1]))
        which, shift = windows.place(word_first[words], word_stop[words])
        word_input[words] = np.where(which < 0, -1, input_start[s] + which)
        word_first[words] -= shift
        word_stop[words] -= shift
    absent = (pieces.stop <= pieces.first) | (word_input < 0)
    take, sizes = _take(pieces, spans)
    return Inputs(
        take=take,
        start=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        sentence=np.repeat(np.arange(len(lengths)), inputs_of),
        word_input=np.where(absent, -1, word_input),
        word_first=np.where(absent, 0, word_first),
        word_stop=np.where(absent, 0, word_stop),
        long_sentences=len(spans),
    )


@dataclass(frozen=True)
class _Windows:
    """The windows over one sentence: ``begin[k]:end[k]``, counted from its first plain piece."""

    begin: Ints
    end: Ints
    before: int
    """Special pieces in front."""
    after: int
    """Special pieces behind."""

    def place(self, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """The most central window of each word (-1: none holds it whole), and how far its places move."""
        which = np.full(len(first), -1)
        best = np.full(len(first), -1)
        for number, (begin, end) in enumerate(zip(self.begin, self.end, strict=True)):
            room = np.minimum(first - self.before - begin, end - (stop - self.before))
            better = room > best
            which[better] = number
            best[better] = room[better]
        return which, np.where(which < 0, 0, self.begin[which])


def _windows(pieces: Pieces, sentence: int, limit: int, window: bool) -> _Windows:
    special = pieces.special[pieces.start[sentence] : pieces.start[sentence + 1]]
    inside = np.flatnonzero(~special)
    before, after = int(inside[0]), int(len(special) - 1 - inside[-1])
    content = len(special) - before - after
    room = max(1, limit - before - after)
    begin = np.array([0])
    if window:
        begin = np.append(np.arange(0, content - room, max(1, room // 2)), content - room)
    return _Windows(begin, begin + room, before, after)


def _take(pieces: Pieces, spans: dict[int, _Windows]) -> tuple[Ints, Ints]:
    """The places of all pieces in reading order, and the length of every input."""
    lengths = np.diff(pieces.start)
    if not spans:
        return np.arange(int(pieces.start[-1])), lengths[lengths > 0]
    parts: list[Ints] = []
    sizes: list[Ints] = []
    done = 0
    for s, window in sorted(spans.items()):
        parts.append(np.arange(pieces.start[done], pieces.start[s]))
        sizes.append(lengths[done:s][lengths[done:s] > 0])
        low, high = int(pieces.start[s]), int(pieces.start[s + 1])
        front, back = np.arange(low, low + window.before), np.arange(high - window.after, high)
        for begin, end in zip(window.begin, window.end, strict=True):
            middle = np.arange(low + window.before + begin, low + window.before + end)
            parts += [front, middle, back]
            sizes.append(np.array([len(front) + len(middle) + len(back)]))
        done = s + 1
    parts.append(np.arange(pieces.start[done], pieces.start[-1]))
    sizes.append(lengths[done:][lengths[done:] > 0])
    return np.concatenate(parts), np.concatenate(sizes)
