"""What happens to a sentence with more pieces than a model reads: cut it, refuse it, or read it in windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from probekit.glossary import LengthPolicy
from probekit.models.pieces import Pieces


@dataclass(frozen=True)
class Inputs:
    """What the model reads. Input i is ``take[start[i]:start[i + 1]]``, places in the flat array of pieces.

    A word stands in input ``word_input`` (-1: in none) at ``word_first:word_stop``.
    """

    take: Int[ndarray, " total"]
    start: Int[ndarray, " inputs_1"]
    sentence: Int[ndarray, " inputs"]
    word_input: Int[ndarray, " words"]
    word_first: Int[ndarray, " words"]
    word_stop: Int[ndarray, " words"]
    too_long: int


def cut(
    pieces: Pieces, limit: int | None, policy: LengthPolicy, refuse: Callable[[int, int], Exception]
) -> Inputs:
    """Make inputs of at most ``limit`` pieces, special pieces included, and find every word's place in them.

    ``truncate`` reads the beginning; ``window`` reads windows that overlap by half, each with the special pieces
    around it, and takes a word from the window in whose middle it stands best; ``error`` raises what
    ``refuse(sentence, pieces)`` makes. A word that no input holds whole stands in none.
    """
    lengths = np.diff(pieces.start)
    owner = np.repeat(np.arange(len(lengths)), np.diff(pieces.word_start))
    long = np.flatnonzero(lengths > limit) if limit is not None else np.zeros(0, dtype=np.int64)
    if len(long) and policy == "error":
        raise refuse(int(long[0]), int(lengths[long[0]]))
    assert limit is not None or not len(long)

    spans = {int(s): _windows(pieces, int(s), int(limit or 0), policy) for s in long}
    inputs_of = (lengths > 0).astype(np.int64)
    inputs_of[long] = [len(spans[int(s)].begin) for s in long]
    input_start = np.concatenate([[0], np.cumsum(inputs_of)])

    word_input = input_start[:-1][owner]
    word_first = pieces.first - pieces.start[:-1][owner]
    word_stop = pieces.stop - pieces.start[:-1][owner]
    for s in long:
        words = slice(int(pieces.word_start[s]), int(pieces.word_start[s + 1]))
        which, shift = spans[int(s)].place(word_first[words], word_stop[words])
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
        too_long=len(long),
    )


@dataclass(frozen=True)
class _Windows:
    """The windows over one sentence: content pieces ``begin[k]:end[k]``, counted from its first content piece."""

    begin: Int[ndarray, " windows"]
    end: Int[ndarray, " windows"]
    before: int
    """Special pieces in front."""
    after: int
    content: int

    def place(
        self, first: Int[ndarray, " words"], stop: Int[ndarray, " words"]
    ) -> tuple[Int[ndarray, " words"], Int[ndarray, " words"]]:
        """The most central window of each word (-1: none holds it whole), and how far its places move."""
        which = np.full(len(first), -1)
        best = np.full(len(first), -1)
        for number, (begin, end) in enumerate(zip(self.begin, self.end, strict=True)):
            room = np.minimum(first - self.before - begin, end - (stop - self.before))
            better = room > best
            which[better] = number
            best[better] = room[better]
        return which, np.where(which < 0, 0, self.begin[which])


def _windows(pieces: Pieces, sentence: int, limit: int, policy: LengthPolicy) -> _Windows:
    special = pieces.special[pieces.start[sentence] : pieces.start[sentence + 1]]
    inside = np.flatnonzero(~special)
    before, after = int(inside[0]), int(len(special) - 1 - inside[-1])
    content = len(special) - before - after
    room = max(1, limit - before - after)
    if policy == "truncate":
        begin = np.array([0])
    else:
        steps = np.arange(0, content - room, max(1, room // 2))
        begin = np.append(steps, content - room)
    return _Windows(begin, begin + room, before, after, content)


def _take(
    pieces: Pieces, spans: dict[int, _Windows]
) -> tuple[Int[ndarray, " total"], Int[ndarray, " inputs"]]:
    """The places of all pieces in reading order, and the length of every input."""
    lengths = np.diff(pieces.start)
    if not spans:
        return np.arange(int(pieces.start[-1])), lengths[lengths > 0]
    parts: list[Int[ndarray, " part"]] = []
    sizes: list[Int[ndarray, " part"]] = []
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
