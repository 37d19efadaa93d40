"""The slow plain twin of extraction: one sentence at a time over transformers' own hidden states."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.models import Model, encode
from tests.tiny_models import ENCODER_DECODERS, WITH_FINAL_NORM, tiny_folder, tiny_model

TEXTS = [
    "The keys to the cabinet are here, and the dogs that chase the cat bark at night, and the cats sit on the mats.",
    "dogs run",
    "She doesn't know whether he's read the books.",
    "the cat sat on the mat",
    "cats sit on mats and a dog runs",
    "unbelievable coöperation in Zürich",
    "A teacher laughs.",
    "keys",
    "the dog sat on a mat",
]


def corpus_of(texts: list[str], name: str = "plain", prefix: str = "s") -> Corpus:
    sentences = [Sentence.from_text(f"{prefix}{i}", text, split="train") for i, text in enumerate(texts)]
    return Corpus(sentences, name=name)


CORPUS = corpus_of(TEXTS)


@functools.cache
def bare(kind: str) -> Any:
    """transformers' own model, loaded without probekit; raw last block as hidden_states[-1]."""
    config = AutoConfig.from_pretrained(tiny_folder(kind))
    config.tie_last_hidden_states = False
    return AutoModel.from_pretrained(tiny_folder(kind), config=config, dtype=torch.float32).eval()


@torch.no_grad()
def plain_states(kind: str, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Every layer of one sentence, ``[pieces, dim]``."""
    module, pieces = bare(kind), torch.from_numpy(ids.astype(np.int64))[None]
    if kind not in ENCODER_DECODERS:
        out = module(pieces, output_hidden_states=True)
        found = {str(i): state for i, state in enumerate(out.hidden_states)}
        if kind in WITH_FINAL_NORM:
            found["final"] = out.last_hidden_state
        return {layer: state[0].numpy() for layer, state in found.items()}
    start = torch.tensor([[module.config.decoder_start_token_id]])
    out = module(pieces, decoder_input_ids=torch.cat([start, pieces], 1), output_hidden_states=True)
    found = {f"encoder.{i}": state[0] for i, state in enumerate(out.encoder_hidden_states)}
    found |= {f"decoder.{i}": state[0, 1:] for i, state in enumerate(out.decoder_hidden_states)}
    if kind in WITH_FINAL_NORM:
        found["encoder.final"] = out.encoder_last_hidden_state[0]
        found["decoder.final"] = out.last_hidden_state[0, 1:]
    return {layer: state.numpy() for layer, state in found.items()}


def plain_pool(states: np.ndarray, pool: str) -> np.ndarray:
    """One row from the states of some pieces, in float64."""
    states = states.astype(np.float64)
    return {
        "first": lambda: states[0],
        "cls": lambda: states[0],
        "last": lambda: states[-1],
        "mean": lambda: states.mean(0),
        "max": lambda: states.max(0),
    }[pool]()


def plain_rows(
    kind: str, unit: str, pool: str, corpus: Corpus = CORPUS, special: bool = False
) -> dict[str, dict[tuple[int, int], np.ndarray]]:
    """layer -> (sentence, number) -> row, for every unit of the corpus."""
    model: Model = tiny_model(kind)
    found: dict[str, dict[tuple[int, int], np.ndarray]] = {}
    for s, sentence in enumerate(corpus):
        encoding = encode(model, [sentence])
        if not len(encoding.piece_ids):
            continue
        marked = encoding.special
        for layer, states in plain_states(kind, encoding.piece_ids).items():
            rows = found.setdefault(layer, {})
            if unit == "word":
                for w in range(len(sentence)):
                    if encoding.word_reason[w] == 0:
                        part = states[encoding.word_first[w] : encoding.word_stop[w]]
                        rows[s, w] = plain_pool(part, pool)
            elif unit == "sentence":
                part = states if special or pool == "cls" else states[~marked]
                if len(part):
                    rows[s, -1] = plain_pool(part, pool)
            else:
                rows |= {(s, p): states[p] for p in range(len(states)) if special or not marked[p]}
    return found
