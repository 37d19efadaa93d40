"""A small model of every family that probekit knows the sites of, built in code."""

from __future__ import annotations

import functools
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from probekit.models.load import assemble
from probekit.models.model import Model
from tests.tiny_models import tiny_model

BERT: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 40, "pad_token_id": 0,
}  # fmt: skip
ROBERTA = {**BERT, "pad_token_id": 1}
LLAMA = {**BERT, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "head_dim": 8}
PLAIN = {**BERT, "bos_token_id": 1, "eos_token_id": 2, "num_key_value_heads": 4, "hidden_size": 32}
T5: dict[str, Any] = {
    "vocab_size": 99, "d_model": 24, "num_layers": 3, "num_decoder_layers": 3, "num_heads": 4, "d_kv": 5, "d_ff": 40,
    "decoder_start_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
BART: dict[str, Any] = {
    "vocab_size": 99, "d_model": 24, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 40,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip
GPT: dict[str, Any] = {
    "vocab_size": 99,
    "n_embd": 24,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 40,
    "n_inner": 40,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "electra": {**BERT, "embedding_size": 24},
    "roberta-prelayernorm": ROBERTA,
    "distilbert": {"vocab_size": 99, "dim": 24, "n_layers": 3, "n_heads": 4, "hidden_dim": 40, "pad_token_id": 0},
    "mpnet": ROBERTA,
    "ernie": BERT,
    "esm": {**ROBERTA, "position_embedding_type": "rotary", "mask_token_id": 4},
    "xlm-roberta-xl": ROBERTA,
    "data2vec-text": ROBERTA,
    "megatron-bert": BERT,
    "rembert": {**BERT, "bos_token_id": 1, "eos_token_id": 2, "input_embedding_size": 24, "output_embedding_size": 24},
    "roformer": {**BERT, "embedding_size": 24},
    "deberta": {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "modernbert": {**BERT, "global_attn_every_n_layers": 2, "local_attention": 8, "bos_token_id": 1, "eos_token_id": 2,
                   "cls_token_id": 1, "sep_token_id": 2},
    "gpt2": GPT,
    "openai-gpt": GPT,
    "gpt_bigcode": GPT,
    "codegen": {**GPT, "rotary_dim": 4},
    "gpt_neo": {"vocab_size": 99, "hidden_size": 24, "num_layers": 3, "num_heads": 4, "intermediate_size": 40,
                "attention_types": [[["global", "local", "global"], 1]], "max_position_embeddings": 40,
                "window_size": 4, "bos_token_id": 1, "eos_token_id": 2},
    "gptj": {**GPT, "rotary_dim": 4},
    "gpt_neox": {**BERT, "bos_token_id": 1, "eos_token_id": 2},
    "gpt_neox_japanese": {**BERT, "bos_token_id": 1, "eos_token_id": 2},
    "opt": {"vocab_size": 99, "hidden_size": 24, "word_embed_proj_dim": 24, "num_hidden_layers": 3, "ffn_dim": 40,
            "num_attention_heads": 4, "max_position_embeddings": 40},
    "bloom": {"vocab_size": 99, "hidden_size": 24, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2},
    "falcon": {**BERT, "new_decoder_architecture": False, "parallel_attn": True, "ffn_hidden_size": 40},
    "phi": PLAIN,
    "persimmon": PLAIN,
    "xglm": {"vocab_size": 99, "d_model": 24, "num_layers": 3, "attention_heads": 4, "ffn_dim": 40,
             "max_position_embeddings": 40},
    "biogpt": BERT,
    "mpt": {"vocab_size": 99, "d_model": 24, "n_layers": 3, "n_heads": 4, "expansion_ratio": 2, "max_seq_len": 40},
    **dict.fromkeys([
        "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "olmo",
        "olmo2", "olmo3", "stablelm", "granite", "cohere", "cohere2", "smollm3", "starcoder2",
        "glm", "glm4", "nemotron", "exaone4", "ministral", "seed_oss", "arcee", "ernie4_5",
    ], LLAMA),
    "t5": T5,
    "mt5": T5,
    "umt5": T5,
    "longt5": {**T5, "local_radius": 4},
    "longt5 tglobal": {**T5, "local_radius": 4, "encoder_attention_type": "transient-global", "global_block_size": 4},
    "bart": BART,
    "mbart": BART,
    "marian": BART,
    "pegasus": BART,
    "m2m_100": BART,
    "blenderbot": BART,
    "blenderbot-small": BART,
    "plbart": BART,
}  # fmt: skip


@functools.cache
def small(family: str) -> Model:
    """The small model of a family, no two of its weights alike; shared by all tests, so never change it."""
    config = AutoConfig.for_model(family.partition(" ")[0], **CONFIGS[family])
    config.tie_last_hidden_states = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = AutoModel.from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return assemble(
        module,
        tiny_model("bert").tokenizer,
        name=family,
        revision="",
        kind="pretrained",
        start=getattr(config, "decoder_start_token_id", 0) if config.is_encoder_decoder else None,
    )
