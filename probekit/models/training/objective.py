"""What is predicted where: the next piece, or pieces that were masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from probekit.models.training.batches import Batch
from probekit.models.training.config import ObjectivePlan

Array = np.ndarray[Any, Any]
REPLACED, RANDOM = 0.8, 0.1
"""Of the chosen pieces, this share becomes the mask, this share a random piece; the rest stays."""


@dataclass(frozen=True)
class Lesson:
    """What a model reads and what it must say: `ids` int64[rows, pieces]; row t of the states flattened at
    `positions` predicts `labels`."""

    ids: Array
    positions: Array
    labels: Array


@dataclass(frozen=True)
class Causal:
    """Every piece of a row but the first is predicted from those before it."""

    def lesson(self, batch: Batch, generator: np.random.Generator) -> Lesson:
        rows, length = batch.ids.shape
        positions = (np.arange(rows)[:, None] * length + np.arange(length - 1)).reshape(-1)
        return Lesson(batch.ids, positions, batch.ids[:, 1:].reshape(-1))


@dataclass(frozen=True)
class Masked:
    """A share of the pieces is chosen (Devlin et al. 2019): 80 % become the mask, 10 % a random piece, 10 % stay.

    Marked pieces are masked besides, all pieces of a marked word together, in `mark_share` of the cases.
    `ordinary` are the pieces that may be chosen or drawn: all but the special ones.
    """

    mask: int
    ordinary: Array
    share: float = 0.15
    mark_share: float = 0.0

    def lesson(self, batch: Batch, generator: np.random.Generator) -> Lesson:
        ids = batch.ids
        may = np.isin(ids, self.ordinary)
        chosen = may & (generator.random(ids.shape) < self.share)
        how = generator.random(ids.shape)
        changed = np.where(chosen & (how < REPLACED), self.mask, ids)
        other = chosen & (how >= REPLACED) & (how < REPLACED + RANDOM)
        changed[other] = self.ordinary[generator.integers(len(self.ordinary), size=int(other.sum()))]
        if self.mark_share and batch.marks is not None:
            also = self._runs(batch.marks, generator)
            changed[also] = self.mask
            chosen |= also
        if not chosen.any():  # a batch must teach something
            places = np.flatnonzero(may.reshape(-1))
            place = int(places[generator.integers(len(places))]) if len(places) else 0
            chosen.reshape(-1)[place] = True
            changed.reshape(-1)[place] = self.mask
        positions = np.flatnonzero(chosen.reshape(-1))
        return Lesson(changed, positions, ids.reshape(-1)[positions])

    def _runs(self, marks: Array, generator: np.random.Generator) -> Array:
        """One draw for each unbroken run of marked pieces in a row."""
        begins = marks & ~np.pad(marks[:, :-1], ((0, 0), (1, 0)))
        number = np.cumsum(begins.reshape(-1)).reshape(marks.shape)  # 1, 2, ... inside the runs
        draws = np.concatenate([[False], generator.random(int(begins.sum())) < self.mark_share])
        also: Array = marks & draws[number]
        return also


def make_objective(plan: ObjectivePlan, tokenizer: Any) -> Causal | Masked:
    """The objective of a configuration for a tokenizer."""
    if plan.kind == "causal":
        return Causal()
    special = set(tokenizer.all_special_ids)
    ordinary = np.array([piece for piece in range(len(tokenizer)) if piece not in special])
    share = plan.also_mask.share if plan.also_mask else 0.0
    return Masked(int(tokenizer.mask_token_id), ordinary, plan.share, share)
