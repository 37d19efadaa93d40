"""GPT-2 without ceremony."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GPT2LMHeadModel, PreTrainedModel

from probekit.models.training.lean import Forward, activation, attend, drop, norm


class LeanGPT2:
    """The forward pass of `GPT2LMHeadModel`."""

    name = "lean GPT-2"

    def __init__(self, module: PreTrainedModel) -> None:
        self.module: Any = module
        self.act = activation(module.config.activation_function)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        module, training = self.module, self.module.training
        body = module.transformer
        rows, pieces = ids.shape
        x = functional.embedding(ids, body.wte.weight) + body.wpe.weight[:pieces]
        x = drop(x, body.drop.p, training).view(rows * pieces, -1)
        for block in body.h:
            attention, mlp = block.attn, block.mlp
            mixed = torch.addmm(attention.c_attn.bias, norm(block.ln_1, x), attention.c_attn.weight)
            q, k, v = mixed.view(rows, pieces, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4).unbind()
            mixed = attend(q, k, v, causal=True, dropout=attention.attn_dropout.p if training else 0.0)
            mixed = mixed.transpose(1, 2).reshape(rows * pieces, -1)
            mixed = torch.addmm(attention.c_proj.bias, mixed, attention.c_proj.weight)
            x = x + drop(mixed, attention.resid_dropout.p, training)
            inner = self.act(torch.addmm(mlp.c_fc.bias, norm(block.ln_2, x), mlp.c_fc.weight))
            x = x + drop(torch.addmm(mlp.c_proj.bias, inner, mlp.c_proj.weight), mlp.dropout.p, training)
        x = norm(body.ln_f, x.index_select(0, positions))
        return functional.linear(x, module.lm_head.weight)


def lean(module: PreTrainedModel) -> Forward | None:
    """The lean pass of a GPT-2 with a language-model head, else None."""
    config = module.config
    if type(module) is not GPT2LMHeadModel or config.add_cross_attention:
        return None
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        return None
    return LeanGPT2(module)
