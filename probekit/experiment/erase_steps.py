"""Erasing as a step of a run: states read, problems posed, then cell by cell; random erasures after the concept's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError
from probekit.experiment.erase_cells import EraseCell, Posed, do_erase_cell
from probekit.experiment.erase_edits import states_of
from probekit.experiment.judge_cells import read_suites
from probekit.experiment.opened import let_go
from probekit.experiment.plan import CorpusPlan, ErasePlan, ModelPlan, Plan
from probekit.experiment.work import Work, label_of
from probekit.results.files import write_json
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.suite import Suite
    from probekit.data.task import Task
    from probekit.models.model import Model
    from probekit.results.measurement import About

ROLES = {"random": "random-erasure", "random-norm": "random-norm-erasure", "pca": "pca-erasure"}
CONTROL_CONCEPT = "control-concept"


@dataclass(frozen=True)
class WantedErasure:
    """One analysis with its tasks and suites, read and checked."""

    analysis: ErasePlan
    tasks: dict[str, Task]
    suites: tuple[Suite, ...]

    @property
    def described(self) -> str:
        """What will be done, as a line for a person."""
        given = self.analysis
        layers = "every layer" if given.layers == "all" else f"{len(given.layers)} layers"
        drawn = f", {given.random_draws} random draws" if "random" in given.methods else ""
        judged = ", ".join(f"{suite.name}: {len(suite.items):,} items" for suite in self.suites)
        return (
            f"erase {', '.join([*given.concepts, *given.control_concepts])} at {layers} by {', '.join(given.methods)}"
            f"{drawn}; then probe again" + (f" and judge again ({judged})" if judged else "")
        )


def erasures_of(plan: Plan) -> list[WantedErasure]:
    """The erasures of a plan, their tasks and suites read and checked before a model is loaded.

    Raises ConfigError for a task that does not give words classes, and for a suite without predictions.
    """
    from probekit.data.task import load_task

    found = []
    for analysis in plan.erasures:
        tasks = {}
        for name in dict.fromkeys([*analysis.concepts, *analysis.control_concepts, *analysis.neighbours]):
            task = tasks[name] = load_task(name)
            if task.unit != "word" or task.kind != "classes":
                what = f"gives each {task.unit} a {'number' if task.kind == 'number' else 'class'}"
                raise ConfigError(f"task {name!r} {what}; a concept to erase is a class of words")
        names = [task.name for task in tasks.values()]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"two of the tasks are called {twice!r}; name each task once")
        _kept_apart("tasks", names)
        suites = tuple(read_suites(analysis.chosen))
        for suite in suites:
            if suite.kind == "acceptability":
                raise ConfigError(
                    f"suite {suite.name!r} has no predictions that hold or fail; erasure is judged on one that has"
                )
        _kept_apart("suites", [suite.name for suite in suites])
        found.append(WantedErasure(analysis, tasks, suites))
    return found


def _kept_apart(what: str, names: Sequence[str]) -> None:
    """Raise ConfigError where two names, which differ, make one file name: their results would be taken for each
    other's."""
    files: dict[str, str] = {}
    for name in names:
        other = files.setdefault(slug(name), name)
        if other != name:
            raise ConfigError(
                f"{what} {other!r} and {name!r} would share a file name; call one of them something else"
            )


def check_erasures(wanted: Sequence[WantedErasure], corpus: Corpus) -> None:
    """Label the corpus for every concept before a model is loaded; DataError as `check_units` says."""
    from probekit.probing.problem import check_units

    for one in wanted:
        for task in one.tasks.values():
            units = task.units(corpus)
            check_units(task, units, units.left_out)


class EraseSteps:
    """Every erasure of a plan, one model at a time."""

    def __init__(
        self, work: Work, wanted: Sequence[WantedErasure], corpus: Corpus, reading: CorpusPlan
    ) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, reading

    def do(self, planned: ModelPlan) -> None:
        """Erase in one model; what comes out joins the results of the run."""
        try:
            for one in self.wanted:
                _Erasing(self, planned, one).do()
        finally:
            let_go()


class _Erasing:
    """One analysis of one model: its cells in the order in which they need each other."""

    def __init__(self, steps: EraseSteps, planned: ModelPlan, one: WantedErasure) -> None:
        self.steps, self.planned, self.one = steps, planned, one
        self.work, self.analysis = steps.work, one.analysis
        self.model: Model = self.work.load(planned)
        self.work.note_model(self.model, planned)
        self.label, self.kind = label_of(planned), self.model.kind
        self.name = self.work.name_of(self.label, "erase")
        self.layers = self.model.resolve_layers(self.analysis.layers, self.analysis.site)

    def do(self) -> None:
        from probekit.models.scoring.make import make_scorer

        if self.one.suites:  # a model that cannot be judged is refused before its states are read
            make_scorer(self.model, bos=self.analysis.bos, pll=self.analysis.pll)
        texts = self.neutral_texts()
        posed = self.pose()
        self.base = EraseCell(
            name=self.name,
            stem="",
            part="unedited",
            model=self.planned,
            folder=str(self.work.folders.get(self.planned.name, "")),
            analysis=self.analysis,
            texts=texts,
        )
        del self.model  # the cells load it themselves, in whatever process they run
        concepts = [posed[name] for name in self.analysis.concepts]
        controls = [posed[name] for name in self.analysis.control_concepts]
        neighbours = tuple(posed[name] for name in self.analysis.neighbours)
        first = [self.cell("layer-none.unedited", part="unedited")] if self.one.suites else []
        everything = tuple({one.task: one for one in (*concepts, *neighbours, *controls)}.values())
        for layer in self.layers:
            first.append(
                self.cell(
                    f"layer-{layer}.probes", part="probe", layer=layer, posed=everything[0],
                    neighbours=everything[1:], concepts=tuple(one.task for one in concepts),
                )
            )  # fmt: skip
            for method in self.analysis.erasers:
                first += [self.eraser(layer, one, method, "", neighbours) for one in concepts]
                first += [
                    self.eraser(layer, one, method, CONTROL_CONCEPT, (*concepts, *neighbours))
                    for one in controls
                ]
        if self.analysis.scrub:
            first += [
                self.scrubber(name, posed[name], self.analysis.erasers[0]) for name in self.analysis.concepts
            ]
        self.fit(first)
        second = [cell for concept in concepts for cell in self.controls(first, concept, neighbours)]
        self.fit(second)
        self.assemble([*first, *second], posed)

    def neutral_texts(self) -> str:
        """A fixed sample of dev sentences, in a file; "" where output distributions are not compared."""
        from probekit.data.splits import stable_hash

        if not (self.analysis.suites and self.analysis.neutral):
            return ""
        dev = [sentence for sentence in self.steps.corpus if sentence.split == "dev"]
        dev.sort(key=lambda sentence: stable_hash("neutral", sentence.id))
        file = self.path("neutral.json")
        write_json(file, [sentence.text for sentence in dev[: self.analysis.neutral]])
        return str(file)

    def pose(self) -> dict[str, Posed]:
        """Write every task's problem beside the cells."""
        from probekit.probing.problem import pose

        posed = {}
        for name, task in self.one.tasks.items():
            data = states_of(
                self.model,
                self.steps.corpus,
                self.steps.reading,
                task,
                self.analysis,
                layers=self.analysis.layers,
                progress=self.work.progress,
            )
            problem = pose(data, task, control_seeds=())
            stem = self.path(f"{slug(task.name)}.problem")
            problem.save(stem)
            posed[name] = Posed(task.name, str(stem), str(data.activations.path))
            what = f"{self.label}, {task.name}: states to erase from"
            self.work.note_left_out(what, data.left_out, data.left_out_examples)
        return posed

    def path(self, name: str) -> Path:
        return self.work.run.path / "cells" / f"{self.name}.{name}"

    def cell(self, name: str, **fields: Any) -> EraseCell:
        return replace(self.base, name=f"{self.name}.{name}", stem=str(self.path(name)), **fields)

    def eraser(
        self,
        layer: str,
        concept: Posed,
        method: str,
        role: str = "",
        neighbours: tuple[Posed, ...] = (),
        **fields: Any,
    ) -> EraseCell:
        """The cell that erases by a method at a layer, and where its eraser is kept."""
        series, draw = fields.get("series", method), fields.get("draw")
        name = f"layer-{layer}.{slug(concept.task)}.{slug(series)}"
        name += "" if draw is None else f".draw-{draw}"
        return self.cell(
            name,
            part="erase",
            layer=layer,
            posed=concept,
            neighbours=neighbours,
            role=role,
            method=method,
            eraser=str(self.erasers / f"{self.name}.{name}"),
            **{"series": series, **fields},
        )

    def scrubber(self, concept: str, posed: Posed, method: str, **fields: Any) -> EraseCell:
        """The cell that erases at every layer at once, from the lowest up."""
        draw = fields.get("draw")
        name = f"layer-all.{slug(posed.task)}.{method}" + ("" if draw is None else f".draw-{draw}")
        return self.cell(
            name,
            part="scrub",
            layer="all",
            posed=posed,
            series=method,
            method=method,
            corpus=self.steps.reading,
            task=concept,
            eraser=str(self.erasers / f"{self.name}.{name}"),
            **fields,
        )

    @property
    def erasers(self) -> Path:
        """Where the erasers of the run are kept."""
        return self.work.run.path / "artifacts" / "erasers"

    def controls(
        self, done: Sequence[EraseCell], concept: Posed, neighbours: tuple[Posed, ...]
    ) -> list[EraseCell]:
        """Erasures as large as those of the concept: of every rank that was met, or of every eraser's change."""
        from probekit.erasure.eraser import Eraser

        seeds = [self.analysis.seeds.erasure + number for number in range(self.analysis.random_draws)]
        found: dict[str, EraseCell] = {}
        for cell in done:
            if cell.part != "erase" or cell.role or cell.posed != concept or not cell.done:
                continue
            rank = Eraser.load(cell.eraser).rank
            if not rank:  # nothing was there to be erased, so there is nothing as large
                continue
            for method in [name for name in ROLES if name in self.analysis.methods]:
                series = f"{method} {cell.series}" if method == "random-norm" else f"{method} {rank}"
                for draw in [None] if method == "pca" else seeds:
                    one = self.eraser(
                        cell.layer, concept, method, ROLES[method], neighbours,
                        series=series, draw=draw, like=cell.eraser,
                    )  # fmt: skip
                    found.setdefault(one.name, one)
        scrubbed = [cell for cell in done if cell.part == "scrub" and cell.posed == concept and cell.done]
        for cell in scrubbed if "random" in self.analysis.methods else []:
            for draw in seeds:
                one = self.scrubber(
                    cell.task, concept, "random", role=ROLES["random"], draw=draw, like=cell.eraser
                )
                found[one.name] = one
        return list(found.values())

    def fit(self, cells: Sequence[EraseCell]) -> None:
        self.work.do_cells(
            f"erasing ({self.label})",
            cells,
            do_erase_cell,
            needed=lambda cell: cell.name.endswith(".unedited"),
        )

    def about(self) -> About:
        """What every row says of this model."""
        return self.work.about(self.steps.corpus.name, self.label, self.kind, self.analysis.site)

    def assemble(self, cells: Sequence[EraseCell], posed: dict[str, Posed]) -> None:
        """Rows and pictures of every concept, from what lies in files."""
        from probekit.experiment.erased import assemble

        results = [cell.result() for cell in cells if cell.done]
        for name in self.analysis.concepts:
            erased = assemble(
                self.one.tasks[name].name,
                results,
                self.one.suites,
                self.analysis,
                self.about(),
            )
            self.work.results.append(erased)
            if name == self.analysis.concepts[0]:
                for suite, reasons in erased.left_out.items():
                    self.work.note_left_out(f"{self.label}, suite {suite}", reasons, {})
            for cell_name, outcomes in erased.outcomes.items():
                self.work.run.add_outcomes(f"{self.name}.{cell_name}", outcomes)
