"""Bottleneck adapters of our own: what a part of a block gives, plus a narrow two-layer map of it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import drawing
from probekit.adaptation.strategies.parts import NotMergeable, PlainTuning, no_options
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Site
from probekit.models.hooks.sites import find_place

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
INSERTED = "bottleneck"
"""The name under which an adapter hangs on the module whose output it changes."""


class Bottleneck(nn.Module):
    """``h + up(activation(down(h)))``; ``up`` begins as zeros, so that at first the output is the input exactly."""

    def __init__(self, dim: int, size: int, activation: str) -> None:
        super().__init__()
        self.down = nn.Linear(dim, size)
        self.activation = ACTIVATIONS[activation]()
        self.up = nn.Linear(size, dim)
        with torch.no_grad():
            self.down.weight.normal_(std=0.02)
            for zeroed in (self.down.bias, self.up.weight, self.up.bias):
                zeroed.zero_()

    def forward(self, states: Tensor) -> Tensor:
        """States [..., dim] changed."""
        changed: Tensor = states + self.up(self.activation(self.down(states)))
        return changed


class Adapters(PlainTuning):
    """A bottleneck behind each of the sites of every block; nothing else of the body is trained."""

    def __init__(self, name: str, sites: tuple[Site, ...], reduction: float, activation: str) -> None:
        self.name, self.sites, self.reduction, self.activation = name, sites, reduction, activation
        self.handles: list[Any] = []

    def prepare(self, live: Live) -> None:
        """Freeze the body; hang an adapter on each place. Raises ModelError where a place is not known."""
        model, stack = live.model, live.model.stacks[0]
        layers = [f"{stack.prefix}{number}" for number in range(1, stack.blocks + 1)]
        places = [find_place(model, layer, site).module for layer in layers for site in self.sites]
        live.body.requires_grad_(False)
        size = max(1, int(model.dim / self.reduction))
        with drawing(live):
            for module in places:
                adapter = Bottleneck(model.dim, size, self.activation)
                like = next(module.parameters())
                module.add_module(INSERTED, adapter.to(like.device, like.dtype))
                self.handles.append(module.register_forward_hook(_adapt))

    def remove(self, live: Live) -> None:
        """Take the adapters out again: the body is what it was."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        for module in list(live.body.modules()):
            module._modules.pop(INSERTED, None)

    def merge(self, live: Live) -> None:
        """Raises NotMergeable: a bend in the middle folds into no weight."""
        raise NotMergeable(
            f"strategy {self.name!r}: bottleneck adapters do not fold into the weights of {live.model.name}; "
            "save them with save(), or use 'lora' where a plain model is needed"
        )


def _adapt(module: nn.Module, _args: Any, output: Tensor) -> Tensor:
    changed: Tensor = module.get_submodule(INSERTED)(output)
    return changed


def make_adapters(name: str, sites: tuple[Site, ...], options: dict[str, Any], activation: str) -> Adapters:
    """Adapters with the options ``reduction`` (16: width of the states through width of the bottleneck) and
    ``activation``. Raises ConfigError.
    """
    no_options(name, options, ("reduction", "activation"))
    reduction = options.get("reduction", 16)
    if isinstance(reduction, bool) or not isinstance(reduction, int | float) or not 0 < reduction < math.inf:
        raise ConfigError(f"strategy {name!r}: reduction is a number above 0; got {reduction!r}")
    asked = options.get("activation", activation)
    if asked not in ACTIVATIONS:
        raise ConfigError(
            f"strategy {name!r}: no activation {asked!r}; {did_you_mean(str(asked), ACTIVATIONS)}"
        )
    return Adapters(name, sites, reduction, asked)
