"""`compare_strategies`: strategies of adaptation side by side, each cell in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.activations.store import Store
from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.do_cell import do_cell_here, model_label, with_tuning
from probekit.adaptation.plan_cells import LEAST_STEPS, ComparePlan
from probekit.adaptation.problem import AdaptProblem
from probekit.adaptation.tuning_budget import TuningBudget
from probekit.adaptation.worker import Children, do_adapt_cells
from probekit.data.corpus import Corpus
from probekit.data.task import Task, load_task
from probekit.errors import ConfigError
from probekit.glossary import Progress, silent
from probekit.models.ref import ModelRef
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.adaptation.comparison import Comparison


def compare_strategies(
    model: str | ModelRef,
    data: Task | str | AdaptProblem | tuple[Any, ...],
    strategies: Sequence[str],
    *,
    corpus: Corpus | None = None,
    seeds: int = 3,
    budget: str = "trials=2",
    fractions: Sequence[float] = (1.0,),
    seeds_of: Mapping[str, int] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    metric: str = "",
    folder: str | Path | None = None,
    store: Store | str | Path | None = None,
    least_steps: int = LEAST_STEPS,
    keep: str | Path | None = None,
    jobs: int = 1,
    isolate: bool = True,
    progress: Progress = silent,
) -> Comparison:
    """Strategies on equal terms: the same splits, the same budget of tuning on dev, several seeds, and the bill.

    `data` is a task (or its name) with a `corpus`, an `AdaptProblem`, or ``(texts, labels)`` or ``(texts, labels,
    splits)``. Each strategy's settings are tried on dev within `budget` (see `TuningBudget`; what `options` set is not
    tuned), the best is run with every seed and share of the training data. The first seed of each strategy runs alone,
    in a process of one thread, after all others, and is billed. With a `folder`, cells that were done before are read
    from there, and the call may be repeated after an interruption. Without `isolate`, cells run in this process: that
    is quicker for small models, but no bill is one of a process of its own. A cell that fails is recorded, and the
    others go on.

    Raises ConfigError (an unknown strategy, budget or option), DataError (a split without units, one class).

    >>> texts = [f"the {noun} {verb}" for noun in ("dog", "cat", "cow", "pig") for verb in ("barks", "bark")]
    >>> splits = ["train"] * 4 + ["dev"] * 2 + ["test"] * 2
    >>> found = compare_strategies("demo:minilm", (texts, ["sg", "pl"] * 4, splits), ["frozen-linear"], seeds=1,
    ...                            budget="trials=1", isolate=False)
    >>> found.rows[0].metric
    'accuracy'
    """
    problem = problem_of(data, corpus, metric)
    ref = ModelRef.of(model)
    with _folder(folder) as place:
        stem = place / "problem"
        problem.save(stem)
        plan = ComparePlan(
            problem=str(stem),
            folder=str(place / "cells"),
            model=ref,
            strategies=tuple(strategies),
            seeds=seeds,
            seeds_of=seeds_of or {},
            budget=TuningBudget.read(budget),
            fractions=tuple(fractions),
            options=options or {},
            metric=metric,
            store=str(store.root if isinstance(store, Store) else store or ""),
            least_steps=least_steps,
            keep=str(keep or ""),
        )
        results = do_plan(plan, problem, jobs=jobs, isolate=isolate, progress=progress)
    from probekit.adaptation.comparison import Comparison

    kind = next((one.model_kind for one in results if one.model_kind != "pretrained"), "pretrained")
    about = About(corpus=problem.corpus, model=model_label(ref.to_dict()), model_kind=kind)
    return Comparison(results, problem, about)


def do_plan(
    plan: ComparePlan,
    problem: AdaptProblem,
    *,
    jobs: int = 1,
    isolate: bool = True,
    progress: Progress = silent,
) -> list[CellResult]:
    """Trials, the choice on dev, then the runs; all results, each run's bill with what its strategy's trials cost."""
    with Children() as children:

        def do(cells: Sequence[AdaptCell], stage: str) -> list[CellResult]:
            doing = do_adapt_cells(cells, jobs=jobs, children=children) if isolate else _here(cells)
            place = {cell.name: number for number, cell in enumerate(cells)}
            results: list[CellResult] = []
            progress(stage, 0, len(cells))
            for result in doing:
                results.append(result)
                progress(stage, len(results), len(cells))
            return sorted(results, key=lambda result: place[result.name])

        trials: list[CellResult] = []
        while cells := plan.trials(trials):
            trials += do(cells, "trials")
        runs = do(plan.runs(plan.choices(trials, problem)), "runs")
    return [*trials, *with_trials(runs, trials)]


def with_trials(runs: Sequence[CellResult], trials: Sequence[CellResult]) -> list[CellResult]:
    """Runs whose bills name what the trials of their strategy cost."""
    return [with_tuning(run, [one for one in trials if one.strategy == run.strategy]) for run in runs]


def _here(cells: Sequence[AdaptCell]) -> Iterator[CellResult]:
    for cell in cells:
        yield cell.result() if cell.done else do_cell_here(cell)


def problem_of(
    data: Task | str | AdaptProblem | tuple[Any, ...], corpus: Corpus | None = None, metric: str = ""
) -> AdaptProblem:
    """The problem that a task with a corpus, or texts with labels (and splits), pose. Raises ConfigError, DataError."""
    if isinstance(data, str):
        data = load_task(data)
    if isinstance(data, Task):
        if corpus is None:
            raise ConfigError(f"task {data.name!r} needs a corpus: compare_strategies(..., corpus=...)")
        return AdaptProblem.of(replace(data, metric=metric) if metric else data, corpus)
    if isinstance(data, AdaptProblem):
        return replace(data, metric=metric) if metric else data
    if isinstance(data, tuple) and len(data) in (2, 3):
        return AdaptProblem.of_examples(*data, metric=metric)
    raise ConfigError(f"data is a task with a corpus, an AdaptProblem, or (texts, labels[, splits]); got "
                      f"{type(data).__name__}")  # fmt: skip


@contextmanager
def _folder(folder: str | Path | None) -> Iterator[Path]:
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="probekit-adapt-") as made:
        yield Path(made)
