"""Llama without ceremony."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedModel

from probekit.models.training.lean import Forward, activation, attend


def rms(layer: Any, x: Tensor) -> Tensor:
    """Root-mean-square norm (Zhang and Sennrich 2019)."""
    return functional.rms_norm(x, layer.weight.shape, layer.weight, layer.variance_epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) on [rows, heads, pieces, width]; `cos` and `sin` are [pieces, width]."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class LeanLlama:
    """The forward pass of `LlamaForCausalLM`."""

    name = "lean Llama"

    def __init__(self, module: PreTrainedModel) -> None:
        self.module: Any = module
        self.act = activation(module.config.hidden_act)

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        module, training = self.module, self.module.training
        body, config = module.model, module.config
        rows, pieces = ids.shape
        heads, groups = config.num_attention_heads, config.num_key_value_heads
        x = functional.embedding(ids, body.embed_tokens.weight, body.embed_tokens.padding_idx)
        places = torch.arange(pieces, device=ids.device)[None]
        cos, sin = (found[0] for found in body.rotary_emb(x, places))
        x = x.view(rows * pieces, -1)
        for block in body.layers:
            attention, mlp = block.self_attn, block.mlp
            parts = (attention.q_proj, attention.k_proj, attention.v_proj)
            bias = torch.cat([part.bias for part in parts]) if parts[0].bias is not None else None
            mixed = functional.linear(
                rms(block.input_layernorm, x), torch.cat([p.weight for p in parts]), bias
            )
            mixed = mixed.view(rows, pieces, heads + 2 * groups, -1).transpose(1, 2)
            turned = rotate(mixed[:, : heads + groups], cos, sin)
            q, k, v = turned[:, :heads], turned[:, heads:], mixed[:, heads + groups :]
            if groups < heads:
                k, v = (one.repeat_interleave(heads // groups, dim=1) for one in (k, v))
            mixed = attend(q, k, v, causal=True, dropout=attention.attention_dropout if training else 0.0)
            mixed = mixed.transpose(1, 2).reshape(rows * pieces, -1)
            x = x + functional.linear(mixed, attention.o_proj.weight, attention.o_proj.bias)
            inner = rms(block.post_attention_layernorm, x)
            both = functional.linear(
                inner,
                torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
                None if mlp.gate_proj.bias is None else torch.cat([mlp.gate_proj.bias, mlp.up_proj.bias]),
            )
            gate, up = both.chunk(2, dim=-1)
            x = x + functional.linear(self.act(gate) * up, mlp.down_proj.weight, mlp.down_proj.bias)
        x = rms(body.norm, x.index_select(0, positions))
        return functional.linear(x, module.lm_head.weight)


def lean(module: PreTrainedModel) -> Forward | None:
    """The lean pass of a Llama with a language-model head, else None."""
    if type(module) is not LlamaForCausalLM:
        return None
    rope = getattr(module.config, "rope_parameters", None) or {}
    return LeanLlama(module) if rope.get("rope_type", "default") == "default" else None
