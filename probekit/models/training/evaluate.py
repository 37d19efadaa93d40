"""Held-out loss and perplexity, beside the loss of a model that knows word frequencies only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from probekit.models.training.batches import Pieces
from probekit.models.training.lean import Forward
from probekit.models.training.objective import Lesson, Masked

Array = np.ndarray[Any, Any]
PLATEAU = 0.95
"""A held-out loss above this share of the unigram loss is not clearly below it."""
MASKS_SEED = 20_190_602
"""Held-out masks are the same for every model, so that losses can be compared."""


@dataclass(frozen=True)
class Score:
    """Held-out loss in nats a piece and what follows from it; per word only where every piece is predicted."""

    loss: float
    perplexity: float
    perplexity_per_word: float | None
    unigram_loss: float
    pieces: int
    texts: int

    @property
    def on_plateau(self) -> bool:
        """Whether the loss is less than 5 % below the unigram loss: word frequencies and no more were learned."""
        return self.loss > PLATEAU * self.unigram_loss

    def row(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**asdict(self), "on_plateau": self.on_plateau}


class HeldOut:
    """What is asked about the held-out texts: the same question at every evaluation.

    Causal: every piece but the first of a text, given the pieces before it. Masked: a fixed 15 % of the ordinary
    pieces (or the share that the objective has), all replaced by the mask. A text longer than `length` is read
    in windows that overlap by half, and each piece is scored once, in the first window that holds it.
    """

    def __init__(
        self, pieces: Pieces, texts: Sequence[str], counts: Array, objective: Any, *, length: int, at_once: int,
        limit: int,
    ) -> None:  # fmt: skip
        self.masked = isinstance(objective, Masked)
        ends = pieces.starts[1:]
        self.texts = max(1, int(np.searchsorted(ends, limit, side="right")))
        self.words = sum(len(text.split()) for text in texts[: self.texts])
        generator = np.random.default_rng(MASKS_SEED)
        windows: dict[
            int, list[tuple[Array, Array, Array]]
        ] = {}  # by length: what is read, where, the answers
        for number in range(self.texts):
            ids = pieces.text(number).astype(np.int64)
            asked = np.arange(len(ids)) > 0
            read = ids
            if isinstance(objective, Masked):
                asked = np.isin(ids, objective.ordinary) & (generator.random(len(ids)) < objective.share)
                read = np.where(asked, objective.mask, ids)
            for start, stop, new in overlapping(len(ids), length):
                places = np.flatnonzero(asked[new:stop]) + new
                if len(places):
                    behind = places - start - (0 if self.masked else 1)
                    keep = behind >= 0
                    windows.setdefault(stop - start, []).append(
                        (read[start:stop], behind[keep], ids[places][keep])
                    )
        self.lessons = list(_grouped(windows, at_once))
        self.pieces = sum(len(lesson.labels) for lesson in self.lessons)
        shares = np.log((counts + 1.0) / (counts.sum() + len(counts)))
        labels = np.concatenate([lesson.labels for lesson in self.lessons] or [np.zeros(0, np.int64)])
        self.unigram_loss = float(-shares[labels].mean()) if self.pieces else math.nan

    @torch.no_grad()
    def score(self, module: PreTrainedModel, forward: Forward) -> Score:
        """Mean loss over all that is asked, in float32, without dropout."""
        training, device = module.training, module.device
        module.train(False)
        nats = 0.0
        for lesson in self.lessons:
            logits = forward(
                torch.from_numpy(lesson.ids).to(device), torch.from_numpy(lesson.positions).to(device)
            )
            labels = torch.from_numpy(lesson.labels).to(device)
            nats += float(functional.cross_entropy(logits.float(), labels, reduction="sum"))
        module.train(training)
        loss = nats / self.pieces
        per_word = None if self.masked else exp(nats / self.words)
        return Score(loss, exp(loss), per_word, self.unigram_loss, self.pieces, self.texts)


def overlapping(pieces: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Windows (start, stop, first new piece) over a text, overlapping by half.

    >>> list(overlapping(7, 4))
    [(0, 4, 0), (2, 6, 4), (3, 7, 6)]
    """
    start, new = 0, 0
    while True:
        stop = min(start + length, pieces)
        start = max(0, stop - length)
        yield start, stop, new
        if stop == pieces:
            return
        start, new = start + max(1, length // 2), stop


def _grouped(windows: dict[int, list[tuple[Array, Array, Array]]], at_once: int) -> Iterator[Lesson]:
    for length, same in sorted(windows.items()):
        rows = max(1, at_once // length)
        for first in range(0, len(same), rows):
            some = same[first : first + rows]
            positions = np.concatenate([places + row * length for row, (_, places, _) in enumerate(some)])
            labels = np.concatenate([answers for _, _, answers in some])
            yield Lesson(np.stack([read for read, _, _ in some]), positions, labels)


def exp(nats: float) -> float:
    """e to the power, without overflow.

    >>> exp(0.0), exp(1e6) > 1e300
    (1.0, True)
    """
    return math.exp(min(nats, 700.0))
