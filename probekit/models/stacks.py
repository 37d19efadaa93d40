"""One stack of blocks inside a model: which layers it has, and how their states are had from one pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from probekit.errors import ModelError
from probekit.glossary import Layer
from probekit.models.hooks.force import suspended


@dataclass(frozen=True, eq=False)
class Stack:
    """A stack of ``blocks`` blocks, called through ``module``; its layers' names begin with ``prefix``.

    ``final`` says whether a final norm changes the last block's output. ``tap`` is the last block itself
    where transformers hands that output out only after the norm, as its older families do.
    """

    prefix: str
    module: Any
    field: str
    blocks: int
    final: bool
    tap: nn.Module | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The names of the layers, from low to high."""
        numbers = tuple(f"{self.prefix}{number}" for number in range(self.blocks + 1))
        return (*numbers, f"{self.prefix}final") if self.final else numbers

    def run(self, layers: Sequence[Layer], **inputs: Any) -> tuple[Any, dict[Layer, torch.Tensor]]:
        """One pass: what transformers gives, and the states of the layers named, ``[batch, pieces, dim]``.

        transformers is told which layers to keep and frees the others on the way.
        """
        wanted = [layer for layer in self.layers if layer in layers]
        last = f"{self.prefix}{self.blocks}"
        tapped = self.tap if last in wanted else None
        numbers = {
            layer: int(layer.removeprefix(self.prefix))
            for layer in wanted
            if not layer.endswith("final") and not (tapped and layer == last)
        }
        if hasattr(self.module.config, "use_cache"):
            inputs["use_cache"] = False
        with _outputs_of([tapped] if tapped else []) as seen:
            output = self.module(
                **inputs, output_hidden_states=list(numbers.values()) or None, return_dict=True
            )
        states = {}
        for layer in wanted:
            if layer in numbers:
                states[layer] = getattr(output, self.field)[numbers[layer]]
            else:
                states[layer] = output.last_hidden_state if layer.endswith("final") else seen[0]
        return output, states


def vocabulary(module: PreTrainedModel) -> int:
    """How many pieces the embedding has rows for."""
    embedding: Any = module.get_input_embeddings()
    return int(embedding.weight.shape[0])


def find_stacks(module: PreTrainedModel, start_piece: int | None) -> tuple[tuple[Stack, ...], int]:
    """The stacks of a model and the width of its states, seen in one pass over four pieces.

    Raises ModelError where a model does not give one state of one width per piece and layer.
    """
    rows = vocabulary(module)
    ids = torch.tensor([[5, 6, 7, 8]], device=module.device) % rows
    with suspended(), torch.no_grad():
        if start_piece is None:
            stacks = [_look("", module, "hidden_states", input_ids=ids)]
        else:
            encoder: Any = module.get_encoder()
            encoded = encoder(input_ids=ids, return_dict=True)
            stacks = [
                _look("encoder.", encoder, "hidden_states", input_ids=ids),
                _look(
                    "decoder.",
                    module,
                    "decoder_hidden_states",
                    encoder_outputs=encoded,
                    decoder_input_ids=ids,
                ),
            ]
    widths = {width for _, width in stacks}
    if len(widths) > 1:
        raise ModelError(
            f"{type(module).__name__}: encoder and decoder have different widths {sorted(widths)}"
        )
    return tuple(stack for stack, _ in stacks), widths.pop()


def _look(prefix: str, module: Any, field: str, **inputs: torch.Tensor) -> tuple[Stack, int]:
    """Whether there is a final norm is looked at, not looked up: it is where the last two states differ."""
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList) and len(part)]
    ends = {id(part): part[-1] for part in lists}
    with _outputs_of(ends.values()) as seen:
        output = module(**inputs, output_hidden_states=True, return_dict=True)
    hidden: Any = getattr(output, field, None) or ()
    last = output.last_hidden_state
    shapes = sorted({tuple(state.shape) for state in hidden})
    if len(shapes) != 1 or shapes[0][:2] != (1, 4):
        raise ModelError(
            f"{type(module).__name__}: its layers have the shapes {shapes}; "
            "probekit needs one state of one width per piece and layer"
        )
    blocks = len(hidden) - 1
    tap = None
    raw = hidden[-1]
    if torch.equal(raw, last):
        # either no final norm, or a family that shows its last block only behind it
        outputs = [
            (part[-1], state)
            for part in lists
            if len(part) == blocks
            and isinstance(state := seen[list(ends).index(id(part))], torch.Tensor)
            and state.shape == last.shape
        ]
        if outputs and not any(torch.equal(state, last) for _, state in outputs):
            tap, raw = outputs[0]
    final = raw.shape == last.shape and not torch.equal(raw, last)
    return Stack(prefix, module, field, blocks, final, tap), int(shapes[0][-1])


@contextmanager
def _outputs_of(modules: Any) -> Iterator[list[Any]]:
    """What each module gave last inside the block, in this thread; None for one that was not called."""
    parts = list(modules)
    seen: list[Any] = [None] * len(parts)
    thread = threading.get_ident()

    def keep(number: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                seen[number] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [part.register_forward_hook(keep(number)) for number, part in enumerate(parts)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
