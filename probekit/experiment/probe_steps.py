"""Probing as a step of a run: extract, pose, fit cell by cell, and make rows of what the probes predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import ProbekitError
from probekit.experiment.cells import Cell, do_cell, do_cells, make_probe
from probekit.experiment.describe import describe_cost
from probekit.experiment.plan import CorpusPlan, ModelPlan
from probekit.experiment.wanted import Wanted
from probekit.experiment.work import Work, label_of

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model

Groups = list[tuple[Wanted, Path, list[Cell]]]


class ProbeSteps:
    """Every probing analysis of a plan, one model at a time."""

    def __init__(self, work: Work, wanted: list[Wanted], corpus: Corpus, planned: CorpusPlan) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, planned

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

    def extract(self, model: Model, planned: ModelPlan) -> dict[tuple[str, str], list[Activations]]:
        """For every unit and pooling needed: the model's representations, then each twin's."""
        from probekit.models.twins import random_twin

        needed = {(w.unit, w.pool): w.analysis for w in self.wanted}
        found: dict[tuple[str, str], list[Activations]] = {key: [self.stored(model, *key)] for key in needed}
        first = min(analysis.seeds.twin for analysis in needed.values())
        for seed in range(first, first + planned.twins):
            twin = random_twin(model, seed)
            self.work.info["models"].append(twin.describe() | {"name": f"{label_of(planned)}#twin-{seed}"})
            for key in needed:
                found[key].append(self.stored(twin, *key))
            del twin
        return found

    def stored(self, model: Model, unit: str, pool: str) -> Activations:
        from probekit.activations.extract import extract

        layers: list[str] = []
        for w in self.wanted:
            layers += [layer for layer in model.resolve_layers(w.analysis.layers) if layer not in layers]
        return extract(
            model,
            self.corpus,
            layers=layers,
            unit=unit,
            pool=pool,
            text_form=self.reading.text_form,
            length=self.reading.length,
            progress=self.work.progress,
        )

    def pose(
        self, model: Model, planned: ModelPlan, entries: dict[tuple[str, str], list[Activations]]
    ) -> Groups:
        """Write every task's problem beside its cells: what workers need besides the store."""
        from probekit.probing.problem import check_same_rows, pose
        from probekit.probing.sweep import check_probe

        groups = []
        for w in self.wanted:
            acts, *twins = entries[w.unit, w.pool]
            name = self.work.name_of(label_of(planned), w.task.name)
            try:
                data = acts.units(w.task)
                for twin in twins:
                    check_same_rows(acts.recipe, twin.recipe)
                problem = pose(data, w.task, control_seeds=range(w.analysis.seeds.control))
            except ProbekitError as met:
                if len(self.wanted) * len(self.work.plan.model) == 1:
                    raise
                self.work.fail(name, str(met))
                continue
            what = f"{label_of(planned)}, task {w.task.name}"
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
                    for layer in model.resolve_layers(w.analysis.layers)
                ]
                groups.append((w, stem, cells))
        return groups

    def fit(self, cells: list[Cell]) -> None:
        work = self.work
        left = [cell for cell in cells if not cell.done]
        if len(left) < len(cells):
            work.say(f"{len(cells) - len(left)} of {len(cells)} cells were done before")
        work.progress("probing layers", 0, len(left))
        for done, ended in enumerate(do_cells(left, do_cell, jobs=work.jobs, engine=work.engine), start=1):
            if ended.failed:
                work.fail(ended.cell.name, ended.failed)
            work.progress("probing layers", done, len(left))

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
            work.results.append(assemble(problem, results, about, resamples=w.analysis.bootstrap))
            for cell, result in zip((cell for cell in cells if cell.done), results, strict=True):
                work.run.add_outcomes(cell.name, layer_outcomes(problem, result))
