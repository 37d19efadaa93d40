"""What self-attention did in a pass: weights, and queries, keys and values where the family lets them be seen.

Families that look their attention function up by name are given one of ours, which calls the family's own eager
function and watches; nothing is kept between layers. The others are asked for ``output_attentions``. Which way a
model goes, and that rows of its weights add up to 1, is tried on the model once, never assumed.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from probekit.errors import ModelError
from probekit.glossary import Layer
from probekit.models.hooks.edit import active_edits
from probekit.models.hooks.force import suspended

if TYPE_CHECKING:
    from probekit.models.model import Model
    from probekit.models.stacks import Stack

NAME = "probekit_attend"
Visit: TypeAlias = "Callable[[Layer, Attended], None]"
Seen: TypeAlias = Callable[[Any, Any, Any, Any, Any], None]


@dataclass(frozen=True, eq=False)
class Attended:
    """Self-attention of one block, every head: row i of ``weights`` is how piece i attends to all pieces.

    ``weights`` is ``[batch, heads, pieces, pieces]``; ``queries``, ``keys`` and ``values`` are
    ``[batch, heads, pieces, dim of a head]``, keys and values repeated where heads share them, or None where the
    family computes them out of sight. A decoder of an encoder-decoder reads a start piece in front of the text, which
    is its piece 0 here. Rows of pieces under a padding mask say nothing; columns of such pieces are 0. ``visible``,
    bool and of a shape that broadcasts to that of ``weights``, says which pieces may be looked at; None where not seen.
    """

    weights: torch.Tensor
    queries: torch.Tensor | None = None
    keys: torch.Tensor | None = None
    values: torch.Tensor | None = None
    visible: torch.Tensor | None = None


_CALLS: ContextVar[Seen | None] = ContextVar("probekit_attend", default=None)
CHANGE: ContextVar[Callable[[torch.Tensor], torch.Tensor] | None] = ContextVar(
    "probekit_values", default=None
)
"""What is made of the values in a watched pass (`attention_edits.changed_values`)."""
_LOCKS: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_BY_NAME: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_BEFORE: dict[int, str] = {}
"""Under which name a configuration (by its id) computed its attention when ours took the place."""


def attend(
    model: Model,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None,
    visit: Visit,
    layers: str | int | Iterable[int | str] = "all",
    *,
    position_ids: torch.Tensor | None = None,
    whole: bool = True,
) -> None:
    """One pass in which `visit` is handed the attention of each layer asked for, from low to high, as it happens.

    ``input_ids`` and ``attention_mask`` are ``[batch, pieces]``, as for `Model.states`. Layers are blocks, ``"1"`` and
    up, in encoder-decoders ``"encoder.1"`` and ``"decoder.1"``: self-attention alone. Nothing is kept between layers
    where the family looks its attention up by name. Edits in force are in force here. Without `whole` the pass may end
    as soon as the last of these layers was seen; where edits are in force it does not.

    Raises ModelError where the model gives no attention of this shape, ConfigError on an unknown layer.
    """
    wanted = model.resolve_layers(layers, "heads")
    run = _watched if looked_up_by_name(model) else _told

    def visit_to_the_last(layer: Layer, attended: Attended) -> None:
        visit(layer, attended)
        if layer == wanted[-1]:
            raise _Enough

    if whole or run is _told or active_edits(model):
        _pass(run, model, input_ids, attention_mask, visit, wanted, position_ids)
        return
    with suppress(_Enough):
        _pass(run, model, input_ids, attention_mask, visit_to_the_last, wanted, position_ids)


def attentions(
    model: Model,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    layers: str | int | Iterable[int | str] = "all",
    *,
    position_ids: torch.Tensor | None = None,
) -> dict[Layer, torch.Tensor]:
    """The attention weights of the layers named, each ``[batch, heads, pieces, pieces]``, rows look.

    They are those of transformers' own eager implementation, whatever implementation the model was loaded with. For
    more than a few sentences take an analysis that streams (`pk.head_statistics`) instead. Arguments and errors as
    for `attend`.

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> pk.attentions(model, ids, layers=[1, 6])["6"].shape
    torch.Size([1, 12, 7, 7])
    """
    found: dict[Layer, torch.Tensor] = {}

    def keep(layer: Layer, attended: Attended) -> None:
        found[layer] = attended.weights

    attend(model, input_ids, attention_mask, keep, layers, position_ids=position_ids)
    return found


def looked_up_by_name(model: Model) -> bool:
    """Whether the family looks its attention function up by name: tried on four pieces, once per model."""
    with _LOCKS.setdefault(model.module, threading.RLock()):
        if model.module not in _BY_NAME:
            _BY_NAME[model.module] = _try(model)
        return _BY_NAME[model.module]


def _try(model: Model) -> bool:
    """Try both ways on four pieces, and what comes of it. Raises ModelError where neither way gives the weights."""
    ids = torch.tensor([[5, 6, 7, 8]], device=model.module.device) % model.vocabulary
    wanted = model.resolve_layers("all", "heads")

    def check(layer: Layer, attended: Attended) -> None:
        sums = attended.weights.double().sum(-1)
        if sums.isnan().any():
            raise ModelError(
                f"{model.name}: the attention weights of layer {layer} are NaN; the checkpoint may be broken"
            )
        off = float((sums - 1).abs().max())
        if not off < (1e-4 if attended.weights.dtype == torch.float32 else 3e-2):
            raise ModelError(
                f"{model.name}: rows of the attention weights of layer {layer} add up to "
                f"{float(sums.min()):.3g} ... {float(sums.max()):.3g} and not to 1; {model.family} cannot be read"
            )

    with suspended():
        plain = _pass(_unseen, model, ids, None, check, wanted, None)
        if "eager_attention_forward" in vars(sys.modules[type(model.module).__module__]):
            try:
                _same(model, plain, _pass(_watched, model, ids, None, check, wanted, None))
                return True
            except _OtherNumber:
                pass
        _same(model, plain, _pass(_told, model, ids, None, check, wanted, None))
    return False


def _same(model: Model, plain: list[torch.Tensor], looked: list[torch.Tensor]) -> None:
    """Raise ModelError where a model gives other states when its attention is looked at.

    Falcon of transformers 5 forgets its causal mask when it is asked for weights under sdpa.
    """
    for one, other in zip(plain, looked, strict=True):
        largest, off = float(one.abs().max()), float((one.double() - other.double()).abs().max())
        if not off <= (1e-4 if one.dtype == torch.float32 else 5e-2) * max(1.0, largest):
            raise ModelError(
                f"{model.name}: {model.family} gives other states when its attention is looked at (off by {off:.2g} "
                f"under {model.module.config._attn_implementation!r}); load it with attention='eager'"
            )


class _Enough(Exception):
    """What is left of a pass is of no use."""


class _OtherNumber(ModelError):
    """Not one attention per block came by."""


@torch.no_grad()
def _pass(
    run: Callable[..., Any],
    model: Model,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    visit: Visit,
    wanted: tuple[Layer, ...],
    position_ids: torch.Tensor | None,
) -> list[torch.Tensor]:
    """One pass of the stacks that hold the layers wanted, as `Model.states` makes it; the last state of each."""
    if model.start_piece is None:
        own = {} if position_ids is None else {"position_ids": position_ids}
        inputs = {"input_ids": ids, "attention_mask": mask, **own}
        return [run(model, model.stacks[0], visit, wanted, inputs).last_hidden_state]
    encoder, decoder = model.stacks
    encoded = run(model, encoder, visit, wanted, {"input_ids": ids, "attention_mask": mask})
    states = [encoded.last_hidden_state]
    if not set(wanted).isdisjoint(decoder.layers):
        pad = torch.nn.functional.pad
        inputs = {
            "encoder_outputs": encoded,
            "attention_mask": mask,
            "decoder_input_ids": pad(ids, (1, 0), value=model.start_piece),
            "decoder_attention_mask": None if mask is None else pad(mask, (1, 0), value=1),
        }
        states.append(run(model, decoder, visit, wanted, inputs).last_hidden_state)
    return states


def _unseen(
    model: Model, stack: Stack, visit: Visit, wanted: tuple[Layer, ...], inputs: dict[str, Any]
) -> Any:
    """Run a stack without looking; what it gives."""
    return stack.run((), **inputs)[0]


def _watched(
    model: Model, stack: Stack, visit: Visit, wanted: tuple[Layer, ...], inputs: dict[str, Any]
) -> Any:
    """Run a stack with our function in the place of its attention; what the stack gives."""
    number = 0

    def seen(weights: Any, query: Any, key: Any, value: Any, mask: Any) -> None:
        nonlocal number
        if weights.shape[-1] != weights.shape[-2]:
            return  # a decoder looking at the encoder: it has a start piece more, so this is never square
        number += 1
        layer = f"{stack.prefix}{number}"
        if layer in wanted:
            groups = query.shape[1] // key.shape[1]
            if groups > 1:
                key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
            token = _CALLS.set(None)  # what a visitor runs is not ours to count
            try:
                visit(layer, Attended(weights, query, key, value, _visible(weights, mask)))
            finally:
                _CALLS.reset(token)

    with _ours(model):
        token = _CALLS.set(seen)
        try:
            output, _ = stack.run((), **inputs)
        finally:
            _CALLS.reset(token)
    if number != stack.blocks:
        raise _OtherNumber(
            f"{model.name}: {number} attentions came by in the {stack.blocks} blocks of {model.family}; "
            "heads of layers cannot be told apart"
        )
    return output


def _told(model: Model, stack: Stack, visit: Visit, wanted: tuple[Layer, ...], inputs: dict[str, Any]) -> Any:
    """Run a stack that is asked for its attentions, all of which it holds until it ends; what the stack gives."""
    try:
        output, _ = stack.run((), **inputs, output_attentions=True)
    except TypeError as error:
        raise ModelError(f"{model.name}: {model.family} gives no attention ({error})") from error
    field = "decoder_attentions" if stack.prefix == "decoder." else "attentions"
    found = getattr(output, field, None) or ()
    if len(found) != stack.blocks or not all(isinstance(one, torch.Tensor) for one in found):
        eager = model.module.config._attn_implementation == "eager"
        hint = (
            "it has no attention that could be looked at"
            if eager
            else "load it with attention='eager', and if it says this again it has none"
        )
        raise ModelError(
            f"{model.name}: {model.family} gives {len(found)} attentions for {stack.blocks} blocks; {hint}"
        )
    ids = inputs["decoder_input_ids" if stack.prefix == "decoder." else "input_ids"]
    for number, weights in enumerate(found, start=1):
        layer = f"{stack.prefix}{number}"
        if weights.ndim != 4 or (weights.shape[0], *weights.shape[2:]) != (*ids.shape, ids.shape[1]):
            raise ModelError(
                f"{model.name}: the attention of layer {layer} has the shape {list(weights.shape)}, and "
                f"[batch, heads, pieces, pieces] is needed for {list(ids.shape)} pieces; {model.family} cannot be read"
            )
        if layer in wanted:
            visit(layer, Attended(weights))
    return output


@contextmanager
def ready_to_attend(model: Model) -> Iterator[None]:
    """Inside the block `attend` needs no preparation of its own: worth it where many passes follow each other."""
    with _ours(model) if looked_up_by_name(model) else nullcontext():
        yield


@contextmanager
def _ours(model: Model) -> Iterator[None]:
    """The model looks its attention up under our name inside the block, and under its own again behind it.

    Passes of the same model in other threads go on computing as before: our function hands them on.
    """
    config: Any = model.module.config
    with _LOCKS.setdefault(model.module, threading.RLock()):
        before = config._attn_implementation
        if before == NAME:  # a visitor that attends to the model it was handed
            yield
            return
        for part in _configs(model):
            _BEFORE[id(part)] = part._attn_implementation
        model.module.set_attn_implementation(NAME)
        try:
            yield
        finally:
            model.module.set_attn_implementation(before)


def _configs(model: Model) -> list[Any]:
    """The configurations that parts of a model look names up in."""
    found = {
        id(config): config for part in model.module.modules() if (config := getattr(part, "config", None))
    }
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]


def _function(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> Any:
    """The family's own eager attention, watched; in threads that do not watch, what was in force before."""
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    if eager is None:
        raise ModelError(f"{type(module).__name__} has no eager attention, so its weights cannot be seen")
    calls = _CALLS.get()
    if calls is None:
        former = ALL_ATTENTION_FUNCTIONS.get_interface(_before(getattr(module, "config", None)), eager)
        return former(module, query, key, value, attention_mask, **kwargs)
    change = CHANGE.get()
    value = value if change is None else change(value)
    output, weights = eager(module, query, key, value, attention_mask, **kwargs)
    calls(weights, query, key, value, attention_mask)
    return output, weights


def _visible(weights: torch.Tensor, mask: Any) -> torch.Tensor | None:
    """Which pieces may be looked at, of a mask that is added to scores, or of none."""
    if mask is None:
        return torch.ones((1, 1, 1, 1), dtype=torch.bool, device=weights.device).expand(
            1, 1, *weights.shape[2:]
        )
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4:
        return None
    mask = mask[..., : weights.shape[-1]]
    seen: torch.Tensor = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return seen


def _mask(*args: Any, **kwargs: Any) -> Any:
    """The mask that goes with `_function`."""
    if _CALLS.get() is not None:
        return eager_mask(*args, **kwargs)
    return ALL_MASK_ATTENTION_FUNCTIONS[_before(kwargs.get("config"))](*args, **kwargs)


def _before(config: Any) -> str:
    return _BEFORE.get(id(config), "eager")


AttentionInterface.register(NAME, _function)
AttentionMaskInterface.register(NAME, _mask)
