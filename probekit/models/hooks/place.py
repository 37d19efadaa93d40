"""One place inside a model where states pass by, and the hook that reads or replaces them there."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from probekit.errors import ModelError
from probekit.glossary import Layer, Site

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from probekit.models.stacks import Stack

Act = Callable[[torch.Tensor], torch.Tensor]
"""What is done with the states that pass by; the very same tensor back means that nothing is replaced."""


@dataclass(frozen=True, eq=False)
class Place:
    """``module`` is where the hook sits: on what it is given, on what it gives, or on the end of the stack."""

    layer: Layer
    site: Site
    module: nn.Module
    when: Literal["before", "after", "end"]
    stack: Stack
    heads: int = 1

    def same(self, other: Place) -> bool:
        """Whether both see the same tensor."""
        return self.module is other.module and self.when == other.when

    def attach(self, act: Act, *, first: bool) -> RemovableHandle:
        """Let `act` see, and replace, what passes by. With `first` it comes before every hook that is there,
        transformers' own recording included."""
        if self.when == "before":
            return self.module.register_forward_pre_hook(_before(act), prepend=first, with_kwargs=True)
        return self.module.register_forward_hook(
            _after(act) if self.when == "after" else _end(act), prepend=first
        )

    def shaped(self, state: torch.Tensor, reading: Reading, *, flat: bool = False) -> torch.Tensor:
        """The states as ``[batch, pieces, dim]``, at heads ``[batch, pieces, heads, dim of a head]``.

        Some families lay all pieces of a batch in one row before a linear map; they are put back. Raises
        ModelError where they cannot be told apart.
        """
        if state.ndim != 3:
            shape = reading.shape
            if shape is None or math.prod(shape) != math.prod(state.shape[:-1]):
                raise ModelError(
                    f"layer {self.layer}, site {self.site!r}: states of shape {list(state.shape)} pass by, and "
                    "[batch, pieces, dim] is needed; load the model with attention='sdpa' or 'eager'"
                )
            state = state.reshape(*shape, state.shape[-1])
        if self.site != "heads" or flat:
            return state
        if state.shape[-1] % self.heads:
            raise ModelError(
                f"layer {self.layer}: {state.shape[-1]} dimensions do not make {self.heads} equal heads"
            )
        return state.reshape(*state.shape[:-1], self.heads, -1)


@dataclass
class Reading:
    """What a stack reads in the pass that is going on: piece ids and mask ``[batch, pieces]``, where it has them."""

    ids: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    shape: tuple[int, int] | None = None

    def attach(self, stack: Stack, heeded: Callable[[], bool] = lambda: True) -> RemovableHandle:
        """Keep this up to date with every pass of a stack in this thread that is to be heeded."""
        thread = threading.get_ident()
        front = "decoder_" if stack.prefix == "decoder." else ""
        names = list(inspect.signature(stack.module.forward).parameters)

        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if threading.get_ident() != thread or not heeded():
                return
            given = dict(zip(names, args, strict=False)) | kwargs
            self.ids = given.get(f"{front}input_ids")
            embedded = given.get(f"{front}inputs_embeds")
            mask = given.get(f"{front}attention_mask")
            shown = embedded if self.ids is None else self.ids
            self.shape = None if shown is None else (int(shown.shape[0]), int(shown.shape[1]))
            fits = isinstance(mask, torch.Tensor) and tuple(mask.shape) == self.shape
            self.mask = mask if fits else None

        handle: RemovableHandle = stack.module.register_forward_pre_hook(hook, prepend=True, with_kwargs=True)
        return handle


def _before(act: Act) -> Any:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            new = act(args[0])
            return None if new is args[0] else ((new, *args[1:]), kwargs)
        name = "hidden_states" if "hidden_states" in kwargs else next(iter(kwargs))
        new = act(kwargs[name])
        return None if new is kwargs[name] else (args, {**kwargs, name: new})

    return hook


def _after(act: Act) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple | list):
            new = act(output[0])
            return None if new is output[0] else type(output)((new, *output[1:]))
        new = act(output)
        return None if new is output else new

    return hook


def _end(act: Act) -> Any:
    after = _after(act)

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return after(module, args, output)
        new = act(output.last_hidden_state)
        if new is not output.last_hidden_state:
            output.last_hidden_state = new
        return None

    return hook
