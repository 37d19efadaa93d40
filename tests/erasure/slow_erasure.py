"""Importance the slow way: whole transformers models, one forward pass per word, nothing shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from tests.tiny_models import tiny_lm_folder

CAUSAL = ("gpt2", "llama")
MASKED = ("bert", "roberta")


class SlowModel:
    """A tiny language model of transformers, asked for the log-odds of two single pieces."""

    def __init__(self, kind: str) -> None:
        auto: Any = AutoModelForCausalLM if kind in CAUSAL else AutoModelForMaskedLM
        self.kind = kind
        self.module = auto.from_pretrained(tiny_lm_folder(kind)).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(tiny_lm_folder(kind))

    def ids(self, text: str) -> list[int]:
        if self.kind in CAUSAL:
            return [self.tokenizer.bos_token_id, *self.tokenizer(text, add_special_tokens=False).input_ids]
        return list(self.tokenizer(text).input_ids)

    @torch.no_grad()
    def odds(
        self,
        text: str,
        target: int,
        foil: int,
        *,
        embedded: Any = None,
        hidden: Any = None,
        fill: int | None = None,
    ) -> float:
        """Of the next piece of a causal model, or of the mask piece in the text of a masked one.

        `embedded` is read in place of the text's pieces; the pieces of the word `hidden` are replaced by `fill`.
        """
        ids = torch.tensor([self.ids(text)])
        at = -1
        if self.kind in MASKED:
            [at] = torch.nonzero(ids[0] == self.tokenizer.mask_token_id)[:, 0].tolist()
        if hidden is not None:
            ids[0, self.pieces_of(text, hidden)] = fill
        given = {"input_ids": ids} if embedded is None else {"inputs_embeds": embedded}
        logits = self.module(**given).logits[0].double()
        logprob = torch.log_softmax(logits[at], -1)
        return float(logprob[target] - logprob[foil])

    def pieces_of(self, text: str, word: tuple[int, int]) -> list[int]:
        """Numbers of a word's pieces among `ids`; a piece that is a space alone goes with the word behind it."""
        special = self.kind in MASKED
        read = self.tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        found = []
        for number, (begin, end) in enumerate(read.offset_mapping):
            at = begin
            while at < len(text) and text[at].isspace():
                at += 1
            if begin < end and word[0] <= at < word[1]:
                found.append(number + (0 if special else 1))
        return found

    @torch.no_grad()
    def averaged(self, text: str, word: tuple[int, int]) -> torch.Tensor:
        """The embeddings of a text, those of a word's pieces replaced by the mean row."""
        rows: Any = self.module.get_input_embeddings().weight
        embedded = rows[torch.tensor(self.ids(text))].clone()
        embedded[self.pieces_of(text, word)] = rows.mean(0)
        return embedded[None]


def near(found: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    return bool(np.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True))
