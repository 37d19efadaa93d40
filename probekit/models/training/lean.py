"""A lean forward pass over a transformers module's own parameters, equal to its own up to rounding.

What it leaves out costs most where a model is small: masks of ones, caches, outputs nobody asked for, the
output head at places that are not scored. What it puts together: queries, keys and values in one product.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.activations import ACT2FN


class Forward(Protocol):
    """Scores of the vocabulary at some places of a batch without padding."""

    name: str

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        """`ids` int64[rows, pieces]; `positions` are places in the flattened batch; float[places, vocabulary]."""
        ...


class Whole:
    """transformers' own forward pass, for a family without a lean one."""

    name = "transformers"

    def __init__(self, module: PreTrainedModel) -> None:
        self.module: Any = module

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        options = {"use_cache": False} if not self.module.config.is_encoder_decoder else {}
        logits: Tensor = self.module(input_ids=ids, **options).logits
        return logits.reshape(-1, logits.shape[-1]).index_select(0, positions)


def lean_forward(module: PreTrainedModel) -> Forward:
    """The lean forward pass of a module's family; transformers' own where there is none or a setting is unusual.

    It reads the module's parameters when called, so it follows whatever an optimiser does to them, and honours
    `module.training`.
    """
    from probekit.models.training import lean_bert, lean_gpt2, lean_llama, lean_prelayernorm

    for room in (lean_gpt2, lean_llama, lean_bert, lean_prelayernorm):
        found: Forward | None = room.lean(module)
        if found is not None:
            return found
    return Whole(module)


def attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool, dropout: float) -> Tensor:
    """Scaled dot-product attention without a mask of ones; [rows, heads, pieces, width] in and out."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal, dropout_p=dropout)


def activation(name: Any) -> Any:
    """An activation by transformers' name; the tanh form of GELU as one operation instead of eight."""
    if name in ("gelu_new", "gelu_pytorch_tanh"):
        return lambda x: functional.gelu(x, approximate="tanh")
    if name == "gelu":
        return functional.gelu
    return ACT2FN[name] if isinstance(name, str) else name


def norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer norm without the module call."""
    return functional.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)


def drop(x: Tensor, share: float, training: bool) -> Tensor:
    """Dropout that costs nothing where there is none."""
    return functional.dropout(x, share) if training and share else x


def encoder_attention(attention: Any, x: Tensor, shape: tuple[int, int], training: bool) -> Tensor:
    """BERT's self-attention over `x` [rows * pieces, width], its three products in one; without the output layer."""
    rows, pieces = shape
    weight = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
    bias = torch.cat([attention.query.bias, attention.key.bias, attention.value.bias])
    mixed = functional.linear(x, weight, bias)
    q, k, v = mixed.view(rows, pieces, 3, attention.num_attention_heads, -1).permute(2, 0, 3, 1, 4).unbind()
    mixed = attend(q, k, v, causal=False, dropout=attention.dropout.p if training else 0.0)
    return mixed.transpose(1, 2).reshape(rows * pieces, -1)


def encoder_embedding(embedding: Any, ids: Tensor, first_position: int) -> Tensor:
    """BERT's embedding of a batch without padding, before dropout: [rows * pieces, width]."""
    rows, pieces = ids.shape
    places = embedding.position_embeddings.weight[first_position : first_position + pieces]
    places = places + embedding.token_type_embeddings.weight[0]
    word = embedding.word_embeddings
    x = functional.embedding(ids, word.weight, word.padding_idx) + places
    return norm(embedding.LayerNorm, x).view(rows * pieces, -1)


def plain_encoder(config: Any) -> bool:
    """Whether an encoder's configuration has nothing that the lean pass does not know."""
    return not (config.is_decoder or config.add_cross_attention) and (
        getattr(config, "position_embedding_type", None) in (None, "absolute")
    )
