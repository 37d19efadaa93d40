"""What a comparison is made of: what all strategies are judged on, and the runs of each strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Ground:
    """Gold and clusters of dev and test, alike for every run.

    ``classes`` are empty where numbers are predicted; ``gold`` holds codes into them (or float64) by split, ``cluster``
    the sentence of each unit, ``overlap`` bool [test units] whose text stands in train too. ``constant`` is what knows
    nothing of the text: the code of the class most frequent in train, or the mean of its numbers.
    """

    task: str
    unit: str
    metric: str
    classes: tuple[str, ...]
    gold: Mapping[str, Array]
    cluster: Mapping[str, Array]
    overlap: Array
    n_train: int
    constant: float
    n_left_out: int = 0

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return not self.classes


@dataclass(frozen=True, eq=False)
class Ran:
    """One run of one strategy: outputs float32 [units, classes] (or [units]) by split, or why there are none."""

    strategy: str
    seed: int
    fraction: float = 1.0
    purpose: str = "run"
    settings: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    bill: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""

    def predicted(self, split: str) -> Array:
        """The class with the highest output, int64 [units], -1 where there is none; or the number."""
        outputs = self.outputs[split]
        if outputs.ndim == 1 or outputs.shape[1] == 1:
            return outputs.reshape(len(outputs)).astype(np.float64)
        empty = np.isnan(outputs).any(axis=1)
        best: Array = np.where(np.isnan(outputs), -np.inf, outputs).argmax(axis=1)
        return np.where(empty, -1, best).astype(np.int64)

    def probabilities(self, split: str) -> Array:
        """Softmax of the outputs, float64 [units, classes]; log-probabilities are outputs as well."""
        outputs = self.outputs[split].astype(np.float64)
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Arm:
    """The runs of one strategy on one share of the training data, seed by seed; its trials are kept apart."""

    strategy: str
    fraction: float
    runs: tuple[Ran, ...]
    trials: tuple[Ran, ...] = ()

    @cached_property
    def done(self) -> tuple[Ran, ...]:
        """The runs that ended well."""
        return tuple(run for run in self.runs if not run.failed)

    @property
    def failed(self) -> tuple[Ran, ...]:
        """The runs that did not."""
        return tuple(run for run in self.runs if run.failed)


def arms_of(runs: Sequence[Ran]) -> list[Arm]:
    """Runs gathered by share of the data and strategy, the whole data first, in the order in which they came.

    Raises DataError where there is none, and for a seed that a strategy has twice.
    """
    if not runs:
        raise DataError("no runs to compare; give the results of at least one strategy")
    found: dict[tuple[float, str], tuple[list[Ran], list[Ran]]] = {}
    for run in runs:
        done, trials = found.setdefault((run.fraction, run.strategy), ([], []))
        (trials if run.purpose == "trial" else done).append(run)
    arms = []
    for (fraction, strategy), (done, trials) in sorted(found.items(), key=lambda one: -one[0][0]):
        seeds = [run.seed for run in done]
        if len(set(seeds)) < len(seeds):
            raise DataError(f"strategy {strategy!r} has two runs of one seed (seeds {sorted(seeds)})")
        arms.append(Arm(strategy, fraction, tuple(sorted(done, key=lambda run: run.seed)), tuple(trials)))
    return arms


def check_runs(arms: Sequence[Arm], ground: Ground) -> None:
    """Raises DataError, naming the run, where outputs are not those of the ground's units and classes."""
    for run in (run for arm in arms for run in (*arm.done, *arm.trials) if not run.failed):
        for split, outputs in run.outputs.items():
            units, width = len(ground.gold[split]), max(1, len(ground.classes))
            shape = outputs.shape if outputs.ndim == 2 else (*outputs.shape, 1)
            if shape != (units, width):
                raise DataError(
                    f"run {run.seed} of {run.strategy!r}: {split} outputs have shape {outputs.shape}; {units} units and"
                    f" {width} outputs are compared"
                )
