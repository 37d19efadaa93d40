"""Slow plain twins of what this room computes in one go: cuts by enumeration, values zeroed one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from probekit.models import Model


def smallest_cut(steps: np.ndarray[Any, Any], source: int, sink: list[int]) -> float:
    """The smallest cut between a node at the top and a group of nodes at the bottom, over all cuts there are."""
    layers, pieces, _ = steps.shape
    inner = [(layer, piece) for layer in range(layers + 1) for piece in range(pieces)]
    inner.remove((layers, source))
    free = [node for node in inner if node[0] > 0 or node[1] not in sink]
    best = np.inf
    for chosen in itertools.product((False, True), repeat=len(free)):
        side = {node for node, taken in zip(free, chosen, strict=True) if taken} | {(layers, source)}
        cut = sum(
            steps[layer, upper, lower]
            for layer in range(layers)
            for upper in range(pieces)
            for lower in range(pieces)
            if (layer + 1, upper) in side and (layer, lower) not in side
        )
        best = min(best, cut)
    return float(best)


def value_columns(model: Model, block: int) -> tuple[torch.nn.Module, slice | None]:
    """The map that makes the values of a block, and which of its outputs are values (None: all)."""
    module: Any = model.module
    if model.family in ("bert", "roberta"):
        return module.encoder.layer[block].attention.self.value, None
    if model.family == "gpt2":
        return module.h[block].attn.c_attn, slice(2 * model.dim, None)
    if model.family == "llama":
        return module.layers[block].self_attn.v_proj, None
    if model.family == "distilbert":
        return module.transformer.layer[block].attention.v_lin, None
    raise AssertionError(model.family)


def zeroed_by_hooks(model: Model, ids: torch.Tensor, layer: int) -> np.ndarray[Any, Any]:
    """Cosine distances ``[pieces, pieces zeroed]`` of a block's outputs, one whole pass for each piece."""
    clean = model.states(ids, None, [layer])[str(layer)][0].double()
    module, columns = value_columns(model, layer - 1)
    found = np.zeros((ids.shape[1], ids.shape[1]))
    for piece in range(ids.shape[1]):

        def zero(_module: Any, _inputs: Any, output: torch.Tensor, at: int = piece) -> torch.Tensor:
            changed = output.clone()
            changed[:, at, columns or slice(None)] = 0
            return changed

        handle = module.register_forward_hook(zero)
        try:
            other = model.states(ids, None, [layer])[str(layer)][0].double()
        finally:
            handle.remove()
        products = (clean * other).sum(-1) / (clean.norm(dim=-1) * other.norm(dim=-1))
        found[:, piece] = (1 - products).numpy()
    return found
