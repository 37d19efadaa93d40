"""What self-attention did in a pass: weights, and queries, keys and values where the family lets them be seen."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from probekit.errors import ModelError
from probekit.glossary import Layer

if TYPE_CHECKING:
    from probekit.models.model import Model

NAME = "probekit_attend"
Visit = Callable[[Layer, "Attended"], None]


@dataclass(frozen=True, eq=False)
class Attended:
    """Self-attention of one block, every head: row i of ``weights`` is how piece i attends to all pieces.

    ``weights`` is ``[batch, heads, pieces, pieces]``; ``queries``, ``keys`` and ``values`` are
    ``[batch, heads, pieces, dim of a head]``, keys and values repeated where heads share them, or None where the
    family computes them out of sight.
    """

    weights: torch.Tensor
    queries: torch.Tensor | None = None
    keys: torch.Tensor | None = None
    values: torch.Tensor | None = None


_CALLS: ContextVar[list[Callable[[Attended], None]] | None] = ContextVar("probekit_attend", default=None)
_LOCKS: weakref.WeakKeyDictionary[Model, threading.RLock] = weakref.WeakKeyDictionary()


def attend(
    model: Model,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None,
    visit: Visit,
    layers: str | int | Iterable[int | str] = "all",
    *,
    position_ids: torch.Tensor | None = None,
) -> None:
    """One pass in which `visit` is handed the attention of each layer asked for, from low to high, as it happens.

    Nothing is kept between layers. Edits in force are in force here. Raises ModelError where the model gives no
    attention, ConfigError on an unknown layer.
    """
    wanted = model.resolve_layers(layers, "heads")
    if model.start_piece is None and _dispatches(model):
        _by_interface(model, input_ids, attention_mask, visit, wanted, position_ids)
    else:
        _by_outputs(model, input_ids, attention_mask, visit, wanted, position_ids)


def _dispatches(model: Model) -> bool:
    """Whether the family looks its attention function up by name, so that ours can be called."""
    code = sys.modules[type(model.module).__module__]
    return hasattr(code, "eager_attention_forward") and hasattr(code, "ALL_ATTENTION_FUNCTIONS")


def _function(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    """The family's own eager attention, seen on the way."""
    code: Any = sys.modules[type(module).__module__]
    output, weights = code.eager_attention_forward(module, query, key, value, attention_mask, **kwargs)
    calls = _CALLS.get()
    if calls is not None:
        groups = query.shape[1] // key.shape[1]
        keys, values = (
            (key, value)
            if groups == 1
            else (key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1))
        )
        calls[0](Attended(weights, query, keys, values))
    return output, weights


AttentionInterface.register(NAME, _function)
AttentionMaskInterface.register(NAME, eager_mask)


@contextmanager
def _implementation(model: Model, name: str) -> Iterator[None]:
    """The model computes its attention by the function named, inside the block."""
    with _LOCKS.setdefault(model, threading.RLock()):
        before = model.module.config._attn_implementation
        model.module.set_attn_implementation(name)
        try:
            yield
        finally:
            model.module.set_attn_implementation(before)


@torch.no_grad()
def _by_interface(
    model: Model,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    visit: Visit,
    wanted: tuple[Layer, ...],
    position_ids: Any,
) -> None:
    number = 0

    def seen(attended: Attended) -> None:
        nonlocal number
        number += 1
        if str(number) in wanted:
            visit(str(number), attended)

    own = {} if position_ids is None else {"position_ids": position_ids}
    token = _CALLS.set([seen])
    try:
        with _implementation(model, NAME):
            model.stacks[0].run((), input_ids=ids, attention_mask=mask, **own)
    finally:
        _CALLS.reset(token)
    if number != model.stacks[0].blocks:
        raise ModelError(
            f"{model.name}: {number} attentions came by in {model.stacks[0].blocks} blocks; it cannot be read"
        )


@torch.no_grad()
def _by_outputs(
    model: Model,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    visit: Visit,
    wanted: tuple[Layer, ...],
    position_ids: Any,
) -> None:
    raise ModelError(f"{model.name}: the attention of {model.family} cannot be read yet")
