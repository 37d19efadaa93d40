"""One of transformers' architectures, with fresh weights that the seed decides."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForMaskedLM,
)

from probekit.models.quiet import quiet
from probekit.models.training.config import TrainingConfig
from probekit.models.training.tokenizer import boundaries

ENCODERS: dict[str, tuple[Any, Any]] = {
    "bert": (BertConfig, BertForMaskedLM),
    "roberta": (RobertaConfig, RobertaForMaskedLM),
    "roberta-prelayernorm": (RobertaPreLayerNormConfig, RobertaPreLayerNormForMaskedLM),
}


def build_module(config: TrainingConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The module of a configuration, in float32 on the CPU; torch's global random state stays as it was."""
    plan = config.model
    positions = plan.positions or config.batches.length
    begin, end = boundaries(tokenizer)
    pad = tokenizer.pad_token_id
    shared: dict[str, Any] = {
        "vocab_size": len(tokenizer), "bos_token_id": begin, "eos_token_id": end, "pad_token_id": pad,
        "initializer_range": plan.init,
    }  # fmt: skip
    inner = plan.inner or 4 * plan.width
    made: Any
    if plan.family == "gpt2":
        made = GPT2LMHeadModel, GPT2Config(
            n_embd=plan.width, n_layer=plan.layers, n_head=plan.heads, n_inner=inner, n_positions=positions,
            resid_pdrop=plan.dropout, embd_pdrop=plan.dropout, attn_pdrop=plan.dropout, **shared,
        )  # fmt: skip
    elif plan.family == "llama":
        made = LlamaForCausalLM, LlamaConfig(
            hidden_size=plan.width, num_hidden_layers=plan.layers, num_attention_heads=plan.heads,
            num_key_value_heads=plan.heads, intermediate_size=plan.inner or 8 * plan.width // 3,
            max_position_embeddings=positions, attention_dropout=plan.dropout, tie_word_embeddings=True, **shared,
        )  # fmt: skip
    else:
        shared["pad_token_id"] = 0 if pad is None else pad
        # RoBERTa's positions begin behind the padding piece
        behind = 0 if plan.family == "bert" else shared["pad_token_id"] + 1
        kind, module = ENCODERS[plan.family]
        made = module, kind(
            hidden_size=plan.width, num_hidden_layers=plan.layers, num_attention_heads=plan.heads,
            intermediate_size=inner, max_position_embeddings=positions + behind, type_vocab_size=1,
            hidden_dropout_prob=plan.dropout, attention_probs_dropout_prob=plan.dropout, **shared,
        )  # fmt: skip
    with quiet(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(config.seed)
        built: PreTrainedModel = made[0](made[1])
    return built
