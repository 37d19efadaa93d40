"""At which pieces of a row an edit acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any, TypeAlias

import torch

from probekit.errors import ConfigError, ModelError
from probekit.models.hooks.place import Reading

Positions: TypeAlias = int | Sequence[int] | slice | Callable[[torch.Tensor], torch.Tensor]
"""Numbers of pieces, counted in each row by itself (padding left aside, negative ones from its end); or a function of
the piece ids ``[batch, pieces]`` that gives a bool tensor of that shape. The start piece of a decoder counts."""


def checked(positions: Any) -> tuple[int, ...] | slice | Callable[[torch.Tensor], torch.Tensor] | None:
    """Positions in one form, numbers as a tuple. Raises ConfigError for anything else."""
    if positions is None or isinstance(positions, slice) or callable(positions):
        found: slice | Callable[[torch.Tensor], torch.Tensor] | None = positions
        return found
    try:
        return (index(positions),)
    except TypeError:
        pass
    try:
        return tuple(index(number) for number in positions)
    except TypeError:
        raise ConfigError(
            f"positions must be a number, numbers, a slice or a function of the piece ids, not {positions!r}"
        ) from None


def chosen(positions: Positions, reading: Reading, states: torch.Tensor) -> torch.Tensor:
    """Where an edit acts: bool ``[batch, pieces]``.

    Raises ConfigError where a row has no such piece or the function gives something else, ModelError where there
    are no ids for the function to read.
    """
    shape = (int(states.shape[0]), int(states.shape[1]))
    if callable(positions):
        return _by_function(positions, reading, shape).to(states.device)
    if reading.mask is None or tuple(reading.mask.shape) != shape:
        row = torch.zeros(1, shape[1], dtype=torch.bool)
        row[0, _of_row(positions, shape[1])] = True
        return row.expand(shape).to(states.device)
    out = torch.zeros(shape, dtype=torch.bool)
    for number, own in enumerate(reading.mask.bool().cpu()):
        places = torch.nonzero(own)[:, 0]
        out[number, places[_of_row(positions, len(places))]] = True
    return out.to(states.device)


def _of_row(positions: int | Sequence[int] | slice, pieces: int) -> list[int]:
    """The numbers of the pieces, from 0, that are meant in a row of so many."""
    if isinstance(positions, slice):
        return list(range(pieces))[positions]
    numbers = [positions] if isinstance(positions, int) else list(positions)
    for number in numbers:
        if not -pieces <= number < pieces:
            raise ConfigError(f"position {number} is beyond a row of {pieces} pieces; ask for fewer")
    return [number % pieces for number in numbers]


def _by_function(
    positions: Callable[[torch.Tensor], torch.Tensor], reading: Reading, shape: tuple[int, int]
) -> torch.Tensor:
    if reading.ids is None:
        raise ModelError("positions are a function of the piece ids, and this pass reads none; give numbers")
    found = positions(reading.ids)
    if not isinstance(found, torch.Tensor) or found.dtype != torch.bool or tuple(found.shape) != shape:
        shown = (
            f"{found.dtype} {list(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
        )
        raise ConfigError(f"positions gave {shown}; they must give a bool tensor {list(shape)}")
    return found
