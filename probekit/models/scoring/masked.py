"""Scores of a masked language model: every piece given the rest of its text, one at a time."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.models.model import Model
from probekit.models.pieces import Ints
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.queries import Asked, Queries, QueryList

Pll: TypeAlias = Literal["within_word_l2r", "original"]

_RULES = {
    "original": "pseudo-log-likelihood: each piece masked by itself, given the rest of the text",
    "within_word_l2r": (
        "pseudo-log-likelihood, within-word left to right: each piece masked together with the later pieces of "
        "its word, given the rest of the text"
    ),
}


class MaskedScorer(ModelScorer):
    """Pseudo-log-likelihoods: original (Salazar et al. 2020) or within-word left to right (Kauf & Ivanova 2023).

    Only pieces of needed spans are masked, each in a copy of its text; equal copies are read once.
    """

    kind = "masked"
    special = True

    def __init__(
        self, model: Model, pll: Pll = "within_word_l2r", pieces_per_batch: int | None = None
    ) -> None:
        super().__init__(model, pieces_per_batch)
        if pll not in get_args(Pll):
            raise ConfigError(f"unknown pll {pll!r}; {did_you_mean(str(pll), get_args(Pll))}")
        if model.tokenizer.mask_token_id is None:
            raise ModelError(
                f"{model.name} has a masked head, and its tokenizer has no mask piece; save one with it"
            )
        self.pll = pll
        self.mask = int(model.tokenizer.mask_token_id)
        self.rule = _RULES[pll]

    def ask(self, asked: Asked) -> Queries:
        """One masked copy for every piece that is wanted, and the masked place is looked at."""
        found = QueryList(asked)
        for number, pieces in enumerate(asked.pieces):
            piece = asked.piece[number]
            if not len(piece):
                continue
            wanted, which = np.unique(piece, return_inverse=True)
            stop = _word_ends(pieces.words)[wanted] if self.pll == "within_word_l2r" else wanted + 1
            place = np.arange(len(pieces))
            hidden = (place >= wanted[:, None]) & (place < stop[:, None])
            copies = np.where(hidden, self.mask, pieces.ids).astype(np.int32)
            inputs = np.array([found.number(copy) for copy in copies])
            found.add(inputs[which], piece, pieces.ids[piece], number, asked.span[number])
        return found.done()


def _word_ends(words: Ints) -> Ints:
    """For every piece, where the run of pieces of its word ends."""
    last = np.flatnonzero(np.append(words[1:] != words[:-1], True)) + 1
    return np.repeat(last, np.diff(np.concatenate([[0], last])))
