"""Pooling: from the states of pieces to one row per unit, vectorised over a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

Pooler: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def piece_ranges(first: NDArray[Any], stop: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers ``first[i] ... stop[i]-1`` of every range, one after the other, and where each range
    begins.

    >>> numbers, begins = piece_ranges(np.array([4, 0]), np.array([6, 1]))
    >>> numbers.tolist(), begins.tolist()
    ([4, 5, 0], [0, 2])
    """
    lengths = (stop - first).astype(np.int64)
    begins = np.zeros(len(lengths), np.int64)
    np.cumsum(lengths[:-1], out=begins[1:])
    return np.arange(lengths.sum()) + np.repeat(first - begins, lengths), begins


def make_pooler(
    first: NDArray[Any], stop: NDArray[Any], pool: str, device: str | torch.device = "cpu"
) -> Pooler:
    """A function that pools states ``[pieces, dim]`` into rows ``[units, dim]``, float32 like its input.

    Unit i covers the pieces ``first[i] ... stop[i]-1`` (ranges may overlap, none is empty). ``pool``:
    ``first`` and ``last`` take one piece, ``mean`` and ``max`` all of them. Made once per batch, used for
    each of its layers.

    >>> states = torch.tensor([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0]])
    >>> make_pooler(np.array([0, 2]), np.array([2, 3]), "mean")(states).tolist()
    [[2.0, 5.0], [5.0, 5.0]]
    """

    def on_device(numbers: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.int64)).to(device)

    if pool in ("first", "last") or bool(np.all(stop - first == 1)):
        chosen = on_device(stop - 1 if pool == "last" else first)
        return lambda states: states.index_select(0, chosen)
    numbers, begins = (on_device(part) for part in piece_ranges(first, stop))
    bag = torch.nn.functional.embedding_bag
    if pool == "max":
        return lambda states: bag(numbers, states, begins, mode="max")
    # a sum divided afterwards: embedding_bag's own mean is seven times slower
    lengths = on_device(stop - first).to(torch.float32).unsqueeze(1)
    return lambda states: bag(numbers, states, begins, mode="sum").div_(lengths)
