"""A small GPT-2 with neurons set by hand: one counts open brackets, one is dead, one always on, one constant."""

from __future__ import annotations

import atexit
import functools
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Model

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.models import Model, load_model
from tests.tiny_models import write_tiny

DEPTH, DEAD, ALWAYS, CONSTANT = 17, 3, 5, 7
"""Neurons of layer 1."""
SINK = 8.0  # the first piece is attended e^8 times as much as any other, so the others' weights hardly depend on length


def net_depth(sentence: Sentence) -> list[float]:
    """Brackets opened less brackets closed, after each word."""
    return np.cumsum([word.count("(") - word.count(")") for word in sentence.words]).astype(float).tolist()


def bracketed(n: int, split: str, seed: int) -> list[Sentence]:
    """Sentences of letters with nested brackets, all closed at some place; the first word is no bracket."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        words, open_now = ["a"], 0
        for _ in range(int(rng.integers(8, 20))):
            draw = rng.random()
            if draw < 0.3 and open_now < 4:
                words.append("(")
                open_now += 1
            elif draw < 0.55 and open_now:
                words.append(")")
                open_now -= 1
            else:
                words.append(str(rng.choice(list("abcdefgh"))))
        found.append(Sentence.from_words(f"{split}-{number}", words, split=split))
    return found


@functools.cache
def planted_corpus() -> Corpus:
    return Corpus([*bracketed(60, "dev", 1), *bracketed(60, "test", 2)], "brackets")


@functools.cache
def planted_model() -> Model:
    """Layer 1 attends to the first piece, and a little to every other alike: that sums +1 and -1 over what was read."""
    root = Path(tempfile.mkdtemp(prefix="probekit-planted-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = write_tiny("gpt2", root / "gpt2")
    tokenizer = load_model(str(folder), device="cpu").tokenizer
    module = GPT2Model.from_pretrained(folder)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        words, places = module.wte.weight, module.wpe.weight
        for piece, number in sorted(tokenizer.get_vocab().items()):
            net = piece.count("(") - piece.count(")")
            row = np.zeros(words.shape[1])
            row[[0, 1] if net else [2, 3]] = (1.0, -1.0) if net >= 0 else (-1.0, 1.0)
            row[8:] = rng.permutation([0.5] * 12 + [-0.5] * 12)  # every piece has mean 0 and the same length
            words[number] = torch.from_numpy(row)
        places.zero_()
        places[0, 6], places[0, 7] = 1.0, -1.0
        block = module.h[0]
        for norm in (block.ln_1, block.ln_2):
            norm.weight.fill_(1.0)
            norm.bias.zero_()
        attention = block.attn
        for part in (attention.c_attn, attention.c_proj):
            part.weight.zero_()
            part.bias.zero_()
        attention.c_attn.bias[0] = 1.0  # every query is the same ...
        attention.c_attn.weight[6, 32] = SINK * 4 * math.sqrt(10 / 32)  # ... and finds the first piece
        attention.c_attn.weight[0, 64] = 1.0  # what is carried: +1 or -1
        attention.c_proj.weight[0, 4], attention.c_proj.weight[0, 5] = (
            math.exp(SINK) / 10,
            -math.exp(SINK) / 10,
        )
        feed = block.mlp.c_fc
        for neuron, bias in ((DEPTH, 1.0), (DEAD, -2.0), (ALWAYS, 3.0), (CONSTANT, 2.0)):
            feed.weight[:, neuron] = 0.0
            feed.bias[neuron] = bias
        feed.weight[4, DEPTH], feed.weight[5, DEPTH] = 0.3, -0.3
        feed.weight[0, ALWAYS] = 0.1
        feed.weight[0, DEAD] = 0.1
    module.save_pretrained(folder)
    return load_model(str(folder), device="cpu")
