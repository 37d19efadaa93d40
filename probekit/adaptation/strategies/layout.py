"""Where the parameters of a body lie: in which block, below the blocks, or above them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from probekit.adaptation.live import Live
from probekit.errors import ConfigError, ModelError
from probekit.models.hooks.sites import find_place


@dataclass(frozen=True, eq=False)
class Layout:
    """``blocks`` from low to high. ``above`` are parameters that only the states after the last block depend on
    (a final norm); ``below`` are all others outside the blocks (embeddings).
    """

    blocks: tuple[nn.Module, ...]
    below: tuple[nn.Parameter, ...]
    above: tuple[nn.Parameter, ...]


def find_layout(live: Live) -> Layout:
    """The layout of a body, seen in one pass. Raises ModelError where the blocks cannot be seen."""
    blocks = find_blocks(live)
    inside = {id(parameter) for block in blocks for parameter in block.parameters()}
    outside = [parameter for parameter in live.body.parameters() if id(parameter) not in inside]
    asked = [parameter.requires_grad for parameter in outside]
    stack = live.model.stacks[0]
    last = f"{stack.prefix}{stack.blocks}"
    ids = torch.tensor([[5, 6, 7, 8]], device=live.model.device) % live.model.vocabulary
    for parameter in outside:
        parameter.requires_grad_(True)
    with torch.enable_grad():
        output, states = stack.run([last], input_ids=ids)
        before = _reached(states[last], outside)
        after = _reached(output.last_hidden_state, outside)
    for parameter, trained in zip(outside, asked, strict=True):
        parameter.requires_grad_(trained)
    above = [late and not early for early, late in zip(before, after, strict=True)]
    return Layout(
        blocks,
        tuple(p for p, late in zip(outside, above, strict=True) if not late),
        tuple(p for p, late in zip(outside, above, strict=True) if late),
    )


def find_blocks(live: Live) -> tuple[nn.Module, ...]:
    """The blocks of the stack that is read, from low to high. Raises ModelError where they cannot be seen."""
    stack = live.model.stacks[0]
    layers = [f"{stack.prefix}{number}" for number in range(1, stack.blocks + 1)]
    try:
        return tuple(find_place(live.model, layer, "hidden").module for layer in layers)
    except ModelError as problem:
        raise ModelError(
            f"{live.model.name}: a strategy that goes by blocks is impossible for this model (family "
            f"{live.model.family!r}): its blocks cannot be seen one by one, as where they share their weights; take "
            "'full', 'bitfit' or 'lora'"
        ) from problem


def _reached(state: torch.Tensor, parameters: list[nn.Parameter]) -> list[bool]:
    if not parameters:
        return []
    found = torch.autograd.grad(state.sum(), parameters, retain_graph=True, allow_unused=True)
    return [gradient is not None for gradient in found]


def how_many(name: str, asked: object, blocks: int) -> int:
    """A number of upper blocks: "half" of them, or a whole number from 1 to all. Raises ConfigError."""
    if asked == "half":
        return max(1, blocks // 2)
    if isinstance(asked, bool) or not isinstance(asked, int) or not 1 <= asked <= blocks:
        raise ConfigError(
            f"strategy {name!r}: k is 'half' or 1 to {blocks}, the number of blocks; got {asked!r}"
        )
    return asked


@contextmanager
def drawing(live: Live) -> Iterator[None]:
    """What is drawn inside depends on the seed of the live model alone; torch's global state is left as it was."""
    cuda = [live.model.device] if torch.device(live.model.device).type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(live.seed)
        yield
