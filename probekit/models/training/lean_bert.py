"""BERT and RoBERTa, which norm after each block, without ceremony."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional
from transformers import BertForMaskedLM, PreTrainedModel, RobertaForMaskedLM

from probekit.models.training.lean import (
    Forward,
    activation,
    drop,
    encoder_attention,
    encoder_embedding,
    norm,
    plain_encoder,
)


class LeanBert:
    """The forward pass of `BertForMaskedLM` and `RobertaForMaskedLM`."""

    name = "lean BERT"

    def __init__(self, module: PreTrainedModel) -> None:
        self.module: Any = module
        self.act = activation(module.config.hidden_act)
        self.roberta = isinstance(module, RobertaForMaskedLM)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        module, training = self.module, self.module.training
        body = module.roberta if self.roberta else module.bert
        embedding = body.embeddings
        x = encoder_embedding(embedding, ids, embedding.padding_idx + 1 if self.roberta else 0)
        x = drop(x, embedding.dropout.p, training)
        for block in body.encoder.layer:
            attention, output = block.attention, block.output
            mixed = encoder_attention(attention.self, x, (ids.shape[0], ids.shape[1]), training)
            mixed = functional.linear(mixed, attention.output.dense.weight, attention.output.dense.bias)
            mixed = drop(mixed, attention.output.dropout.p, training)
            x = norm(attention.output.LayerNorm, x + mixed)
            inner = self.act(
                functional.linear(x, block.intermediate.dense.weight, block.intermediate.dense.bias)
            )
            inner = drop(
                functional.linear(inner, output.dense.weight, output.dense.bias), output.dropout.p, training
            )
            x = norm(output.LayerNorm, x + inner)
        return self._head(x.index_select(0, positions))

    def _head(self, x: Tensor) -> Tensor:
        if self.roberta:
            return roberta_head(self.module.lm_head, x)
        head = self.module.cls.predictions
        dense = head.transform.dense
        x = norm(head.transform.LayerNorm, self.act(functional.linear(x, dense.weight, dense.bias)))
        return functional.linear(x, head.decoder.weight, head.decoder.bias)


def roberta_head(head: Any, x: Tensor) -> Tensor:
    """RoBERTa's output head, which is GELU whatever the body uses."""
    x = norm(head.layer_norm, functional.gelu(functional.linear(x, head.dense.weight, head.dense.bias)))
    return functional.linear(x, head.decoder.weight, head.decoder.bias)


def lean(module: PreTrainedModel) -> Forward | None:
    """The lean pass of a BERT or RoBERTa with a masked language-model head, else None."""
    if type(module) not in (BertForMaskedLM, RobertaForMaskedLM) or not plain_encoder(module.config):
        return None
    return LeanBert(module)
