"""Where the sites of a model are: its blocks by observation, the parts of a block by the families table."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.glossary import SITES, Layer, Site
from probekit.models.families import FAMILIES
from probekit.models.hooks.force import suspended
from probekit.models.hooks.place import Place

if TYPE_CHECKING:
    from probekit.models.model import Model
    from probekit.models.stacks import Stack

Blocks = dict[str, tuple[nn.Module, ...]]

_FOUND: weakref.WeakKeyDictionary[Model, Blocks] = weakref.WeakKeyDictionary()
_LOCK = threading.RLock()


def check_site(site: str) -> Site:
    """The site itself. Raises ConfigError, naming the nearest that exists."""
    if site not in SITES:
        raise ConfigError(f"unknown site {site!r}; {did_you_mean(str(site), SITES)}")
    return site  # type: ignore[return-value]


def has_site(layer: Layer, site: Site) -> bool:
    """Whether a layer has a site: layer 0 and ``final`` are no blocks, and have ``hidden`` alone."""
    return site == "hidden" or layer.rpartition(".")[2] not in ("0", "final")


def find_place(model: Model, layer: Layer, site: Site) -> Place:
    """Where the states of a layer (a canonical name) pass by. Raises ModelError where that is not known."""
    stack = next(stack for stack in model.stacks if layer in stack.layers)
    last = layer.removeprefix(stack.prefix)
    if last == "final":
        return Place(layer, site, stack.module, "end", stack)
    blocks = _blocks(model)[stack.prefix]
    number = int(last)
    if site == "hidden":
        if number == 0:
            return Place(layer, site, blocks[0], "before", stack)
        return Place(layer, site, blocks[number - 1], "after", stack)
    part = _part(model, blocks, number - 1, stack, site)
    if site == "attention_output":
        return Place(layer, site, part, "after", stack)
    return Place(layer, site, part, "before", stack, n_heads(model, stack))


def n_heads(model: Model, stack: Stack) -> int:
    """How many attention heads a block of a stack has. Raises ModelError where the configuration does not say."""
    config: Any = model.module.config
    names = ["num_attention_heads"]
    if stack.prefix:
        names.insert(0, f"{stack.prefix[:-1]}_attention_heads")
    for name in names:
        number = getattr(config, name, None)
        if isinstance(number, int) and number > 0:
            return number
    raise ModelError(f"{model.name}: the configuration of {model.family} names no number of attention heads")


def _part(model: Model, blocks: tuple[nn.Module, ...], number: int, stack: Stack, site: Site) -> nn.Module:
    """The projection of a block that a site lies before or behind."""
    family = FAMILIES.get(model.family)
    path = family and (family.mlp if site == "mlp" else family.attention)
    if not path:
        raise ModelError(
            f"{model.name}: where a block of the family {model.family!r} has the site {site!r} is not known; say it "
            f"with probekit.register_family({model.family!r}, attention=..., mlp=...): the paths, inside one block, "
            "of the output projection of self-attention and of the down projection"
        )
    config: Any = model.module.config
    if site == "mlp" and getattr(config, "chunk_size_feed_forward", None):
        raise ModelError(
            f"{model.name}: it reads a row in chunks before its down projection, so that site 'mlp' is never seen "
            "whole; set chunk_size_feed_forward to 0 in its config.json"
        )
    for way in path.split(","):
        found = _follow(blocks[number], way.strip())
        if found is not None:
            return found
    raise ModelError(
        f"{model.name}: block {stack.prefix}{number + 1} ({type(blocks[number]).__name__}) has no part {path!r}, "
        f"which the families table names for {model.family!r}; correct it with probekit.register_family"
    )


def _follow(block: nn.Module, path: str) -> nn.Module | None:
    """The part of a block at a path; None where there is none."""
    found: Any = block
    for step in path.split("."):
        if isinstance(found, nn.ModuleList) and step.lstrip("-").isdigit():
            found = found[int(step)] if -len(found) <= int(step) < len(found) else None
        else:
            found = getattr(found, step, None)
    return found if isinstance(found, nn.Module) else None


def _blocks(model: Model) -> Blocks:
    with _LOCK:
        if model not in _FOUND:
            with suspended(), torch.no_grad():
                _FOUND[model] = _find_blocks(model)
        return _FOUND[model]


def _find_blocks(model: Model) -> Blocks:
    """The blocks of every stack: the list whose members give, one after the other, what the layers are."""
    ids = torch.tensor([[5, 6, 7, 8]], device=model.module.device) % model.vocabulary
    found: Blocks = {}
    inputs: dict[str, Any] = {"input_ids": ids}
    for stack in model.stacks:
        lists = [
            tuple(part)
            for part in stack.module.modules()
            if isinstance(part, nn.ModuleList) and len(part) == stack.blocks
        ]
        output, states, seen = _watch(stack, [block for part in lists for block in part], inputs)
        for part in lists:
            gave = [seen.get(block, [(None, None)]) for block in part]
            if all(len(calls) == 1 for calls in gave) and _is_path(
                stack, states, [calls[0] for calls in gave]
            ):
                found[stack.prefix] = part
                break
        else:
            raise ModelError(
                f"{model.name}: the blocks of {type(stack.module).__name__} cannot be seen as modules that give one "
                "layer each (blocks that share their weights are one module), so that no edit or "
                "site inside them can be had"
            )
        inputs = {"encoder_outputs": output, "decoder_input_ids": ids}
    return found


def _watch(
    stack: Stack, blocks: Iterable[nn.Module], inputs: dict[str, Any]
) -> tuple[Any, dict[Layer, torch.Tensor], dict[nn.Module, list[tuple[Any, Any]]]]:
    """One pass: what the stack gives, its layers, and for each block what it was given and gave, call by call."""
    thread = threading.get_ident()
    seen: dict[nn.Module, list[tuple[Any, Any]]] = {}

    def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            given = args[0] if args else kwargs.get("hidden_states")
            seen.setdefault(module, []).append(
                (given, output[0] if isinstance(output, tuple | list) else output)
            )

    handles = [block.register_forward_hook(keep, with_kwargs=True) for block in blocks]
    try:
        output, states = stack.run(stack.layers, **inputs)
    finally:
        for handle in handles:
            handle.remove()
    return output, states, seen


def _is_path(stack: Stack, states: dict[Layer, torch.Tensor], calls: list[tuple[Any, Any]]) -> bool:
    passed = [calls[0][0], *(gave for _, gave in calls)]
    return all(
        isinstance(state, torch.Tensor)
        and state.shape == states[f"{stack.prefix}{number}"].shape
        and torch.equal(state, states[f"{stack.prefix}{number}"])
        for number, state in enumerate(passed)
    )
