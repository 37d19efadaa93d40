"""Which linear maps of a block make queries, keys and values."""

from __future__ import annotations

from torch import nn
from transformers.pytorch_utils import Conv1D

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import find_blocks
from probekit.errors import ModelError

QUERY = ("query", "q_proj", "q_lin", "q", "query_proj")
KEY = ("key", "k_proj", "k_lin", "k", "key_proj")
VALUE = ("value", "v_proj", "v_lin", "v", "value_proj")
FUSED = ("c_attn", "query_key_value", "Wqkv", "qkv_proj", "qkv", "in_proj", "q_attn")
"""One map that makes all three."""


def attention_maps(live: Live, *kinds: tuple[str, ...]) -> list[str]:
    """The full names of the maps of those kinds in every block, or of the fused ones; empty where none is known.

    Where blocks share their weights, the maps are those of the whole body.
    """
    try:
        blocks = find_blocks(live)
    except ModelError:
        blocks = (live.body,)
    names = {id(module): name for name, module in live.body.named_modules()}
    found: list[str] = []
    for block in blocks:
        leaves = [
            (name.rpartition(".")[2], module)
            for name, module in block.named_modules()
            if not isinstance(module, nn.ModuleList) and not list(module.children())
        ]
        wanted = {name for kind in kinds for name in kind}
        separate = [module for leaf, module in leaves if leaf in wanted]
        fused = [module for leaf, module in leaves if leaf in FUSED]
        picked = separate if len(separate) >= len(kinds) else fused
        if not picked:
            return []
        found += [names[id(module)] for module in picked]
    return found


def is_transposed(live: Live, targets: list[str]) -> bool:
    """Whether a target keeps its weight as [in, out], as GPT-2's do."""
    return any(
        isinstance(module, Conv1D) and (name in targets or name.endswith(tuple(f".{one}" for one in targets)))
        for name, module in live.body.named_modules()
    )
