"""What came out of the cells of an erasure, sorted: a series over layers for every eraser, and who was right when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.groups import Grouping, grouping
from probekit.behavior.questions import Questions, ask_suite
from probekit.behavior.systems import system_of
from probekit.behavior.verdicts import clusters, give_verdicts, outcomes_of
from probekit.data.splits import stable_hash
from probekit.experiment.erase_cells import CellResult

if TYPE_CHECKING:
    from probekit.data.suite import Suite
    from probekit.results.outcomes import Outcomes

Array = NDArray[Any]
ALL_LAYERS = "all"
CONTROL_CONCEPT = "control-concept"
RANDOM = "random-erasure"
WRITTEN = {"leace": "LEACE", "inlp": "INLP", "rlace": "R-LACE", "mlp": "MLP"}


@dataclass(frozen=True, eq=False)
class Series:
    """One eraser over layers: layer -> its cells, several where it is drawn at random.

    `role` is "" for erasers of the concept, else the name of the control.
    """

    name: str
    role: str
    cells: dict[str, tuple[CellResult, ...]]

    def mean(self, layer: str, word: str) -> float | None:
        """A number of the eraser at a layer ("rank", "share", "change"), mean over draws; None where there is none."""
        found = [cell.words[word] for cell in self.cells.get(layer, ()) if word in cell.words]
        return float(np.mean(found)) if found else None


def sort_series(results: Sequence[CellResult], concept: str) -> list[Series]:
    """The erasers of a concept and what they are compared with, the concept's first.

    A random erasure is a series for each rank, so that an eraser finds the ones of its own rank at every layer.
    """
    found: dict[tuple[str, str], dict[str, list[CellResult]]] = {}
    for result in results:
        cell = result.cell
        if cell.part not in ("erase", "scrub") or cell.posed is None:
            continue
        if cell.role != CONTROL_CONCEPT and cell.posed.task != concept:
            continue
        found.setdefault((cell.role, spoken(result)), {}).setdefault(cell.layer, []).append(result)
    return [
        Series(name, role, {layer: tuple(cells) for layer, cells in by_layer.items()})
        for (role, name), by_layer in found.items()
    ]


def spoken(result: CellResult) -> str:
    """An eraser in words, as rows and figures name it."""
    cell = result.cell
    method, _, rest = cell.series.partition(" ")
    if method == "random":
        return f"random erasure of rank {rest}" if rest else "random erasure of the same ranks"
    if method == "random-norm":
        return f"random erasure that changes as much as {rest}"
    if method == "pca":
        return f"principal components, rank {rest}"
    return f"{method} of {cell.posed.task if cell.posed else ''}"


def written(text: str) -> str:
    """Text for a reader, methods by the names of their papers; rows keep the words of an experiment file."""
    return re.sub(r"\b(leace|inlp|rlace|mlp(?= probe))\b", lambda found: WRITTEN[found[1]], text)


def random_like(series: Series, layer: str, everyone: Sequence[Series]) -> tuple[CellResult, ...]:
    """The random erasures of the same rank as an eraser at a layer; none where none was drawn."""
    rank = series.mean(layer, "rank")
    wanted = "random" if layer == ALL_LAYERS else f"random {rank:g}" if rank is not None else ""
    for other in everyone:
        cells = other.cells.get(layer, ())
        if other.role == RANDOM and cells and cells[0].cell.series == wanted:
            return cells
    return ()


@dataclass(frozen=True, eq=False)
class Judged:
    """A suite with what is needed to say who was right on it, as arrays over its cases.

    `test` bool (cases,): a half of the cases, of whole clusters, by a hash of the cluster's name. On the other half,
    dev, a layer is chosen.
    """

    suite: Suite
    number: int
    questions: Questions
    cluster: Array
    test: Array
    groupings: list[Grouping]
    known: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, suite: Suite, number: int) -> Judged:
        """The suite as it stands at a place among those of the analysis."""
        questions = ask_suite(suite)
        odd = np.array([stable_hash("half", item.cluster or item.id) % 2 for item in suite.items], dtype=bool)
        test = odd[[case.item for case in questions.cases]]
        return cls(suite, number, questions, clusters(suite, questions), test, grouping(suite, questions))

    def right(self, cells: Sequence[CellResult]) -> Array:
        """How often each case was right over the cells, 0 ... 1; NaN where left out. float64 (cases,)."""
        each = []
        for cell in cells:
            if cell.cell.stem not in self.known:
                verdicts = give_verdicts(self.suite, self.questions, cell.answers[self.number])
                self.known[cell.cell.stem] = system_of(verdicts).right
            each.append(self.known[cell.cell.stem])
        return np.mean(each, axis=0) if each else np.full(len(self.cluster), np.nan)

    def outcomes(self, cell: CellResult) -> Outcomes:
        """What happened to every case under one cell's edits."""
        answers = cell.answers[self.number]
        return outcomes_of(self.suite, self.questions, give_verdicts(self.suite, self.questions, answers))

    @property
    def half(self) -> str:
        """How the halves were made, in words."""
        clustered = any(item.cluster for item in self.suite.items)
        return f"halves by a hash of each {'cluster' if clustered else 'item'}"
