"""A small encoder whose four heads look where they are told: back, at the same piece, ahead, at special pieces."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import BertConfig, BertModel, BertTokenizer

from probekit.models import Model, load_model

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("a", "b", "c", "d", "##e", ".", ",", "f")
WIDTH = 20
SHARP = 3.0
LOOKS = {("1", 0): "to_previous", ("1", 1): "to_same_type", ("2", 0): "to_next", ("2", 1): "to_special"}


@functools.cache
def looking_model() -> Model:
    """Two layers of two heads. A state says where a piece stands and what it is; nothing else moves it."""
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL, *WORDS])}
    module = BertModel(
        BertConfig(
            vocab_size=len(vocabulary), hidden_size=2 * WIDTH, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=4, max_position_embeddings=WIDTH,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "LayerNorm" not in name:
                parameter.zero_()
        place, what = torch.eye(2 * WIDTH)[:WIDTH], torch.eye(2 * WIDTH)[WIDTH:]
        module.embeddings.position_embeddings.weight[:] = place
        module.embeddings.word_embeddings.weight[:] = what[: len(vocabulary)]
        first, second = (layer.attention.self for layer in module.encoder.layer)
        first.query.weight[:WIDTH], first.key.weight[:WIDTH] = (
            SHARP * place.roll(1, 0),
            SHARP * place.roll(2, 0),
        )
        first.query.weight[WIDTH:], first.key.weight[WIDTH:] = SHARP * what, SHARP * what
        second.query.weight[:WIDTH], second.key.weight[:WIDTH] = (
            SHARP * place.roll(2, 0),
            SHARP * place.roll(1, 0),
        )
        second.query.bias[WIDTH] = 5.0
        second.key.weight[WIDTH] = 5.0 * (what[2] + what[3])
    with tempfile.TemporaryDirectory() as folder:
        bars = transformers.logging.is_progress_bar_enabled()
        transformers.logging.disable_progress_bar()
        module.save_pretrained(folder)
        BertTokenizer(vocab=vocabulary, model_max_length=WIDTH).save_pretrained(folder)
        if bars:
            transformers.logging.enable_progress_bar()
        return load_model(str(Path(folder)), device="cpu")
