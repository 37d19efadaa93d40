"""At which pieces of a row an edit acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from probekit.errors import ConfigError, ModelError
from probekit.models.hooks.place import Reading

Positions: TypeAlias = int | Sequence[int] | slice | Callable[[torch.Tensor], torch.Tensor]
"""Numbers of pieces, counted in each row by itself (padding left aside, negative ones from its end); or a function of
the piece ids ``[batch, pieces]`` that gives a bool tensor of that shape. The start piece of a decoder counts."""


def chosen(positions: Positions, reading: Reading, states: torch.Tensor) -> torch.Tensor:
    """Where an edit acts: bool ``[batch, pieces]``.

    Raises ConfigError where a row has no such piece or the function gives something else, ModelError where there
    are no ids for the function to read.
    """
    shape = (int(states.shape[0]), int(states.shape[1]))
    if callable(positions):
        return _by_function(positions, reading, shape).to(states.device)
    out = torch.zeros(shape, dtype=torch.bool)
    mask = None if reading.mask is None or tuple(reading.mask.shape) != shape else reading.mask.bool().cpu()
    for row in range(shape[0]):
        own = torch.arange(shape[1]) if mask is None else torch.nonzero(mask[row])[:, 0]
        if isinstance(positions, slice):
            out[row, own[list(range(len(own)))[positions]]] = True
            continue
        for number in [positions] if isinstance(positions, int) else positions:
            if not -len(own) <= number < len(own):
                raise ConfigError(f"position {number} is beyond a row of {len(own)} pieces; ask for fewer")
            out[row, own[number]] = True
    return out.to(states.device)


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
