"""What rows and pictures of one erased concept are made from, and the row that all others are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.experiment.erase_cells import CellResult
from probekit.experiment.erased_series import ALL_LAYERS, Judged, Series, sort_series
from probekit.experiment.plan import ErasePlan
from probekit.probing.problem import ProbeProblem
from probekit.results.measurement import About, Measurement

if TYPE_CHECKING:
    from probekit.data.suite import Suite

Array = NDArray[Any]
UNEDITED = "unedited"


@dataclass(frozen=True, eq=False)
class Context:
    """The finished cells of one model and analysis, seen from one concept."""

    concept: str
    results: tuple[CellResult, ...]
    suites: tuple[Suite, ...]
    analysis: ErasePlan
    about: About

    @cached_property
    def series(self) -> list[Series]:
        """Every eraser over layers, the concept's first."""
        return sort_series(self.results, self.concept)

    @cached_property
    def own(self) -> list[Series]:
        """The erasers of the concept itself."""
        return [one for one in self.series if not one.role]

    @cached_property
    def probes(self) -> dict[str, CellResult]:
        """Layer -> what probes of the unedited states predicted."""
        return {one.cell.layer: one for one in self.results if one.cell.part == "probe"}

    @cached_property
    def layers(self) -> list[str]:
        """The layers erased at, from low to high; without "all", which stands for a scrubbed model."""
        found = [one.cell.layer for one in self.results if one.cell.layer not in ("", ALL_LAYERS)]
        return list(dict.fromkeys(found))

    @cached_property
    def unedited(self) -> CellResult | None:
        """The behaviour of the model as it is."""
        return next((one for one in self.results if one.cell.part == "unedited"), None)

    @cached_property
    def judged(self) -> list[Judged]:
        """The suites, where the unedited model was judged on them."""
        found = [Judged.of(suite, number) for number, suite in enumerate(self.suites)]
        return found if self.unedited is not None else []

    @cached_property
    def problems(self) -> dict[str, ProbeProblem]:
        """Task -> its problem: gold labels and splits of its words."""
        posed = [
            one
            for result in self.results
            for one in (result.cell.posed, *result.cell.neighbours)
            if one is not None
        ]
        files = {one.task: one.problem for one in posed}
        return {task: ProbeProblem.load(Path(file)) for task, file in files.items()}

    @property
    def has_random(self) -> bool:
        """Whether random erasures of the same rank were asked for."""
        return "random" in self.analysis.methods

    def right(self, result: CellResult, task: str, probe: str, split: str) -> Array:
        """How often each word of a split was rightly told, over the probe's seeds: float64 (units,)."""
        problem = self.problems[task]
        gold = problem.gold[problem.of(split)]
        return np.asarray((result.predicted(task, probe, split) == gold).mean(axis=0), dtype=np.float64)

    def mean_right(self, results: Sequence[CellResult], task: str, probe: str, split: str) -> Array | None:
        """The same, mean over cells; None where the cells did not ask that task."""
        asked = [one for one in results if f"{task}|{probe}|{split}" in one.arrays]
        if not asked:
            return None
        return np.asarray(np.mean([self.right(one, task, probe, split) for one in asked], axis=0))

    def majority(self, task: str, split: str) -> Array:
        """1 where the word has the label that is most frequent in train, else 0: float64 (units,)."""
        problem = self.problems[task]
        frequent = int(np.bincount(problem.gold[problem.of("train")]).argmax())
        return np.asarray(problem.gold[problem.of(split)] == frequent, dtype=np.float64)

    def row(self, metric: str, *, group: str = "", **fields: Any) -> Measurement:
        """A row that says what all rows of this concept say; `group` follows the concept's name."""
        about = self.about
        given: dict[str, Any] = {
            "run": about.run, "question": about.question, "corpus": about.corpus, "model": about.model,
            "model_kind": about.model_kind, "site": about.site, "group": f"concept={self.concept} {group}".strip(),
            "reason": "not measured",
        }  # fmt: skip
        return Measurement(metric=metric, **(given | fields))
