"""Small Transformers of nine families, built in code, each with a real tokenizer trained in code.

`tiny_folder(kind)` is a folder that transformers (and so `load_model`) reads; `tiny_model(kind)` is the
loaded Model. Both are made once per process. Weights are random, but no two are alike: biases and norms are
moved off their initial 0 and 1, so that a forgotten norm or bias shows.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BartModel,
    BartTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    GPT2Tokenizer,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    GPTNeoXModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    LlamaTokenizer,
    ModernBertConfig,
    ModernBertForMaskedLM,
    ModernBertModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
    RobertaTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Model,
    T5Tokenizer,
)

from probekit.models import Model, load_model

KINDS = ("bert", "roberta", "gpt2", "llama", "t5", "bart")
MORE_KINDS = ("gpt_neox", "modernbert", "distilbert")
ALL_KINDS = KINDS + MORE_KINDS
WITH_FINAL_NORM = ("gpt2", "llama", "t5")
ENCODER_DECODERS = ("t5", "bart")

TEXTS = [
    "The keys to the cabinet are here, and the dogs that chase the cat bark at night.",
    "She doesn't know whether he's read the 3 books; they can't be sold for $4.50!",
    "Über naïve cafés in Zürich, façades and jalapeños: déjà vu, coöperate.",
    "東京に行きました。猫が魚を食べる。日本語の文には空白がありません。",
    "Talossa on kissoja, ja koira juoksee pihalla; hän ei tiedä sitä.",
    "A teacher who admires the farmers laughs, but the farmers do not laugh with her.",
    "the cat sat on the mat the cats sit on mats a dog runs dogs run",
]


def write_tiny(
    kind: str,
    folder: Path,
    *,
    layers: int = 2,
    dim: int = 32,
    positions: int = 64,
    seed: int = 0,
    head: bool = False,
) -> Path:
    """Write a model of `kind` and its tokenizer into `folder`, as transformers does; with `head`, the
    language model and not its base alone."""
    tokenizer = _TOKENIZERS[kind](positions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _MODELS[kind](len(tokenizer), layers, dim, positions)
        if head:
            module = _LANGUAGE_MODELS[kind](module.config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    log = transformers.logging
    bars = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if bars:
        log.enable_progress_bar()
    return folder


@functools.cache
def tiny_folder(kind: str) -> Path:
    """The folder of the tiny model of `kind`; gone when the process ends."""
    root = tempfile.mkdtemp(prefix="probekit-tiny-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return write_tiny(kind, Path(root) / kind)


@functools.cache
def tiny_lm_folder(kind: str) -> Path:
    """The folder of the tiny language model of `kind`, its output head included."""
    root = tempfile.mkdtemp(prefix="probekit-tiny-lm-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return write_tiny(kind, Path(root) / kind, head=True)


@functools.cache
def tiny_lm(kind: str) -> Model:
    """The tiny language model of `kind`, loaded; shared by all tests of a process, so never change it."""
    return load_model(str(tiny_lm_folder(kind)), device="cpu")


@functools.cache
def tiny_model(kind: str) -> Model:
    """The tiny model of `kind`, loaded; shared by all tests of a process, so never change it."""
    return load_model(str(tiny_folder(kind)), device="cpu")


def _wordpiece(positions: int) -> Any:
    engine = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for _ in range(
        2
    ):  # its ties fall by the numbers of pieces such as "##a", which are drawn unless they are given
        engine.train_from_iterator(
            TEXTS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False)
        )
        special += sorted(piece for piece in engine.get_vocab() if piece.startswith("##") and len(piece) == 3)
    return BertTokenizer(vocab=_in_order(engine), model_max_length=positions)


def _byte_bpe(cls: type[Any], special: list[str], positions: int) -> Any:
    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    engine.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return cls(vocab=_in_order(engine), merges=_merges(engine), model_max_length=positions)


def _metaspace_bpe(positions: int) -> Any:
    engine = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    latin = [text for text in TEXTS if text.isascii()]
    engine.train_from_iterator(
        latin, trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    )
    return LlamaTokenizer(vocab=_in_order(engine), merges=_merges(engine), model_max_length=positions)


def _unigram(positions: int) -> Any:
    engine = Tokenizer(models.Unigram())
    engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    special = ["<pad>", "</s>", "<unk>"]
    engine.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=240, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    pieces = [tuple(entry) for entry in json.loads(engine.to_str())["model"]["vocab"]]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=positions)


def _in_order(engine: Tokenizer) -> dict[str, int]:
    return dict(sorted(engine.get_vocab().items(), key=lambda entry: entry[1]))


def _merges(engine: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(merge) for merge in json.loads(engine.to_str())["model"]["merges"]]


_TOKENIZERS = {
    "bert": _wordpiece,
    "roberta": lambda n: _byte_bpe(RobertaTokenizer, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], n),
    "gpt2": lambda n: _byte_bpe(GPT2Tokenizer, ["<|endoftext|>"], n),
    "llama": _metaspace_bpe,
    "t5": _unigram,
    "bart": lambda n: _byte_bpe(BartTokenizer, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], n),
    "gpt_neox": lambda n: _byte_bpe(GPT2Tokenizer, ["<|endoftext|>"], n),
    "modernbert": _wordpiece,
    "distilbert": _wordpiece,
}

_LANGUAGE_MODELS: dict[str, Any] = {
    "bert": BertForMaskedLM,
    "roberta": RobertaForMaskedLM,
    "gpt2": GPT2LMHeadModel,
    "llama": LlamaForCausalLM,
    "t5": T5ForConditionalGeneration,
    "bart": BartForConditionalGeneration,
    "gpt_neox": GPTNeoXForCausalLM,
    "modernbert": ModernBertForMaskedLM,
    "distilbert": DistilBertForMaskedLM,
}

_MODELS = {
    "bert": lambda vocab, layers, dim, n: BertModel(
        BertConfig(
            vocab_size=vocab, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=2,
            intermediate_size=2 * dim, max_position_embeddings=n,
        )
    ),
    "roberta": lambda vocab, layers, dim, n: RobertaModel(
        RobertaConfig(
            vocab_size=vocab, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=2,
            intermediate_size=2 * dim, max_position_embeddings=n + 2, type_vocab_size=1,
            bos_token_id=0, pad_token_id=1, eos_token_id=2,
        )
    ),
    "gpt2": lambda vocab, layers, dim, n: GPT2Model(
        GPT2Config(
            vocab_size=vocab, n_embd=dim, n_layer=layers, n_head=2, n_positions=n, bos_token_id=0,
            eos_token_id=0,
        )
    ),
    "llama": lambda vocab, layers, dim, n: LlamaModel(
        LlamaConfig(
            vocab_size=vocab, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=4,
            num_key_value_heads=2, intermediate_size=2 * dim, max_position_embeddings=n,
        )
    ),
    "t5": lambda vocab, layers, dim, n: T5Model(
        T5Config(
            vocab_size=vocab, d_model=dim, num_layers=layers, num_heads=2, d_kv=dim // 2, d_ff=2 * dim,
            decoder_start_token_id=0,
        )
    ),
    "bart": lambda vocab, layers, dim, n: BartModel(
        BartConfig(
            vocab_size=vocab, d_model=dim, encoder_layers=layers, decoder_layers=layers,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=2 * dim,
            decoder_ffn_dim=2 * dim, max_position_embeddings=n,
        )
    ),
    "gpt_neox": lambda vocab, layers, dim, n: GPTNeoXModel(
        GPTNeoXConfig(
            vocab_size=vocab, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=4,
            intermediate_size=2 * dim, max_position_embeddings=n, bos_token_id=0, eos_token_id=0,
        )
    ),
    "modernbert": lambda vocab, layers, dim, n: ModernBertModel(
        ModernBertConfig(
            vocab_size=vocab, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=4,
            intermediate_size=2 * dim, max_position_embeddings=n, global_attn_every_n_layers=2, local_attention=8,
            pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3,
        )
    ),
    "distilbert": lambda vocab, layers, dim, n: DistilBertModel(
        DistilBertConfig(
            vocab_size=vocab, dim=dim, n_layers=layers, n_heads=2, hidden_dim=2 * dim,
            max_position_embeddings=n, pad_token_id=0,
        )
    ),
}  # fmt: skip
