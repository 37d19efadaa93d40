"""What differs between architectures: how many pieces fit, which piece starts a decoder, what is built
without.

Whatever can be seen on the module itself is looked at there; the table holds the rest, one row per family.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import MODEL_MAPPING, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from probekit.errors import ConfigError

HUGE = 1_000_000
"""tokenizer.model_max_length beyond this is transformers' way of saying "not known"."""


@dataclass(frozen=True)
class Family:
    """Facts of one architecture that cannot be seen on the module."""

    attention: str = ""
    """Path, inside one block, of the output projection of self-attention; empty where it is not known. Of several, with
    commas, the first that a block has holds."""
    mlp: str = ""
    """Path, inside one block, of the down projection, which reads the neurons after their activation."""
    unbounded: bool = False
    """Relative positions without an end: any number of pieces can be read."""


_BERT = Family("attention.output.dense", "output.dense")
_LLAMA = Family("self_attn.o_proj", "mlp.down_proj")
_BART = Family("self_attn.out_proj", "fc2")
_GPT2 = Family("attn.c_proj", "mlp.c_proj")
_GPTJ = Family("attn.out_proj", "mlp.fc_out")
_NEOX = Family("attention.dense", "mlp.dense_4h_to_h")
_T5 = Family("layer.0.SelfAttention.o", "layer.-1.DenseReluDense.wo", unbounded=True)
_LONG_T5 = Family(
    ", ".join(f"layer.0.{kind}SelfAttention.o" for kind in ("", "Local", "TransientGlobal")),
    "layer.-1.DenseReluDense.wo",
    unbounded=True,
)

FAMILIES = {
    **dict.fromkeys([
        "bert", "roberta", "camembert", "data2vec-text", "deberta", "deberta-v2", "electra",
        "ernie", "esm", "megatron-bert", "rembert", "roberta-prelayernorm", "roformer",
        "xlm-roberta", "xlm-roberta-xl",
    ], _BERT),
    **dict.fromkeys([
        "llama", "arcee", "cohere", "cohere2", "ernie4_5", "exaone4", "gemma", "gemma2",
        "gemma3_text", "glm", "glm4", "granite", "ministral", "mistral", "nemotron", "olmo",
        "olmo2", "olmo3", "phi3", "qwen2", "qwen3", "seed_oss", "smollm3", "stablelm",
    ], _LLAMA),
    **dict.fromkeys([
        "bart", "biogpt", "blenderbot", "blenderbot-small", "m2m_100", "marian", "mbart", "opt",
        "pegasus", "plbart", "xglm",
    ], _BART),
    **dict.fromkeys(("gpt2", "gpt_bigcode", "openai-gpt"), _GPT2),
    **dict.fromkeys(("gptj", "codegen"), _GPTJ),
    **dict.fromkeys(("gpt_neox", "gpt_neox_japanese"), _NEOX),
    **dict.fromkeys(("t5", "mt5", "umt5"), _T5),
    "longt5": _LONG_T5,
    "bloom": Family("self_attention.dense", "mlp.dense_4h_to_h", unbounded=True),
    "distilbert": Family("attention.out_lin", "ffn.lin2"),
    "falcon": Family("self_attention.dense", "mlp.dense_4h_to_h"),
    "gpt_neo": Family("attn.attention.out_proj", "mlp.c_proj"),
    "modernbert": Family("attn.Wo", "mlp.Wo"),
    "mpnet": Family("attention.attn.o", "output.dense"),
    "mpt": Family("attn.out_proj", "ffn.down_proj"),
    "persimmon": Family("self_attn.dense", "mlp.dense_4h_to_h"),
    "phi": Family("self_attn.dense", "mlp.fc2"),
    "starcoder2": Family("self_attn.o_proj", "mlp.c_proj"),
    "switch_transformers": Family(unbounded=True),
    "xlnet": Family(unbounded=True),
    "mamba": Family(unbounded=True),
    "mamba2": Family(unbounded=True),
}  # fmt: skip
"""One row per model_type. The paths of every row were tried on a small model of the family."""


def register_family(
    model_type: str, *, attention: str = "", mlp: str = "", unbounded: bool | None = None
) -> None:
    """Say where the blocks of a family have their sites, for the rest of this process.

    `model_type` is what config.json calls the family. `attention` is the path, inside one block, of the linear map
    that self-attention ends in, and `mlp` that of the map which reads the neurons; a path that is left out keeps
    its site unknown. Names are joined by dots, members of a list are numbered from either end; of several paths, with
    commas, the first that a block has holds. `unbounded` families read any number of pieces; None leaves what is
    known of that. Raises ConfigError where a path is no path.

    >>> pk.register_family("my_llama", attention="self_attn.o_proj", mlp="mlp.down_proj")
    """
    for path in (attention, mlp):
        names = path.replace(",", ".").split(".") if isinstance(path, str) else [""]
        if path != "" and not all(name.strip() for name in names):
            raise ConfigError(f"{path!r} is no path inside a block; write one like 'attention.output.dense'")
    if unbounded is None:
        unbounded = FAMILIES.get(str(model_type), Family()).unbounded
    FAMILIES[str(model_type)] = Family(attention, mlp, unbounded)


def max_pieces(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The most pieces, special ones included, that one input may have; None where there is no limit.

    RoBERTa's positions start after the padding index, so 514 rows hold 512 pieces. An encoder-decoder loses
    one place to the start piece of its decoder.
    """
    if FAMILIES.get(module.config.model_type, Family()).unbounded:
        return None
    limits = []
    positions = getattr(module.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, part in module.named_modules():
        if (
            name.endswith("position_embeddings")
            and isinstance(part, nn.Embedding)
            and part.padding_idx is not None
        ):
            limits.append(part.num_embeddings - part.padding_idx - 1)
    if module.config.is_encoder_decoder:
        limits = [limit - 1 for limit in limits]
    if tokenizer.model_max_length < HUGE:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def start_piece(config: PretrainedConfig, generation_start: int | None) -> int | None:
    """The piece in front of what the decoder of an encoder-decoder reads; None for every other model."""
    if not config.is_encoder_decoder:
        return None
    for piece in (getattr(config, "decoder_start_token_id", None), generation_start, config.pad_token_id):
        if isinstance(piece, int):
            return piece
    return 0


def model_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """The base class that AutoModel builds for a configuration; None where transformers knows none."""
    try:
        known: Any = MODEL_MAPPING[type(config)]
    except KeyError:
        return None
    first: type[PreTrainedModel] = known[0] if isinstance(known, tuple) else known
    return first


def building_options(config: PretrainedConfig) -> dict[str, Any]:
    """Arguments that leave out a pooler, which no hidden state reads and many checkpoints lack."""
    known = model_class(config)
    if known is not None and "add_pooling_layer" in inspect.signature(known.__init__).parameters:
        return {"add_pooling_layer": False}
    return {}


def attention_in_force(config: PretrainedConfig, asked: str) -> str:
    """The attention implementation asked for, or ``eager`` where the family has no ``sdpa``."""
    known = model_class(config)
    if asked == "sdpa" and known is not None and not getattr(known, "_supports_sdpa", False):
        return "eager"
    return asked
