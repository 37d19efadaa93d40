"""RoBERTa that norms before each block, without ceremony."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, RobertaPreLayerNormForMaskedLM

from probekit.models.training.lean import (
    Forward,
    activation,
    drop,
    encoder_attention,
    encoder_embedding,
    norm,
    plain_encoder,
)
from probekit.models.training.lean_bert import roberta_head


class LeanPreLayerNorm:
    """The forward pass of `RobertaPreLayerNormForMaskedLM`."""

    name = "lean RoBERTa-PreLayerNorm"

    def __init__(self, module: PreTrainedModel) -> None:
        self.module: Any = module
        self.act = activation(module.config.hidden_act)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        module, training = self.module, self.module.training
        body = module.roberta_prelayernorm
        embedding = body.embeddings
        x = drop(encoder_embedding(embedding, ids, embedding.padding_idx + 1), embedding.dropout.p, training)
        for block in body.encoder.layer:
            attention, output, inner = block.attention, block.output, block.intermediate
            mixed = norm(attention.LayerNorm, x)
            mixed = encoder_attention(attention.self, mixed, (ids.shape[0], ids.shape[1]), training)
            mixed = functional.linear(mixed, attention.output.dense.weight, attention.output.dense.bias)
            x = x + drop(mixed, attention.output.dropout.p, training)
            hidden = functional.linear(norm(inner.LayerNorm, x), inner.dense.weight, inner.dense.bias)
            hidden = functional.linear(self.act(hidden), output.dense.weight, output.dense.bias)
            x = x + drop(hidden, output.dropout.p, training)
        return roberta_head(module.lm_head, norm(body.LayerNorm, x.index_select(0, positions)))


def lean(module: PreTrainedModel) -> Forward | None:
    """The lean pass of a RoBERTa-PreLayerNorm with a masked language-model head, else None."""
    if type(module) is not RobertaPreLayerNormForMaskedLM or not plain_encoder(module.config):
        return None
    return LeanPreLayerNorm(module)
