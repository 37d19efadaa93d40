"""Copies of the tiny models whose weights are changed by hand, to compare live ablations with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from probekit.models import Model, load_model
from probekit.models.scoring.pieces import read_pieces
from tests.tiny_models import TEXTS, tiny_folder

KINDS = ("bert", "gpt2", "llama", "t5")
PROJECTIONS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "bert": lambda block: (block.attention.output.dense, block.output.dense),
    "gpt2": lambda block: (block.attn.c_proj, block.mlp.c_proj),
    "llama": lambda block: (block.self_attn.o_proj, block.mlp.down_proj),
    "t5": lambda block: (block.layer[0].SelfAttention.o, block.layer[-1].DenseReluDense.wo),
}
BLOCKS: dict[str, Callable[[Any], Any]] = {
    "bert": lambda module: module.encoder.layer,
    "gpt2": lambda module: module.h,
    "llama": lambda module: module.layers,
    "t5": lambda module: module.encoder.block,
}


def prefix(kind: str) -> str:
    """What stands before a layer's number; of T5 the encoder is looked at."""
    return "encoder." if kind == "t5" else ""


def copy_of(kind: str) -> Model:
    """The tiny model once more, free to be changed."""
    return load_model(str(tiny_folder(kind)), device="cpu")


def projections(model: Model, kind: str, number: int) -> tuple[Any, Any]:
    """The output projection of attention and the down projection of block `number`, from 1."""
    return PROJECTIONS[kind](BLOCKS[kind](model.module)[number - 1])


def zero_inputs(projection: Any, inputs: Sequence[int]) -> None:
    """Make a linear map deaf to some of its inputs."""
    with torch.no_grad():
        if isinstance(projection, torch.nn.Linear):
            projection.weight[:, list(inputs)] = 0
        else:  # GPT-2 keeps its weights the other way round
            projection.weight[list(inputs)] = 0


def some_ids(model: Model, text: str = TEXTS[0]) -> torch.Tensor:
    """The pieces of a text, [1, pieces]."""
    [pieces] = read_pieces(model.tokenizer, [text], special=True)
    return torch.from_numpy(pieces.ids.astype(np.int64))[None]


def all_states(model: Model, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every layer's states, of T5 the encoder's."""
    return {k: v for k, v in model.states(ids, None, "all").items() if not k.startswith("decoder")}
