"""What a piece may look at, kind by kind: special pieces, punctuation, neighbours, its own word, its own type."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from probekit.attention.maps import PieceBatch

if TYPE_CHECKING:
    from probekit.models.model import Model

REACH = 8
"""How far the profile of distances goes in either direction."""
OFFSETS = tuple(range(-REACH, REACH + 1))
KINDS = ("special", "punctuation", "same_word", "same_type", *(f"offset={offset}" for offset in OFFSETS))


@dataclass(frozen=True, eq=False)
class Targets:
    """For the pieces of a batch that look, what they may look at.

    ``kind`` float ``[batch, kinds, pieces, pieces]`` has 1 where piece i may look at piece j of that kind (`KINDS`);
    rows of special pieces are 0 throughout, since these do not count as looking. ``far`` ``[batch, pieces, pieces]`` is
    how far piece j lies from piece i, where both are ordinary, and ``ordinary`` likewise 1. ``looks`` bool ``[batch,
    pieces]`` are the pieces that look; ``even`` ``[batch, 1, pieces, pieces]`` is attention spread evenly over all that
    is visible.
    """

    kind: torch.Tensor
    far: torch.Tensor
    ordinary: torch.Tensor
    looks: torch.Tensor
    even: torch.Tensor

    @property
    def rows(self) -> torch.Tensor:
        """How many pieces of each sentence have something of a kind to look at, ``[batch, kinds]``."""
        return self.kind.amax(3).sum(2)


def find_targets(batch: PieceBatch, visible: torch.Tensor, punctuation: torch.Tensor) -> Targets:
    """The targets of a batch; ``visible`` bool ``[batch or 1, 1, pieces, pieces]``, ``punctuation`` bool ``[pieces of
    the vocabulary]``."""
    rows, pieces = batch.ids.shape
    device = batch.ids.device
    looks = ~batch.special
    may = visible[:, 0].expand(rows, pieces, pieces)
    seen = may & looks[:, :, None]
    place = torch.arange(pieces, device=device)
    offset = place[None, :] - place[:, None]
    others = offset != 0
    inside = seen & looks[:, None, :]
    same_word = (batch.member.transpose(1, 2) @ batch.member) > 0
    same_type = batch.ids[:, :, None] == batch.ids[:, None, :]
    kinds = [
        seen & batch.special[:, None, :],
        inside & (punctuation[batch.ids.clamp(min=0)] & looks)[:, None, :],
        inside & same_word & others,
        inside & same_type & others,
        *(inside & (offset == step) for step in OFFSETS),
    ]
    even = may / may.sum(2, keepdim=True).clamp(min=1)
    return Targets(
        torch.stack(kinds, 1).float(), inside * offset.abs().float(), inside.float(), looks, even[:, None]
    )


def with_start(batch: PieceBatch) -> PieceBatch:
    """The batch as the decoder of an encoder-decoder reads it: a start piece, which is special, in front."""
    pad = torch.nn.functional.pad
    return replace(
        batch,
        ids=pad(batch.ids, (1, 0), value=-1),
        special=pad(batch.special, (1, 0), value=True),
        member=pad(batch.member, (1, 0)),
    )


def visible_in(weights: torch.Tensor) -> torch.Tensor:
    """Which pieces may be looked at where the family does not say: those that any head of any sentence looks at."""
    return (weights > 0).any(0, keepdim=True).any(1, keepdim=True)


def find_punctuation(model: Model, ids: Iterable[int]) -> torch.Tensor:
    """Which pieces are made of punctuation alone (Unicode categories P), bool ``[vocabulary]``; of `ids` alone."""
    found = torch.zeros(model.vocabulary, dtype=torch.bool)
    for piece in set(ids):
        text = str(model.tokenizer.decode([piece], clean_up_tokenization_spaces=False)).strip()
        text = text[2:] if text.startswith("##") and len(text) > 2 else text
        found[piece] = bool(text) and all(unicodedata.category(letter).startswith("P") for letter in text)
    return found.to(model.module.device)
