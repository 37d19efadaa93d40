"""What adaptation changed as a step of a run: adapt, read states before and after, then cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError, ModelError, ProbekitError
from probekit.experiment.change_cells import (
    BEFORE,
    SHUFFLED,
    ChangeCell,
    Version,
    do_change_cell,
    some_sentences,
)
from probekit.experiment.change_heads import check_relations
from probekit.experiment.corpora import read_planned
from probekit.experiment.judge_cells import read_suites
from probekit.experiment.kept import heading
from probekit.experiment.opened import let_go
from probekit.experiment.plan import CorpusPlan, ModelPlan, Plan
from probekit.experiment.plan_change import ChangePlan
from probekit.experiment.work import Work, label_of, load_planned
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.suite import Suite
    from probekit.data.task import Task
    from probekit.models.model import Model


@dataclass(frozen=True)
class WantedChange:
    """One analysis with its tasks and suites, read and checked."""

    analysis: ChangePlan
    adapted: Task
    tasks: dict[str, Task]
    suites: tuple[Suite, ...]

    @property
    def contents(self) -> list[str]:
        """Hashes of what may change under one name: suites, tasks, and the corpus of the adaptation."""
        from probekit.results.files import tagged_hash

        tasks = [self.adapted, *self.tasks.values()]
        found = [suite.hash for suite in self.suites]
        found += [tagged_hash("probekit.task", task.to_dict()) for task in tasks]
        return found + ([] if self.analysis.on is None else [read_planned(self.analysis.on).hash])

    @property
    def described(self) -> str:
        """What will be done, as a line for a person."""
        given = self.analysis
        n = len(given.seeds)
        parts = [f"probe {', '.join(given.tasks)}"] * bool(given.tasks) + ["compare states"]
        parts += [f"heads against {', '.join(given.relations)}"] * bool(given.relations)
        parts += [f"judge on {suite.name} ({len(suite.items):,} items)" for suite in self.suites]
        return (
            f"change: {given.strategy} on {self.adapted.name}, {n} seed{'s' * (n != 1)}"
            + (" and as many on shuffled labels" if given.control else "")
            + f"; before and after: {', '.join(parts)}"
        )


def changes_of(plan: Plan) -> list[WantedChange]:
    """The changes that a plan asks for, their tasks and suites read and checked before a model is loaded.

    Raises ConfigError for a probed task that gives numbers, and for a suite without predictions.
    """
    from probekit.data.task import load_task

    found = []
    for analysis in plan.changes:
        tasks = {name: load_task(name) for name in dict.fromkeys(analysis.tasks)}
        for name, task in tasks.items():
            if task.kind != "classes":
                raise ConfigError(
                    f"task {name!r} gives numbers; what changed is probed by tasks that give classes"
                )
        names = [slug(task.name) for task in tasks.values()]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ConfigError(f"two of the tasks would share the file name {doubled!r}; name each task once")
        suites = tuple(read_suites(analysis.chosen))
        for suite in suites:
            if suite.kind == "acceptability":
                raise ConfigError(
                    f"suite {suite.name!r} has no predictions that hold or fail; behaviour is compared on one that has"
                )
        found.append(WantedChange(analysis, load_task(analysis.task), tasks, suites))
    return found


def check_changes(wanted: Sequence[WantedChange], corpus: Corpus) -> None:
    """Label the corpora for every task, and look for relations, before a model is loaded. Raises DataError."""
    from probekit.adaptation.problem import AdaptProblem
    from probekit.probing.problem import check_units

    for one in wanted:
        read = some_sentences(corpus, one.analysis.sentences)
        for task in one.tasks.values():
            units = task.units(read)
            check_units(task, units, units.left_out)
        check_relations(read, one.analysis.relations)
        AdaptProblem.of(one.adapted, adapted_on(one.analysis, corpus))
        if one.analysis.perplexity and "test" not in corpus.sizes:
            raise ConfigError(
                f"corpus {corpus.name!r} has no test sentences for perplexity; give some, or set perplexity = 0"
            )


def adapted_on(analysis: ChangePlan, corpus: Corpus) -> Corpus:
    """The corpus of the adaptation."""
    return corpus if analysis.on is None else read_planned(analysis.on)


class ChangeSteps:
    """Every change that a plan asks for, one model at a time."""

    def __init__(
        self, work: Work, wanted: Sequence[WantedChange], corpus: Corpus, reading: CorpusPlan
    ) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, reading

    def do(self, planned: ModelPlan) -> None:
        """Adapt one model and see what changed; what comes out joins the results of the run."""
        try:
            for number, one in enumerate(self.wanted):
                _Changing(self, planned, one).do(titled=not number)
        finally:
            let_go()


class _Changing:
    """One analysis of one model: its cells in the order in which they need each other."""

    def __init__(self, steps: ChangeSteps, planned: ModelPlan, one: WantedChange) -> None:
        self.steps, self.planned, self.one = steps, planned, one
        self.work, self.analysis = steps.work, one.analysis
        self.label = label_of(planned)
        self.name = self.work.name_of(self.label, "change")
        self.home = self.work.run.path / "cells"
        self.corpus = some_sentences(steps.corpus, self.analysis.sentences)
        controls = ("", SHUFFLED) if self.analysis.control else ("",)
        self.versions = [Version(control, seed) for control in controls for seed in self.analysis.seeds]
        self.notes: list[str] = []
        self.found: dict[str, list[ChangeCell]] = {}

    def do(self, *, titled: bool) -> None:
        model = self.work.load(self.planned)
        self.work.note_model(model, self.planned)
        self.kind = model.kind
        self.layers = model.resolve_layers(self.analysis.layers)
        self.speaks = self.can_be_judged(model)
        entries = {(Version(), unit): self.states(model, unit) for unit in self.units()}
        del model  # the cells load it themselves, in whatever process they run
        adapted = self.adapt()
        for version in adapted:
            later = load_planned(self.plan_of(version))
            self.work.info["models"].append(later.describe() | {"name": f"{self.label}#{version.tag}"})
            for unit in self.units():
                entries[version, unit] = self.states(later, unit)
            del later
        self.probe(adapted, entries)
        cells = [
            self.cell("drift", version, layers=self.layers, entry=entries[version, "word"],
                      before=entries[Version(), "word"])
            for version in adapted
        ]  # fmt: skip
        for version in (Version(), *adapted):  # one model after the other, so that each is loaded once
            cells += [self.cell("heads", version)] * bool(self.analysis.relations)
            cells += [self.cell("judge", version)] * bool(self.one.suites and self.speaks)
            cells += [self.cell("perplexity", version)] * bool(self.analysis.perplexity and self.speaks)
        self.fit(cells, f"what changed ({self.label})")
        self.assemble(adapted, titled)

    def can_be_judged(self, model: Model) -> bool:
        """Whether a head predicts pieces; where it is asked for and does not, that is noted."""
        if not self.one.suites and not self.analysis.perplexity:
            return False
        from probekit.models.scoring.make import make_scorer

        try:
            make_scorer(model, bos=self.analysis.bos, pll=self.analysis.pll)
        except ModelError as problem:
            self.work.say(f"{self.label}: {problem}")
            asked = [suite.name for suite in self.one.suites] + ["perplexity"] * bool(
                self.analysis.perplexity
            )
            self.notes.append(
                f"{self.label} has no language-model head, so there is no {' and no '.join(asked)}."
            )
            return False
        return True

    def units(self) -> list[str]:
        """What states are read of: words, and sentences where a task labels them."""
        return list(dict.fromkeys(["word", *(task.unit for task in self.one.tasks.values())]))

    def states(self, model: Model, unit: str) -> str:
        """Where the states of one version lie in the store."""
        from probekit.activations.extract import extract

        given, reading = self.analysis, self.steps.reading
        acts = extract(
            model,
            self.corpus,
            layers=self.layers,
            unit=unit,
            pool=given.pool if unit == "word" or given.pool != "first" else "cls",
            text_form=reading.text_form,
            length=reading.length,
            progress=self.work.progress,
        )
        return str(acts.path)

    def adapt(self) -> list[Version]:
        """Adapt the model once for each version; those that could be had. An adapted model is a folder of the run."""
        from probekit.adaptation.problem import AdaptProblem

        stem = self.home / f"{self.name}.task"
        AdaptProblem.of(self.one.adapted, adapted_on(self.analysis, self.steps.corpus)).save(stem)
        cells = [
            self.cell("adapt", version, problem=str(stem), out=self.folder(version))
            for version in self.versions
        ]
        only = self.versions[0] if len(self.analysis.seeds) == 1 else None
        self.fit(
            cells, f"adapting ({self.label})", needed=lambda cell: getattr(cell, "version", None) == only
        )
        adapted = [cell.version for cell in cells if cell.done]
        if not any(not version.control for version in adapted):
            raise ModelError(
                f"{self.label} could be adapted to {self.one.adapted.name} with none of {len(self.analysis.seeds)} "
                "seeds; run.json says why of each (failed)"
            )
        return adapted

    def folder(self, version: Version) -> str:
        """Where an adapted version lies."""
        return str(self.work.run.path / "adapted" / f"{self.name}.{version.tag}")

    def plan_of(self, version: Version) -> ModelPlan:
        """The model of a version, as a cell loads it."""
        if version.seed is None:
            return self.planned
        given = {
            "name": self.folder(version),
            "revision": None,
            "train": None,
            "label": "",
            "allow_bin": False,
        }
        return self.planned.model_copy(update=given)

    def probe(self, adapted: Sequence[Version], entries: dict[tuple[Version, str], str]) -> None:
        """Fit probes before, then ask them again after, and fit new ones."""
        from probekit.activations.activations import Activations
        from probekit.probing.problem import pose

        self.problems: dict[str, str] = {}
        before, after = [], []
        for task in self.one.tasks.values():
            name = slug(task.name)
            stem = self.home / f"{self.name}.problem.{name}"
            try:
                acts = Activations.open(entries[Version(), task.unit], self.corpus)
                data = acts.units(task)
                pose(data, task, control_seeds=()).save(stem)
            except ProbekitError as problem:
                self.work.fail(f"{self.name}.{name}", str(problem))
                continue
            self.work.note_left_out(f"{self.label}, task {task.name}", data.left_out, data.left_out_examples)
            self.problems[task.name] = str(stem)
            for layer in self.layers:
                here: dict[str, Any] = {"problem": str(stem), "task": task.name, "layer": layer}
                old = self.cell("probe", Version(), entry=entries[Version(), task.unit], **here)
                before.append(old)
                after += [
                    self.cell(
                        "probe", version, entry=entries[version, task.unit], old=f"{old.stem}.probe", **here
                    )
                    for version in adapted
                ]
        self.fit(before, f"probing before ({self.label})")
        known = {cell.stem for cell in before if cell.done}
        ready = [cell for cell in after if cell.old.removesuffix(".probe") in known]
        self.fit(ready, f"probing after ({self.label})")
        self.probes = [cell for cell in [*before, *ready] if cell.done]

    def cell(self, part: Any, version: Version, **fields: Any) -> ChangeCell:
        where = [part, slug(fields["task"]), fields["layer"]] if "task" in fields else [part]
        name = ".".join([self.name, *where, version.tag])
        adapted = part != "adapt" and version.seed is not None
        return ChangeCell(
            name=name,
            stem=str(self.home / name),
            part=part,
            model=self.plan_of(version) if adapted else self.planned,
            folder="" if adapted else str(self.work.folders.get(self.planned.name, "")),
            version=version,
            corpus=self.steps.reading,
            analysis=self.analysis,
            **fields,
        )

    def fit(self, cells: Sequence[ChangeCell], stage: str, needed: Any = lambda cell: False) -> None:
        self.found.setdefault("all", []).extend(cells)
        do = do_change_cell if self.work.jobs != 1 else partial(do_change_cell, progress=self.work.progress)
        self.work.do_cells(stage, cells, do, needed=needed)

    def assemble(self, adapted: Sequence[Version], titled: bool) -> None:
        """Rows and pictures from what lies in files."""
        from probekit.experiment.change_read import read_changed

        about = self.work.about(self.corpus.name, self.label, self.kind, "hidden")
        changed = read_changed(
            [cell for cell in self.found["all"] if cell.done],
            self.problems,
            about,
            self.one,
            adapted,
            corpus=adapted_on(self.analysis, self.steps.corpus).name,
            notes=self.notes,
        )
        if titled:
            title = f"What adaptation changed in {self.label}"
            self.work.results.append(heading(slug(self.label, "change-part"), title, self.told(adapted)))
        self.work.results.append(_AsOne(changed))
        for version in (Version(), *adapted):
            for name, outcomes in changed.outcomes(version).items():
                self.work.run.add_outcomes(f"{self.name}.{version.tag}.{name}", outcomes)

    def told(self, adapted: Sequence[Version]) -> str:
        """What was done, under the title of this part of the page."""
        given = self.analysis
        n = sum(not version.control for version in adapted)
        text = (
            f"{self.label} is fine-tuned ({given.strategy}) on {self.one.adapted.name}, {n} "
            f"seed{'s' * (n != 1)}, and the same sentences of {self.corpus.name} are read {BEFORE} and after."
        )
        if given.control:
            text += (
                " The control is the same training on the same examples with their labels shuffled: what changes "
                "there too is not the task's doing."
            )
        return text


class _AsOne:
    """A result whose summary is one text, as a run keeps it."""

    def __init__(self, changed: Any) -> None:
        self.rows, self.panels, self.summary = changed.rows, changed.panels, " ".join(changed.summary)
