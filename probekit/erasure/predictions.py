"""What importance is measured for: a prediction says what to read of a text and how a number comes of the states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import ConfigError
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.data.sentence import Sentence
    from probekit.erasure.reading import Change, Flat
    from probekit.erasure.versions import Version
    from probekit.models.model import Model

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Look:
    """What is read for the prediction about one text.

    ``inputs`` are piece ids; ``words[i]`` int64 ``[words, 2]`` is the range of pieces that every word has in input i,
    0:0 where it has none there. The value of the prediction is the sum over k of ``weight[k]`` times the score of
    ``target[k]`` at the state pooled over the pieces ``first[k]:stop[k]`` of input ``input[k]``. ``marks`` (one array
    for each input, or none) say to a `Change` what it has to change in the input. Where ``left_out`` gives a reason,
    nothing is read.
    """

    inputs: tuple[Ints, ...]
    words: tuple[Ints, ...]
    input: Ints
    first: Ints
    stop: Ints
    target: Ints
    weight: Array
    marks: tuple[Ints, ...] = ()
    left_out: str = ""


def nothing_to_read(reason: str) -> Look:
    """A look at a text that is left out."""
    none = np.zeros(0, np.int64)
    return Look((), (), none, none, none, none, np.zeros(0), left_out=reason)


class Bound(ABC):
    """A prediction about given texts, the ``versions``, by a given model: a number made of states of ``layer``.

    ``fill`` is the piece that stands for a word that is hidden; None where there is none, and ``no_fill`` says why.
    """

    model: Model
    layer: str
    pool: str = "mean"
    fill: int | None = None
    no_fill: str = ""
    versions: list[Version]

    @abstractmethod
    def looks(self, versions: Sequence[Version]) -> list[Look]:
        """What is read for every version."""

    @abstractmethod
    def scores(self, states: torch.Tensor, row: Ints, target: Ints) -> Array:
        """The score of ``target[k]`` at ``states[row[k]]``, float64; ``row`` ascends from 0 and leaves none out."""

    def differentiable(self, states: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The scores of ``target[k]`` at ``states[k]``, with gradients. Raises ConfigError where there are none."""
        raise ConfigError(
            "this prediction has no gradient; use word_importance, which needs none, or a linear or MLP probe"
        )

    def answers(self, flat: Flat, change: Change | None = None, progress: Progress = silent) -> Array:
        """The score of every question of all looks."""
        from probekit.erasure.reading import read_states

        states, row = read_states(self.model, flat, self.layer, self.pool, change, progress)
        order = np.argsort(row, kind="stable")
        found = np.empty(len(row))
        found[order] = self.scores(states, row[order], flat.target[order])
        return found


class Prediction(Protocol):
    """Anything that can be bound to a model and texts; `LogOdds` and `ProbeOutput` are two.

    ``name`` says in words what the number is, ``unit`` in which unit it stands. Wherever a prediction is wanted a
    plain function from a list of texts to as many numbers will do too, if words are deleted.
    """

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    def bind(self, model: Model, sentences: Sequence[Sentence]) -> Bound:
        """The prediction about these texts; raises ProbekitError where they do not go together."""
        ...


def one_each(value: Any, n: int, what: str) -> list[Any]:
    """A value for each of n texts, from one for all or one for each. Raises ConfigError where the numbers differ."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * n
    if len(value) != n:
        raise ConfigError(f"{len(value)} values of {what} for {n} texts; give one for each, or one for all")
    return list(value)
