"""Log-probabilities the slow and obvious way: transformers' own classes, one text at a time, the whole softmax."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tiny_models import tiny_lm_folder


@functools.cache
def whole(folder: Path) -> Any:
    """The language model as transformers loads it."""
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, name).from_pretrained(folder, trust_remote_code=False).eval()


@functools.cache
def tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.double().log_softmax(-1)


@torch.no_grad()
def causal(kind: str, text: str, bos: int | None) -> list[float]:
    """One number a piece; the first has none without a piece in front."""
    folder = tiny_lm_folder(kind)
    ids = tokenizer(folder)(text, add_special_tokens=False)["input_ids"]
    if bos is not None:
        table = log_softmax(whole(folder)(input_ids=torch.tensor([[bos, *ids]])).logits[0])
        return [float(table[t, piece]) for t, piece in enumerate(ids)]
    table = log_softmax(whole(folder)(input_ids=torch.tensor([ids])).logits[0])
    return [float("nan"), *(float(table[t, piece]) for t, piece in enumerate(ids[1:]))]


@torch.no_grad()
def masked(kind: str, text: str, pll: str) -> list[float]:
    """One forward pass for every piece between the special ones."""
    folder = tiny_lm_folder(kind)
    read = tokenizer(folder)(text, return_special_tokens_mask=True, return_offsets_mapping=True)
    found = []
    for place, (piece, special) in enumerate(
        zip(read["input_ids"], read["special_tokens_mask"], strict=True)
    ):
        if special:
            continue
        ids = list(read["input_ids"])
        ids[place] = tokenizer(folder).mask_token_id
        later = place + 1
        while (
            pll == "within_word_l2r" and later < len(ids) and read.word_ids()[later] == read.word_ids()[place]
        ):
            ids[later] = tokenizer(folder).mask_token_id
            later += 1
        table = log_softmax(whole(folder)(input_ids=torch.tensor([ids])).logits[0])
        found.append(float(table[place, piece]))
    return found


@torch.no_grad()
def decoded(kind: str, text: str, source: str, front: list[int]) -> list[float]:
    """The decoder's log-probabilities given the source in the encoder."""
    folder = tiny_lm_folder(kind)
    ids = tokenizer(folder)(text, add_special_tokens=False)["input_ids"]
    read = tokenizer(folder)(source)["input_ids"]
    output = whole(folder)(input_ids=torch.tensor([read]), decoder_input_ids=torch.tensor([[*front, *ids]]))
    table = log_softmax(output.logits[0])
    return [float(table[len(front) - 1 + t, piece]) for t, piece in enumerate(ids)]
