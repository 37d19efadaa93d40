"""What a comparison is made of: what all strategies are judged on, and the runs of each strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.bill import Bill
from probekit.adaptation.cell import CellResult, degenerate
from probekit.adaptation.problem import AdaptProblem
from probekit.errors import DataError
from probekit.results.outcomes import Outcomes

Array = NDArray[Any]
JUDGED_ON = ("dev", "test")


@dataclass(frozen=True, eq=False)
class Ground:
    """Gold, sentences and text overlap of dev and test, alike for every run.

    ``gold`` holds codes into ``labels`` (or float64, where they are empty) by split, ``cluster`` the sentence of each
    unit, ``overlap`` marks units whose text stands in train too. ``constant`` is the answer that needs no text: the
    code of the class most frequent in train, or the mean of its numbers.
    """

    task: str
    unit: str
    metric: str
    labels: tuple[str, ...]
    n_train_labels: int
    gold: Mapping[str, Array]
    cluster: Mapping[str, Array]
    overlap: Mapping[str, Array]
    constant: float
    n_train: int
    n_left_out: int = 0

    @classmethod
    def of(cls, problem: AdaptProblem) -> Ground:
        """The ground of a problem."""
        units = {split: problem.units_of(split) for split in JUDGED_ON}
        return cls(
            problem.task,
            problem.unit,
            problem.metric,
            problem.labels,
            problem.n_train_labels,
            {split: problem.gold[own] for split, own in units.items()},
            {split: problem.cluster[own] for split, own in units.items()},
            {split: problem.overlap[own] for split, own in units.items()},
            problem.majority,
            len(problem.examples_of("train")),
            sum(problem.left_out.values()),
        )

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return not self.labels

    @property
    def shown_unit(self) -> str:
        """What is counted, in words."""
        return "text pair" if self.unit == "pair" else self.unit

    @property
    def shown_cluster(self) -> str:
        """What intervals resample and swaps exchange, in words."""
        return "text pair" if self.unit == "pair" else "sentence"


@dataclass(frozen=True, eq=False)
class Arm:
    """The runs of one strategy on one share of the training data, seed by seed; its trials on dev are kept apart.
    ``metric`` says by what a run is no better than none."""

    strategy: str
    family: str
    fraction: float
    runs: tuple[CellResult, ...]
    trials: tuple[CellResult, ...] = ()
    metric: str = "accuracy"

    @cached_property
    def done(self) -> tuple[CellResult, ...]:
        """The runs that ended with predictions."""
        return tuple(run for run in self.runs if not run.failed)

    @property
    def failed(self) -> tuple[CellResult, ...]:
        """The runs that did not."""
        return tuple(run for run in self.runs if run.failed)

    @cached_property
    def degenerate(self) -> tuple[tuple[CellResult, str], ...]:
        """The runs that ended but learned nothing, each with its reason."""
        return tuple((run, why) for run in self.done if (why := degenerate(run, self.metric)))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the runs."""
        return self.runs[0].settings if self.runs else {}

    @property
    def trial(self) -> int:
        """The number of the setting that the runs have, among those tried."""
        return self.runs[0].trial if self.runs else 0

    @property
    def n_train(self) -> int:
        """How many training examples a run had; 0 where no run ended."""
        return max((run.n_train for run in self.runs), default=0)

    @property
    def bill(self) -> Bill | None:
        """The bill of a run that ended and was billed, one that had a process to itself before others; else None.

        What other runs note does not serve: of a frozen model's texts they count what nobody had read before them, and
        of a run that failed the part until then.
        """
        bills = [run.bill for run in self.done if run.bill is not None]
        billed = [bill for bill in bills if bill.alone or bill.cpu_load is not None]
        return next((bill for bill in billed if bill.alone), billed[0] if billed else None)


def arms_of(results: Iterable[CellResult], metric: str = "accuracy") -> list[Arm]:
    """Results gathered by share of the data and strategy, the largest share first, else in the order they came.

    A strategy with trials alone has no arm, unless nothing else of it is there. Raises DataError where there is no
    result, for a seed that a strategy has twice, and for results of several models.
    """
    found: dict[tuple[float, str], list[CellResult]] = {}
    trials: dict[str, list[CellResult]] = {}
    models: dict[str, CellResult] = {}
    for one in results:
        models.setdefault(one.model, one)
        if one.purpose == "trial":
            trials.setdefault(one.strategy, []).append(one)
        else:
            found.setdefault((one.fraction, one.strategy), []).append(one)
    if not found:
        raise DataError("no runs to compare; give the results of at least one strategy, besides its trials")
    if len(models) > 1:
        raise DataError(f"one comparison is about one model; got results of {', '.join(sorted(models))}")
    arms = []
    for (fraction, strategy), runs in sorted(found.items(), key=lambda one: -one[0][0]):
        seeds = sorted(run.seed for run in runs)
        if len(set(seeds)) < len(seeds):
            raise DataError(
                f"strategy {strategy!r} has two runs of one seed (seeds {seeds}, fraction {fraction:g})"
            )
        ordered = tuple(sorted(runs, key=lambda run: run.seed))
        arms.append(Arm(strategy, runs[0].family, fraction, ordered, tuple(trials.get(strategy, ())), metric))
    return arms


def check_runs(arms: Sequence[Arm], ground: Ground) -> None:
    """Raises DataError, naming the run, where its answers are not those to the problem's dev and test units."""
    for run in (run for arm in arms for run in (*arm.done, *arm.trials) if not run.failed):
        for split in JUDGED_ON:
            outputs, gold = {"dev": run.dev, "test": run.test}[split], ground.gold[split]
            width = max(1, len(ground.labels))
            if split == "test" and run.purpose == "trial" and not len(outputs):
                continue
            if outputs.shape != (len(gold), width) or not np.array_equal(run.gold(split), gold):
                raise DataError(
                    f"run {run.name!r}: {split} outputs {outputs.shape} and gold are not those of the problem"
                    f" ({len(gold)} units, {width} outputs); compare runs of one problem"
                )


def outcomes_of(result: CellResult, problem: AdaptProblem, split: str = "test") -> Outcomes:
    """What a run answered to every unit of a split, as outcomes that `compare` pairs by id.

    Raises DataError for a run that failed.
    """
    if result.failed:
        raise DataError(f"run {result.name!r} failed and has no outcomes: {result.failed}")
    own = problem.units_of(split)
    gold = problem.gold[own]
    margin = np.full(len(own), np.nan, np.float32)
    if not problem.numeric:
        shares = np.log(np.maximum(result.probabilities(split), 1e-30))
        place = np.arange(len(own)), gold
        mine = shares[place]
        shares[place] = -np.inf
        margin = (mine - shares.max(axis=1)).astype(np.float32)
    return Outcomes(
        tuple(problem.ids[unit] for unit in own), problem.cluster[own], gold, result.predicted(split), margin,
        problem.labels, problem.left_out,
    )  # fmt: skip
