"""A small model with two heads set by hand to a relation, and sentences whose words say which word is their head.

A word ``x3y5`` has the name 3 and points to the word with the name 5. Head 1 of layer 1 looks where a word points to;
head 0 of layer 2 looks at the words that point to it. Nothing else moves the states.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import BertConfig, BertModel, BertTokenizer

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.models import Model, load_model

NAMES = 8
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SHARP = 3.0


@functools.cache
def planted_model() -> Model:
    """Two layers of two heads; the heads above are set, the rest of attention is left near uniform."""
    forms = [f"x{name}y{other}" for name in range(NAMES) for other in range(NAMES)]
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL, *forms])}
    dim = 2 * NAMES
    module = BertModel(
        BertConfig(
            vocab_size=len(vocabulary), hidden_size=dim, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=dim, max_position_embeddings=32,
        )
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "LayerNorm" not in name:
                parameter.zero_()
        words = module.embeddings.word_embeddings.weight
        for form in forms:
            words[vocabulary[form], int(form[1])] = 1.0
            words[vocabulary[form], NAMES + int(form[3])] = 1.0
        name, points = torch.eye(dim)[:NAMES], torch.eye(dim)[NAMES:]
        first, second = (layer.attention.self for layer in module.encoder.layer)
        first.query.weight[NAMES:], first.key.weight[NAMES:] = SHARP * points, SHARP * name
        second.query.weight[:NAMES], second.key.weight[:NAMES] = SHARP * name, SHARP * points
    with tempfile.TemporaryDirectory() as folder:
        bars = transformers.logging.is_progress_bar_enabled()
        transformers.logging.disable_progress_bar()
        module.save_pretrained(folder)
        BertTokenizer(vocab=vocabulary, model_max_length=32).save_pretrained(folder)
        if bars:
            transformers.logging.enable_progress_bar()
        return load_model(str(Path(folder)), device="cpu")


def planted_corpus(seed: int = 0, dev: int = 40, test: int = 40, *, planted: bool = True) -> Corpus:
    """Sentences of 4 to 8 words, every head drawn at random. Words of the relation ``points`` point to their head,
    those of ``drifts`` to themselves; unless `planted`, every word points anywhere, and words say nothing of heads."""
    rng = np.random.default_rng(seed)
    sentences = []
    for number in range(dev + test):
        size = int(rng.integers(4, NAMES + 1))
        names = rng.permutation(NAMES)[:size]
        root = int(rng.integers(size))
        heads = [int(rng.choice([w for w in range(size) if w != word])) for word in range(size)]
        relations = [str(rng.choice(["points", "drifts"])) for _ in range(size)]
        towards = [
            names[heads[word]] if relations[word] == "points" and word != root else names[word]
            for word in range(size)
        ]
        if not planted:
            towards = rng.integers(0, NAMES, size).tolist()
        columns = {
            "head": ["0" if word == root else str(heads[word] + 1) for word in range(size)],
            "deprel": ["root" if word == root else relations[word] for word in range(size)],
        }
        words = [f"x{name}y{other}" for name, other in zip(names, towards, strict=True)]
        split = "dev" if number < dev else "test"
        sentences.append(Sentence.from_words(f"s{number}", words, columns=columns, split=split))
    return Corpus(sentences, "planted" if planted else "random", text_form="surface")
