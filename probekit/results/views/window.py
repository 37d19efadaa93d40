"""What of a long text a view carries: a window of pieces, then the heads that look most sharply at pieces farther away.

A browser draws a line for every weight, so a text of 400 pieces would be a page of 50 MB that nobody can scroll.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError

Array = NDArray[Any]


@dataclass(frozen=True)
class Room:
    """How much a view has room for: pieces, numbers in all, and the pieces below which heads are given up instead."""

    pieces: int
    numbers: int
    floor: int = 32


ROOMS = {
    "head": Room(pieces=96, numbers=900_000),
    "model": Room(pieces=64, numbers=160_000),
    "neuron": Room(pieces=48, numbers=700_000),
}
"""All lines of a model view stand on the page at once, those of a head view one layer at a time."""


def room_for(view: str, n_pieces: int, n_heads: int, dim: int = 0) -> int:
    """How many pieces a view of `n_heads` heads (of all layers together) carries.

    >>> room_for("head", 400, 72), room_for("head", 12, 72), room_for("head", 400, 384)
    (96, 12, 48)
    """
    room = ROOMS[view]
    each = room.numbers / max(1, n_heads)  # n * n weights and 2 * n * dim numbers of queries and keys
    fitting = math.floor(math.sqrt(each + dim * dim) - dim)
    return min(n_pieces, room.pieces, max(room.floor, fitting))


def choose_pieces(
    n_pieces: int, room: int, special: Collection[int] = (), sentence_b: int | None = None, start: int = 0
) -> Array:
    """The numbers of the pieces in the window, int64, ascending: every special piece, and then the pieces from `start`
    on until the window is full; of two texts, each has half of it, or more where the other needs less.

    Special pieces are kept because most heads give them most of their weight. Raises ConfigError for a `start` that
    is no piece.

    >>> choose_pieces(10, 5, special=(0, 9)).tolist()
    [0, 1, 2, 3, 9]
    >>> choose_pieces(12, 7, special=(0, 5, 11), sentence_b=6).tolist()
    [0, 1, 2, 5, 6, 7, 11]
    """
    if not 0 <= start < max(1, n_pieces):
        raise ConfigError(
            f"the window cannot start at piece {start}: the text has pieces 0 to {n_pieces - 1}"
        )
    if n_pieces <= room:
        return np.arange(n_pieces)
    kept = sorted(number for number in special if 0 <= number < n_pieces)[:room]
    left = room - len(kept)
    border = n_pieces if sentence_b is None else sentence_b
    first = [number for number in range(start, border) if number not in kept]
    second = [number for number in range(max(border, start), n_pieces) if number not in kept]
    half = max(left - len(second), min(len(first), math.ceil(left / 2)))
    return np.array(sorted([*kept, *first[:half], *second[: max(0, left - half)]]), dtype=np.int64)


def choose_heads(view: str, weights: Array, special: Collection[int] = (), dim: int = 0) -> Array:
    """Which heads are carried, bool ``[layers, heads]``: as many as there is room for, the largest `reach` first.

    ``weights`` is ``[layers, heads, pieces, pieces]``, ``dim`` the width of queries and keys where they are carried
    too. Equal heads: the lower layer, then the lower number.
    """
    layers, heads, n, _ = weights.shape
    room = int(ROOMS[view].numbers // max(1, n * n + 2 * n * dim))
    kept = np.zeros(layers * heads, dtype=bool)
    kept[np.argsort(-reach(weights, special).reshape(-1), kind="stable")[: max(1, room)]] = True
    return kept.reshape(layers, heads)


def reach(weights: Array, special: Collection[int] = ()) -> Array:
    """How sharply each head looks beyond what lies next to a piece, float64 ``[layers, heads]``.

    The largest weight that a piece of the text gives to one piece of the text that is neither itself nor beside it,
    averaged over the pieces that look; special pieces neither look nor are looked at. NaN counts as 0.

    >>> weights = np.array([[[[0.2, 0.1, 0.4, 0.3], [0, 1, 0, 0], [0.6, 0, 0.4, 0], [0.9, 0, 0, 0.1]]]])
    >>> reach(weights, special=[3]).tolist()
    [[0.3333333333333333]]
    """
    n = weights.shape[-1]
    text = np.array([number not in set(special) for number in range(n)], dtype=bool)
    if not text.any():
        text = np.ones(n, dtype=bool)
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) > 1
    given = np.nan_to_num(weights[:, :, text].astype(np.float64)) * (apart & text)[text]
    found: Array = given.max(-1).mean(-1)
    return found


def told_window(
    n_pieces: int,
    chosen: Array,
    n_special: int,
    start: int = 0,
    two: bool = False,
    *,
    verb: str = "Shown",
    gone: float | None = None,
) -> str:
    """The window in a sentence; "" where all pieces are in it. ``gone``: the share of weight that leaves it.

    >>> told_window(10, np.array([0, 1, 2, 3, 9]), 2)
    'Shown: 5 of 10 pieces: the first 3 of the text and 2 special ones. What goes to the others is not there.'
    """
    if len(chosen) == n_pieces:
        return ""
    which = f"the first {len(chosen) - n_special} of the text"
    if start:
        which = f"{len(chosen) - n_special} of the text from piece {start} on"
    elif two:
        which = f"{len(chosen) - n_special} from the beginnings of the two texts"
    special = f" and {n_special} special {'one' if n_special == 1 else 'ones'}" if n_special else ""
    share = "" if gone is None else f" ({gone:.0%} of all weight of these pieces)"
    others = f"What goes to the others{share} is not there."
    return f"{verb}: {len(chosen)} of {n_pieces:,} pieces: {which}{special}. {others}"


def told_heads(kept: Array) -> str:
    """What heads are carried, in a sentence; "" where all are.

    >>> told_heads(np.array([[True, False]]))
    'Carried: 1 of 2 heads, those that look most sharply at pieces farther away.'
    """
    if kept.all():
        return ""
    return f"Carried: {int(kept.sum())} of {kept.size:,} heads, those that look most sharply at pieces farther away."
