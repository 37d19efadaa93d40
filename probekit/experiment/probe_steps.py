"""Probing as a step of a run: extract, pose, fit cell by cell, and make rows of what the probes predicted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import ProbekitError
from probekit.experiment.cells import Cell, do_cell, make_probe
from probekit.experiment.describe import describe_cost
from probekit.experiment.plan import CorpusPlan, ModelPlan
from probekit.experiment.wanted import Wanted, sources_of
from probekit.experiment.work import Work, label_of

if TYPE_CHECKING:
    from probekit.activations.activations import Activations, UnitData
    from probekit.activations.places import Places
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model

Groups = list[tuple[Wanted, Path, list[Cell]]]


class Entries(dict[tuple[str, ...], "list[Activations | UnitData] | ProbekitError"]):
    """By source: the states of the model and of its twins, or why there are none."""


class ProbeSteps:
    """Every probing analysis of a plan, one model at a time."""

    def __init__(self, work: Work, wanted: list[Wanted], corpus: Corpus, planned: CorpusPlan) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, planned
        self._places: dict[tuple[str, ...], Places] = {}

    def do(self, planned: ModelPlan) -> None:
        """Probe one model; what comes out joins the results of the run."""
        model = self.work.load(planned)
        self.work.note_model(model, planned)
        self.work.say(
            f"model {label_of(planned)}: {model.parameters / 1e6:.1f} M parameters, {len(model.layers)} layers "
            f"of {model.dim}, {model.dtype} on {model.device}"
        )
        self.work.say(describe_cost(model, planned, self.wanted, self.corpus))
        entries = self.extract(model, planned)
        groups = self.pose(model, planned, entries)
        self.fit([cell for *_, cells in groups for cell in cells])
        self.assemble(model, planned, groups)

    def extract(self, model: Model, planned: ModelPlan) -> Entries:
        """For every source of states needed: the model's representations, then each twin's."""
        from probekit.models.twins import random_twin

        needed, found = sources_of(self.wanted), Entries()
        self._places = {}
        for key, w in needed.items():
            try:
                found[key] = [self.stored(model, w)]
            except ProbekitError as problem:
                if not w.predicted or len(needed) == 1:
                    raise
                found[key] = problem  # a model may have words' states and predict none
        first = min(w.analysis.seeds.twin for w in needed.values())
        for seed in range(first, first + planned.twins):
            twin = random_twin(model, seed)
            self.work.info["models"].append(twin.describe() | {"name": f"{label_of(planned)}#twin-{seed}"})
            for key, w in needed.items():
                entries = found[key]
                if isinstance(entries, list):
                    entries.append(self.stored(twin, w))
            del twin
        return found

    def stored(self, model: Model, w: Wanted) -> Activations | UnitData:
        """The states that a task reads, of all its layers and those of other tasks that read the same."""
        from probekit.activations.extract import extract
        from probekit.activations.places import prediction_places

        layers: list[str] = []
        for other in self.wanted:
            if other.site != w.site or (other.source != w.source if w.predicted else other.predicted):
                continue
            resolved = model.resolve_layers(other.analysis.layers, other.analysis.site)
            layers += [layer for layer in resolved if layer not in layers]
        if w.predicted:
            if w.source not in self._places:  # a twin reads the same pieces, at the same places
                self._places[w.source] = prediction_places(model, self.corpus, w.task)
            return self._places[w.source].read(model, layers=layers, site=w.site, progress=self.work.progress)
        return extract(
            model,
            self.corpus,
            layers=layers,
            site=w.site,
            unit=w.unit,
            pool=w.pool,
            text_form=self.reading.text_form,
            length=self.reading.length,
            progress=self.work.progress,
        )

    def pose(self, model: Model, planned: ModelPlan, entries: Entries) -> Groups:
        """Write every task's problem beside its cells: what workers need besides the store."""
        from probekit.activations.activations import UnitData
        from probekit.probing.problem import check_same_rows, pose
        from probekit.probing.sweep import check_probe

        groups = []
        for w in self.wanted:
            task, read = w.named, entries[w.source]
            name = self.work.name_of(label_of(planned), task.name)
            try:
                if isinstance(read, ProbekitError):
                    raise read
                first = read[0]
                data = first if isinstance(first, UnitData) else first.units(w.task)
                acts, *twins = [one.activations if isinstance(one, UnitData) else one for one in read]
                for twin in twins:
                    check_same_rows(acts.recipe, twin.recipe)
                problem = pose(data, task, control_seeds=range(w.analysis.seeds.control))
            except ProbekitError as met:
                if len(self.wanted) * len(self.work.plan.model) == 1:
                    raise
                self.work.fail(name, str(met))
                continue
            what = f"{label_of(planned)}, task {task.name}"
            self.work.note_left_out(what, data.left_out, data.left_out_examples)
            unseen = problem.notes["units_with_labels_unseen_in_train"]
            if unseen:
                self.work.info["unseen_labels"][name] = (
                    f"{unseen} units have a label never seen in train: counted as wrong"
                )
            for kind in w.analysis.probes:
                check_probe(make_probe(kind, problem.is_numeric), w.task)
                stem = self.work.run.path / "cells" / f"{name}.{kind}"
                problem.save(stem)
                cells = [
                    Cell(
                        name=f"{name}.{kind}.{layer}",
                        stem=f"{stem}.layer-{layer}",
                        problem=str(stem),
                        entry=str(acts.path),
                        twins=tuple(str(t.path) for t in twins) if "random-twin" in w.task.controls else (),
                        layer=layer,
                        probe=kind,
                        strengths=tuple(w.analysis.strengths),
                        probe_seeds=w.analysis.seeds.probe,
                    )
                    for layer in model.resolve_layers(w.analysis.layers, w.analysis.site)
                ]
                groups.append((w, stem, cells))
        return groups

    def fit(self, cells: list[Cell]) -> None:
        self.work.do_cells("probing layers", cells, do_cell)

    def assemble(self, model: Model, planned: ModelPlan, groups: Groups) -> None:
        from probekit.probing.layer import LayerResult
        from probekit.probing.problem import ProbeProblem
        from probekit.probing.sweep import assemble, layer_outcomes
        from probekit.results.measurement import About

        work = self.work
        about = About(
            run=work.run.path.name,
            question=work.plan.question.ask,
            corpus=self.corpus.name,
            model=label_of(planned),
            model_kind=model.kind,
        )
        for w, stem, cells in groups:
            results = [LayerResult.load(Path(cell.stem)) for cell in cells if cell.done]
            if not results:
                continue
            problem = ProbeProblem.load(stem)
            at = replace(about, site=w.where)
            work.results.append(assemble(problem, results, at, resamples=w.analysis.bootstrap))
            for cell, result in zip((cell for cell in cells if cell.done), results, strict=True):
                work.run.add_outcomes(cell.name, layer_outcomes(problem, result))
