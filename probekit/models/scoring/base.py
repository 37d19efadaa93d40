"""What the scorers of all kinds of model share: reading asks, and handing answers back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError
from probekit.glossary import Progress, silent
from probekit.models.head import HeadKind, load_head
from probekit.models.model import Model
from probekit.models.scoring.asks import Answer, Ask
from probekit.models.scoring.pieces import read_pieces
from probekit.models.scoring.queries import Asked, Queries, read_asks
from probekit.models.scoring.rows import plain_logprobs

ON_CPU = 1024
ON_ACCELERATOR = 16384


class ModelScorer(ABC):
    """A scorer that asks a language model. ``queries`` says what it will look at, ``logprobs`` looks."""

    kind: HeadKind
    rule: str
    special = False
    """Whether the tokenizer's special pieces are around a text."""
    skip_first = False
    """Whether the first piece of a text has no context and is not scored."""

    def __init__(self, model: Model, pieces_per_batch: int | None = None) -> None:
        if pieces_per_batch is not None and (not isinstance(pieces_per_batch, int) or pieces_per_batch < 1):
            raise ConfigError(f"pieces_per_batch must be a whole number from 1 on, not {pieces_per_batch!r}")
        on_cpu = model.module.device.type == "cpu"
        self.model = model
        self.head = load_head(model)
        self.budget = pieces_per_batch or (ON_CPU if on_cpu else ON_ACCELERATOR)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    @property
    def room(self) -> int | None:
        """How many pieces of a text, special ones included, can be read; None where there is no limit."""
        return self.model.max_pieces

    @abstractmethod
    def ask(self, asked: Asked) -> Queries:
        """The queries that answer asks which are pieces already."""

    def queries(self, groups: Sequence[Sequence[Ask]], *, shared_prefix_cancels: bool = False) -> Queries:
        """What will be looked at to score these groups."""
        return self.ask(
            read_asks(
                self.model.tokenizer,
                groups,
                special=self.special,
                room=self.room,
                skip_first=self.skip_first,
                shared_prefix_cancels=shared_prefix_cancels,
            )
        )

    def logprobs(self, queries: Queries, progress: Progress = silent) -> NDArray[np.float64]:
        """The log-probability of every query, in nats."""
        return plain_logprobs(self.model, self.head, queries, self.budget, self.model.vocabulary, progress)

    def score(
        self,
        groups: Sequence[Sequence[Ask]],
        *,
        shared_prefix_cancels: bool = False,
        progress: Progress = silent,
    ) -> list[list[Answer]]:
        """An answer for every ask; see `Scorer`."""
        queries = self.queries(groups, shared_prefix_cancels=shared_prefix_cancels)
        return queries.answers(self.logprobs(queries, progress))

    def ask_pieces(self, texts: Sequence[str], sources: Sequence[str]) -> Queries:
        """Every piece of every text as a span of its own, numbered like the pieces with special ones counted;
        unknown pieces are not asked about."""
        read = read_pieces(self.model.tokenizer, texts, special=self.special)
        asked = Asked((len(texts),), read, list(sources), [len(pieces) for pieces in read], [], [], [], [])
        for pieces in read:
            number = np.flatnonzero(~pieces.special & ~pieces.unknown)
            number = number[number > 0] if self.skip_first else number
            too_long = self.room is not None and len(pieces) > self.room
            asked.piece.append(number[:0] if too_long else number)
            asked.span.append(asked.piece[-1])
            asked.left_out.append("")
            asked.n_unknown.append(0)
        return self.ask(asked)
