"""Looking at states in space as a step of a run: states read once, then cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.corpora import looked_at
from probekit.experiment.kept import heading
from probekit.experiment.look_cells import LookCell, check_neurons, do_look_cell
from probekit.experiment.look_units import LookedTask, read_of, told_apart
from probekit.experiment.opened import let_go
from probekit.experiment.plan import CorpusPlan, ModelPlan, Plan
from probekit.experiment.plan_inside import LookPlan
from probekit.experiment.work import Work, label_of, load_planned
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task
    from probekit.models.model import Model
    from probekit.results.measurement import About

SELF, TWIN = "self", "twin"


@dataclass(frozen=True)
class WantedLook:
    """One look with its tasks, read and checked."""

    analysis: LookPlan
    tasks: dict[str, Task]

    @property
    def described(self) -> str:
        """What will be looked at, as a line for a person."""
        given = self.analysis
        parts = [f"{' and '.join(given.methods)} of {', '.join(given.tasks)}"] * bool(given.tasks)
        parts += [f"{', '.join(given.measures)} with {', '.join(given.similar_to)}"] * bool(given.similar_to)
        parts += given.described
        parts += [f"separation of {', '.join(given.senses)}"] * bool(given.senses)
        parts += [f"neighbours of {', '.join(given.neighbours)}"] * bool(given.neighbours)
        parts += ["activity of neurons"] * given.activity
        parts += [f"neurons {', '.join(given.neurons)}"] * bool(given.neurons)
        return f"look at states: {'; '.join(parts)}"


def looks_of(plan: Plan) -> list[WantedLook]:
    """The looks of a plan, their tasks read and checked before a model is loaded. Raises ConfigError."""
    from probekit.data.task import load_task

    found = []
    for analysis in plan.lookings:
        tasks = {}
        for name in dict.fromkeys([*analysis.tasks, *analysis.senses]):
            task = tasks[name] = load_task(name)
            if task.unit != "word":
                raise ConfigError(f"task {name!r} labels each {task.unit}; words are looked at here")
        found.append(WantedLook(analysis, tasks))
    return found


def check_looks(wanted: Sequence[WantedLook], corpus: Corpus) -> None:
    """See that the corpus has the split and the labels, before a model is loaded. Raises DataError."""
    for one in wanted:
        for task in one.tasks.values():
            LookedTask.of(task).units(corpus)
        looked_at(corpus, one.analysis.split)


class LookSteps:
    """Every look of a plan, one model at a time."""

    def __init__(self, work: Work, wanted: Sequence[WantedLook], corpus: Corpus, reading: CorpusPlan) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, reading

    def do(self, planned: ModelPlan) -> None:
        """Look at one model; what comes out joins the results of the run."""
        try:
            for number, one in enumerate(self.wanted):
                _Looking(self, planned, one).do(titled=not number)
        finally:
            let_go()


class _Looking:
    """One look at one model: its states are read here, the cells find them in the store."""

    def __init__(self, steps: LookSteps, planned: ModelPlan, one: WantedLook) -> None:
        self.steps, self.planned, self.one = steps, planned, one
        self.work, self.analysis = steps.work, one.analysis
        self.label = label_of(planned)
        self.name = self.work.name_of(self.label, "look")

    def do(self, *, titled: bool) -> None:
        model = self.work.load(self.planned)
        self.work.note_model(model, self.planned)
        self.kind = model.kind
        cells = self.cells(model)
        del model  # the cells load it themselves, in whatever process they run
        self.fit(cells)
        about = self.about()
        if titled:
            title = f"Geometry of {self.label}"
            self.work.results.append(heading(slug(self.label, "geometry-part"), title, self.told()))
        for cell in cells:
            if cell.done:
                kept = cell.kept()
                self.work.results.append(kept.told(about, slug(self.label)[:40]))
                self.work.note_left_out(f"{self.label}, {cell.part}", kept.left_out, {})

    def told(self) -> str:
        """What was done, under the title of this part of the page."""
        site = "" if self.analysis.site == "hidden" else f" at {self.analysis.site}"
        return (
            f"States{site} of words in context as they lie in space, layer by layer. A picture of them loses most of "
            f"that space; what it loses is printed on it.{read_of(self.steps.corpus, self.analysis.split)}"
        )

    def cells(self, model: Model) -> list[LookCell]:
        """What is looked at, in the order of the page. States are read where a cell needs them."""
        from probekit.models.twins import random_twin

        given = self.analysis
        check_neurons(model, given)
        if given.layers != "all":  # by the names they have in this model
            layers = list(model.resolve_layers(given.layers))
            given = self.analysis = given.model_copy(update={"layers": layers})
        cells: list[LookCell] = []
        entry = ""
        if given.tasks or given.similar_to or given.statistics or given.senses or given.neighbours:
            entry = self.states(model)
        for asked, called in self.tasks(given.tasks):
            for method in dict.fromkeys(given.methods):
                name = f"project.{called}.{method}"
                cells.append(self.cell(name, "project", entry=entry, asked=asked, method=method))
        for other, called in apart(given.similar_to):
            cells += self.similar(model, entry, other, called)
        cells += [self.cell(name, name, entry=entry) for name in given.described]
        for asked, called in self.tasks(given.senses):
            twin = self.states(random_twin(model, given.seeds.twin)) if self.planned.twins else ""
            cells.append(self.cell(f"senses.{called}", "senses", entry=entry, other=twin, asked=asked))
        cells += [
            self.cell(f"neighbours.{called}", "neighbours", entry=entry, asked=word)
            for word, called in apart(given.neighbours)
        ]
        if given.activity:
            cells.append(self.cell("activity", "activity"))
        if given.selective:
            cells += [
                self.cell(f"selective.{called}", "selective", asked=asked)
                for asked, called in self.tasks(given.tasks)
            ]
        by_layer: dict[str, list[str]] = {}
        for neuron in given.neurons:
            layer, _, number = neuron.rpartition(":")
            by_layer.setdefault(layer, []).append(number)
        cells += [
            self.cell(f"text.{called}", "text", asked=f"{layer}:{','.join(dict.fromkeys(by_layer[layer]))}")
            for layer, called in apart(by_layer)
        ]
        return cells

    def tasks(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Every task of those names: what finds it again, and what files call it."""
        tasks = [self.one.tasks[name] for name in dict.fromkeys(names)]
        return list(told_apart({task.file or task.name: task.name for task in tasks}).items())

    def similar(self, model: Model, entry: str, other: str, called: str) -> list[LookCell]:
        """The cells that compare the model with another, or none where that cannot be had: a failure of the run."""
        try:
            second, label = self.other(model, other)
            states, layers = (entry, ()) if second is None else self.states_of_other(second)
        except ProbekitError as problem:
            self.work.fail(f"{self.name}.similarity.{called}", str(problem))
            return []
        return [
            self.cell(
                f"similarity.{called}.{measure}", "similarity", entry=entry, other=states, other_label=label,
                other_layers=layers, asked=measure,
            )
            for measure in dict.fromkeys(self.analysis.measures)
        ]  # fmt: skip

    def other(self, model: Model, other: str) -> tuple[Model | None, str]:
        """The model that this one is compared with (None: itself), and what it is called."""
        from probekit.models.twins import random_twin

        if other == SELF:
            return None, self.label
        if other == TWIN:
            seed = self.analysis.seeds.twin
            return random_twin(model, seed), f"{self.label}#twin-{seed}"
        for planned in self.work.plan.model:
            if other in (planned.name, label_of(planned)):
                return self.work.load(planned), label_of(planned)
        named = ModelPlan(name=other, device=self.planned.device)
        label = label_of(named)
        alike = [one for one in dict.fromkeys(self.analysis.similar_to) if Path(one).name == label]
        known = label in map(label_of, self.work.plan.model)
        return load_planned(named), other if known or len(alike) > 1 else label

    def states_of_other(self, model: Model) -> tuple[str, tuple[str, ...]]:
        """Where the states of another model lie, and which layers are compared: all, where it lacks one asked for."""
        asked = self.one.analysis.layers
        try:
            layers = model.resolve_layers(asked, self.analysis.site)
        except ConfigError:
            layers = model.resolve_layers("all", self.analysis.site)
        return self.states(model, layers), layers

    def states(self, model: Model, layers: Sequence[str] | None = None) -> str:
        """The states of the layers given, or of every one asked for, in the store."""
        from probekit.activations.extract import extract

        given, reading = self.analysis, self.steps.reading
        acts = extract(
            model,
            self.steps.corpus,
            layers=model.resolve_layers("all" if self.all_stored() else layers or given.layers, given.site),
            site=given.site,
            pool=given.pool,
            text_form=reading.text_form,
            length=reading.length,
            progress=self.work.progress,
        )
        return str(acts.path)

    def all_stored(self) -> bool:
        """Whether another analysis of the plan reads the same states of all layers, so that they are stored once."""
        plan = self.work.plan
        read = [(one.layers, one.site, one.pool) for one in plan.probes if one.at == "word"]
        read += [(one.layers, one.site, one.pool) for one in plan.lookings]
        return ("all", self.analysis.site, self.analysis.pool) in read

    def cell(self, name: str, part: Any, **fields: Any) -> LookCell:
        return LookCell(
            name=f"{self.name}.{name}",
            stem=str(self.work.run.path / "cells" / f"{self.name}.{name}"),
            part=part,
            model=self.planned,
            folder=str(self.work.folders.get(self.planned.name, "")),
            label=self.label,
            corpus=self.steps.reading,
            analysis=self.analysis,
            about=self.about(),
            **fields,
        )

    def fit(self, cells: Sequence[LookCell]) -> None:
        alone = len(cells) * len(self.work.plan.analysis) == 1
        self.work.do_cells(f"looking ({self.label})", cells, do_look_cell, needed=lambda cell: alone)

    def about(self) -> About:
        """What every row says of this model."""
        return self.work.about(self.steps.corpus.name, self.label, self.kind, self.analysis.site)


def apart(asked: Iterable[str]) -> list[tuple[str, str]]:
    """Everything asked, once, with a part of a file name that nothing else of it has.

    >>> from probekit.experiment.look_steps import apart
    >>> apart(["keys", "Rome", "keys"])
    [('keys', 'keys'), ('Rome', 'rome')]
    """
    return list(told_apart({one: one for one in asked}).items())
