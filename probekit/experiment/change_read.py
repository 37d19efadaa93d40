"""What the cells of an analysis of change left in files, read back into one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.experiment.change_behaviour import Learned, Surprise
from probekit.experiment.change_cells import ChangeCell, Version
from probekit.experiment.change_heads import HeadHits
from probekit.experiment.change_rows import ProbedTask
from probekit.experiment.change_states import Moved
from probekit.experiment.changed import Changed
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.experiment.change_steps import WantedChange

Array = NDArray[Any]


def read_changed(
    cells: Sequence[ChangeCell],
    problems: Mapping[str, str],
    about: About,
    wanted: WantedChange,
    versions: Sequence[Version],
    *,
    corpus: str = "",
    notes: Sequence[str] = (),
) -> Changed:
    """The result of an analysis from its cells that are done; `problems` names the stem of each probed task's."""

    def by_version(part: str) -> dict[Version, ChangeCell]:
        return {cell.version: cell for cell in cells if cell.part == part}

    return Changed(
        about=about,
        task=wanted.adapted.name,
        strategy=wanted.analysis.strategy,
        versions=tuple(versions),
        corpus=corpus,
        learned={version: _learned(cell) for version, cell in by_version("adapt").items()},
        probed=tuple(
            _probed(stem, [cell for cell in cells if cell.part == "probe" and cell.task == task])
            for task, stem in problems.items()
        ),
        moved={version: Moved.restore(*cell.found()) for version, cell in by_version("drift").items()},
        heads={version: HeadHits.restore(*cell.found()) for version, cell in by_version("heads").items()},
        suites=wanted.suites,
        answers={version: cell.answers() for version, cell in by_version("judge").items()},
        surprise={version: _surprise(cell) for version, cell in by_version("perplexity").items()},
        notes=tuple(notes),
        resamples=wanted.analysis.bootstrap,
    )


def _learned(cell: ChangeCell) -> Learned:
    from probekit.adaptation.problem import AdaptProblem

    arrays, _ = cell.found()
    problem = AdaptProblem.load(cell.problem)
    gold = arrays["gold"]
    majority = None if problem.numeric else float(np.mean(gold == problem.majority))
    return Learned(gold, arrays["predicted"], arrays["cluster"], problem.numeric, majority)


def _probed(stem: str, cells: Sequence[ChangeCell]) -> ProbedTask:
    from probekit.probing.problem import ProbeProblem

    before: dict[str, Array] = {}
    transferred: dict[tuple[Version, str], Array] = {}
    refitted: dict[tuple[Version, str], Array] = {}
    for cell in cells:
        arrays, _ = cell.found()
        if cell.version.seed is None:
            before[cell.layer] = arrays["fitted"]
        else:
            transferred[cell.version, cell.layer] = arrays["transferred"]
            refitted[cell.version, cell.layer] = arrays["fitted"]
    layers = tuple(dict.fromkeys(cell.layer for cell in cells if cell.layer in before))
    return ProbedTask(ProbeProblem.load(Path(stem)), layers, before, transferred, refitted)


def _surprise(cell: ChangeCell) -> Surprise:
    arrays, words = cell.found()
    return Surprise(arrays["bits"], arrays["n_pieces"], words["pseudo"], words["rule"])
