"""Which inputs go through the model together: order by length, shards, batches. Pure arithmetic on lengths.

Everything here is a function of the lengths and of numbers in the recipe, so an extraction that was
interrupted composes the same batches when it goes on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def order_by_length(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Input numbers, longest first, equal lengths in corpus order: what needs most memory comes first.

    >>> order_by_length(np.array([3, 9, 3])).tolist()
    [1, 0, 2]
    """
    return np.argsort(-lengths.astype(np.int64), kind="stable")


def cut_shards(rows_per_input: NDArray[Any], rows_per_shard: int) -> list[tuple[int, int]]:
    """Cut inputs, in their order, into consecutive runs of about `rows_per_shard` rows; an input is never
    cut.

    >>> cut_shards(np.array([2, 2, 3, 1]), 4)
    [(0, 2), (2, 4)]
    """
    before = np.cumsum(rows_per_input) - rows_per_input
    starts = np.flatnonzero(np.diff(before // rows_per_shard, prepend=-1))
    stops = [*starts[1:].tolist(), len(rows_per_input)]
    return list(zip(starts.tolist(), stops, strict=True))


def cut_batches(lengths: NDArray[Any], pieces_per_batch: int) -> list[tuple[int, int]]:
    """Cut inputs, longest first, into runs of one length with at most `pieces_per_batch` pieces (or one
    input).

    Equal lengths need neither padding nor a mask, so no model can be disturbed by them; mixing near lengths
    where a length is rare was tried and saved nothing measurable.

    >>> cut_batches(np.array([5, 5, 5, 4]), 10)
    [(0, 2), (2, 3), (3, 4)]
    """
    cuts: list[tuple[int, int]] = []
    edges = np.flatnonzero(np.diff(lengths, prepend=-1))
    for start, stop in zip(edges.tolist(), [*edges[1:].tolist(), len(lengths)], strict=True):
        room = max(1, pieces_per_batch // max(1, int(lengths[start])))
        cuts += [(begin, min(begin + room, stop)) for begin in range(start, stop, room)]
    return cuts
