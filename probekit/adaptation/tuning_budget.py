"""How much may be spent on the choice of settings: the same for every strategy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probekit.adaptation.cell import CellResult
from probekit.errors import ConfigError, did_you_mean
from probekit.maths.scores import score

KINDS = ("trials", "seconds", "steps", "examples")


@dataclass(frozen=True)
class TuningBudget:
    """What each strategy may spend on trying settings on dev.

    ``trials=N``: N of its settings. ``seconds=S``: all of its settings in their order, a further one begun only while
    the CPU seconds of its trials so far lie below S; a frozen model's reading of texts counts for the strategy whose
    trial was the first to need them. ``steps=N``: all of them, each of at most N optimiser steps (a
    frozen model's head has none to count). ``examples=N``: all of them, each on N training examples, classes in their
    shares. A strategy with one setting is not tuned.

    >>> TuningBudget.read("seconds=60")
    TuningBudget(kind='seconds', amount=60.0)
    """

    kind: str
    amount: float

    @classmethod
    def read(cls, text: str) -> TuningBudget:
        """A budget as it is written. Raises ConfigError with what can be written."""
        found = re.fullmatch(r"([a-z]+)\s*=\s*([0-9]+(?:\.[0-9]+)?)", str(text).strip())
        if found is None:
            raise ConfigError(f"a budget is written trials=N, seconds=S, steps=N or examples=N; got {text!r}")
        kind, amount = found[1], float(found[2])
        if kind not in KINDS:
            raise ConfigError(f"no budget of {kind!r}; {did_you_mean(kind, KINDS)}")
        if amount <= 0 or (kind != "seconds" and amount != math.floor(amount)):
            raise ConfigError(f"a budget of {kind} is a {'number' if kind == 'seconds' else 'whole number'} above 0; "
                              f"got {found[2]}")  # fmt: skip
        return cls(kind, amount)

    def __str__(self) -> str:
        return f"{self.kind}={self.amount:g}"

    def tried(self, settings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Which of a strategy's settings may be tried at all."""
        return list(settings[: int(self.amount)] if self.kind == "trials" else settings)

    def at_once(self, n: int, spent: Sequence[float]) -> range:
        """The numbers of the settings to try now, of n; ``spent`` are the CPU seconds of those tried already."""
        if self.kind != "seconds":
            return range(len(spent), n)
        more = len(spent) < n and (not spent or sum(spent) < self.amount)
        return range(len(spent), len(spent) + int(more))

    @property
    def steps(self) -> int:
        """The most steps of a trial; 0 where they are not bounded."""
        return int(self.amount) if self.kind == "steps" else 0

    @property
    def examples(self) -> int:
        """The most training examples of a trial; 0 where they are not bounded."""
        return int(self.amount) if self.kind == "examples" else 0


@dataclass(frozen=True)
class Choice:
    """The setting a strategy runs with: its number among those that may be tried, and the dev score of each tried one
    (None where the trial failed). Nothing is in `scores` where nothing was tuned."""

    trial: int
    scores: tuple[float | None, ...] = ()


def choose(metric: str, trials: Sequence[CellResult], n_labels: int) -> Choice:
    """The setting with the best dev score; of equal ones the first. Trials that failed are not chosen, unless all did.

    A score that is not defined (a constant prediction's correlation) counts as the worst.
    """
    scores = [dev_score(metric, trial, n_labels) for trial in trials]
    ranked = [(-math.inf if value is None else value) for value in scores]
    best = int(np.argmax(ranked)) if ranked else 0
    return Choice(trials[best].trial if trials else 0, tuple(scores))


def dev_score(metric: str, result: CellResult, n_labels: int) -> float | None:
    """The score of a result on dev; None where it failed or is not defined."""
    if result.failed:
        return None
    value = score(metric, result.gold_dev, result.predicted("dev"), n_labels)
    return value if math.isfinite(value) else None
