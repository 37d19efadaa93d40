"""What a scorer is asked and what it answers, whatever kind of model it scores with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from probekit.glossary import Progress, silent

TOO_LONG = "too long"
UNKNOWN_PIECE = "unknown piece"
EMPTY_TEXT = "empty text"
NO_PIECE = "no piece in a needed region"
REASONS = (EMPTY_TEXT, TOO_LONG, NO_PIECE, UNKNOWN_PIECE)
"""Why a text is not scored; the first that holds is given."""


@dataclass(frozen=True)
class Ask:
    """A text, and the character ranges of it whose surprisal is wanted.

    Ranges may overlap and need not cover the text. ``source`` is what the encoder of an encoder-decoder reads;
    other models have no use for it.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    source: str = ""


@dataclass(frozen=True, eq=False)
class Answer:
    """The surprisal of every span in bits, and how many pieces it is the sum of.

    Where ``left_out`` gives a reason, every number of ``bits`` is NaN. ``n_unknown`` counts the unknown pieces
    elsewhere in a text that was scored.
    """

    bits: NDArray[np.float64]
    n_pieces: NDArray[np.int64]
    left_out: str = ""
    n_unknown: int = 0


class Scorer(Protocol):
    """Whatever can tell how surprising the spans of a text are.

    ``rule`` says in words what a score is: what is read before the text, what is masked, what is not scored.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def rule(self) -> str: ...

    def score(
        self,
        groups: Sequence[Sequence[Ask]],
        *,
        shared_prefix_cancels: bool = False,
        progress: Progress = silent,
    ) -> list[list[Answer]]:
        """An answer for every ask of every group, in order.

        Groups are what belongs together (the conditions of an item). With ``shared_prefix_cancels`` pieces that
        all texts of a group begin with may be left unscored wherever each asks for the whole of its text: scores
        are then only good for differences within a group.
        """
        ...
