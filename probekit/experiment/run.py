"""An experiment from its file to its report: every step resumable, every number with its provenance."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.cells import Cell, do_cells, make_probe
from probekit.experiment.corpora import read_planned
from probekit.experiment.describe import describe_corpus, describe_cost
from probekit.experiment.folders import find_or_make, forget, model_content, run_hash
from probekit.experiment.machine import git_state, machine, versions
from probekit.experiment.memory import PeakMemory
from probekit.experiment.plan import ModelPlan, Plan, load_plan
from probekit.experiment.wanted import Wanted, check_units, tasks_of
from probekit.glossary import Progress, silent
from probekit.results.run import Run

if TYPE_CHECKING:
    from probekit.activations.activations import Activations, UnitData
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model

Say = Callable[[str], None]


def quiet(message: str) -> None:
    """The listener that hears nothing."""


def run_experiment(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    jobs: int = 1,
    engine: str = "loky",
    runs: str | Path = "runs",
    progress: Progress = silent,
    say: Say = quiet,
) -> Run:
    """Run an experiment (a built-in name, a folder or a TOML file) and write its report; running it again continues.

    The run folder is `runs/<experiment>/<utc>-<hash8>/`; its page is `report/index.html`. Cells that fail are
    recorded in run.json (`failed`) and named on the page; the others go on, and the same call tries them again. A
    run that ends in an error before its first cell is done leaves no folder behind.

    Raises
    ------
    ConfigError
        for whatever is wrong with the file, before anything runs.
    DataError, ModelError, StoreError, DiskError, MissingExtra
        as the corpus, the models and the store do.

    >>> run = run_experiment("quickstart", overrides=["model.0.twins=1"])  # doctest: +SKIP
    >>> run.page  # doctest: +SKIP
    PosixPath('runs/quickstart/20260101T120000Z-0123abcd/report/index.html')
    """
    plan, _, text = load_plan(source, overrides)
    return run_plan(plan, text, fresh=fresh, jobs=jobs, engine=engine, runs=runs, progress=progress, say=say)


def run_plan(
    plan: Plan,
    text: str = "",
    *,
    fresh: bool = False,
    jobs: int = 1,
    engine: str = "loky",
    runs: str | Path = "runs",
    progress: Progress = silent,
    say: Say = quiet,
) -> Run:
    """Run a plan; see `run_experiment`. `text` is the file as given, kept in run.json."""
    from probekit.report.write import write_page

    if jobs == 0:
        raise ConfigError("0 jobs do nothing; give 1 or more, or -1 for one per core")
    wanted = tasks_of(plan)
    begun = time.perf_counter()
    with PeakMemory() as memory:
        corpus = read_planned(plan.corpus)
        say(describe_corpus(corpus))
        check_units(wanted, corpus)
        contents = [model_content(model.name, model.revision) for model in plan.model]
        in_force = plan.model_dump(mode="json", exclude_none=True)
        digest = run_hash(in_force, corpus.hash, contents)
        run, known = find_or_make(Path(runs), plan.name, digest, fresh=fresh)
        if known and run.finished and not run.info["failed"]:
            say(f"this run is finished: {run.path} (--fresh runs it anew)")
            if not run.page.is_file():
                write_page(run)
            return run
        if known:
            say(f"continuing {run.path}")
        earlier = run.info.get("seconds", 0.0) if known else 0.0
        info: dict[str, Any] = {
            "name": plan.name,
            "hash": digest,
            "question": plan.question.ask,
            "expectation": plan.question.expect,
            "started": run.info["started"] if known else _now(),
            "plan": in_force,
            "file": text,
            "versions": versions(),
            "git": git_state(Path(__file__).parent),
            "machine": machine(),
            "device": "",
            "threads": machine()["threads"],
            "seeds": _seeds(plan),
            "corpora": [_corpus_info(corpus)],
            "models": [],
            "left_out": [],
            "unseen_labels": {},
            "failed": [],
            "summary": [],
            "seconds": earlier,
        }
        try:
            run.write_info(info)
            _Runner(plan, wanted, corpus, run, info, progress, say, jobs, engine).do()
        except ProbekitError:
            if not known:
                forget(run)
            raise
        info["seconds"] = round(earlier + time.perf_counter() - begun, 2)
        info["peak_anonymous_mb"] = round(max(memory.peak_mb, info.get("peak_anonymous_mb", 0.0)))
        info["finished"] = _now()
        run.write_info(info)
        write_page(run)
    return run


def preview(plan: Plan) -> list[str]:
    """What a plan would do and cost, in lines; reads the corpus and loads the models, runs nothing."""
    wanted = tasks_of(plan)
    corpus = read_planned(plan.corpus)
    check_units(wanted, corpus)
    costs = [describe_cost(load_planned(planned), planned, wanted, corpus) for planned in plan.model]
    return [line for part in (describe_corpus(corpus), *costs) for line in part.splitlines()]


def load_planned(planned: ModelPlan) -> Model:
    """The model that a plan names."""
    from probekit.models.load import load_model

    return load_model(
        planned.name,
        revision=planned.revision,
        device=planned.device,
        dtype=planned.dtype,
        allow_bin=planned.allow_bin,
        trust_remote_code=planned.trust_remote_code,
    )


class _Runner:
    """The steps of one run, over what they share."""

    def __init__(
        self,
        plan: Plan,
        wanted: list[Wanted],
        corpus: Corpus,
        run: Run,
        info: dict[str, Any],
        progress: Progress,
        say: Say,
        jobs: int,
        engine: str,
    ) -> None:
        self.plan, self.wanted, self.corpus, self.run, self.info = plan, wanted, corpus, run, info
        self.progress, self.say, self.jobs, self.engine = progress, say, jobs, engine
        self.names: set[str] = set()

    def do(self) -> None:
        sweeps = []
        for planned in self.plan.model:
            try:
                sweeps += self.probe_model(planned)
            except ProbekitError as problem:
                if len(self.plan.model) == 1:
                    raise
                self.fail(planned.name, str(problem))
        self.write(sweeps)

    def probe_model(self, planned: ModelPlan) -> list[Any]:
        model = load_planned(planned)
        self.info["models"].append(model.describe())
        self.info["device"] = model.device
        self.say(f"model {model.name}: {model.parameters / 1e6:.1f} M parameters, {len(model.layers)} layers of "
                 f"{model.dim}, {model.dtype} on {model.device}")  # fmt: skip
        self.say(describe_cost(model, planned, self.wanted, self.corpus))
        entries = self.extract(model, planned)
        groups = self.pose(model, entries)
        self.fit([cell for *_, cells in groups for cell in cells])
        return self.assemble(model, groups)

    def extract(self, model: Model, planned: ModelPlan) -> dict[tuple[str, str], list[Activations]]:
        """For every unit and pooling needed: the model's representations, then each twin's."""
        from probekit.models.twins import random_twin

        needed = {(w.unit, w.pool): w.analysis for w in self.wanted}
        found: dict[tuple[str, str], list[Activations]] = {key: [self.stored(model, *key)] for key in needed}
        first = min(analysis.seeds.twin for analysis in needed.values())
        for seed in range(first, first + planned.twins):
            twin = random_twin(model, seed)
            self.info["models"].append(twin.describe())
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
            text_form=self.plan.corpus.text_form,
            length=self.plan.corpus.length,
            progress=self.progress,
        )

    def pose(
        self, model: Model, entries: dict[tuple[str, str], list[Activations]]
    ) -> list[tuple[Wanted, Path, list[Cell]]]:
        """Write every task's problem beside its cells: what workers need besides the store."""
        from probekit.probing.problem import check_same_rows, pose
        from probekit.probing.sweep import check_probe

        groups = []
        for w in self.wanted:
            acts, *twins = entries[w.unit, w.pool]
            name = self.name_of(model, w)
            try:
                data = acts.units(w.task)
                for twin in twins:
                    check_same_rows(acts.recipe, twin.recipe)
                problem = pose(data, w.task, control_seeds=range(w.analysis.seeds.control))
            except ProbekitError as met:
                if len(self.wanted) * len(self.plan.model) == 1:
                    raise
                self.fail(name, str(met))
                continue
            self.note_left_out(f"{model.name}, task {w.task.name}", data)
            unseen = problem.notes["units_with_labels_unseen_in_train"]
            if unseen:
                self.info["unseen_labels"][name] = (
                    f"{unseen} units have a label never seen in train: counted as wrong"
                )
            for kind in w.analysis.probes:
                check_probe(make_probe(kind, problem.is_numeric), w.task)
                stem = self.run.path / "cells" / f"{name}.{kind}"
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

    def name_of(self, model: Model, w: Wanted) -> str:
        """A file name for a task over a model, told apart from every other of this run."""
        from probekit.probing.pictures import slug

        name = slug(model.name, w.task.name)
        number = 1
        while name in self.names:
            number += 1
            name = f"{slug(model.name, w.task.name)}-{number}"
        self.names.add(name)
        return name

    def note_left_out(self, what: str, data: UnitData) -> None:
        """Record what a task could not label or the store has no row for."""
        for reason, n in data.left_out.items():
            if n:
                examples = list(data.left_out_examples.get(reason, ()))
                self.info["left_out"].append({"what": what, "reason": reason, "n": n, "examples": examples})

    def fit(self, cells: list[Cell]) -> None:
        left = [cell for cell in cells if not cell.done]
        if len(left) < len(cells):
            self.say(f"{len(cells) - len(left)} of {len(cells)} cells were done before")
        self.progress("probing layers", 0, len(left))
        for done, ended in enumerate(do_cells(left, jobs=self.jobs, engine=self.engine), start=1):
            if ended.failed:
                self.fail(ended.cell.name, ended.failed)
            self.progress("probing layers", done, len(left))

    def assemble(self, model: Model, groups: list[tuple[Wanted, Path, list[Cell]]]) -> list[Any]:
        from probekit.probing.layer import LayerResult
        from probekit.probing.problem import ProbeProblem
        from probekit.probing.rows import About
        from probekit.probing.sweep import assemble, layer_outcomes

        sweeps = []
        about = About(
            run=self.run.path.name,
            question=self.plan.question.ask,
            corpus=self.corpus.name,
            model=model.name,
            model_kind=model.kind,
        )
        for w, stem, cells in groups:
            results = [LayerResult.load(Path(cell.stem)) for cell in cells if cell.done]
            if not results:
                continue
            problem = ProbeProblem.load(stem)
            sweeps.append(assemble(problem, results, about, resamples=w.analysis.bootstrap))
            for cell, result in zip((cell for cell in cells if cell.done), results, strict=True):
                self.run.add_outcomes(cell.name, layer_outcomes(problem, result))
        return sweeps

    def write(self, sweeps: list[Any]) -> None:
        """All rows and pictures at once, so that a continued run holds each once."""
        (self.run.path / "measurements.jsonl").unlink(missing_ok=True)
        for sweep in sweeps:
            self.run.add_measurements(sweep.rows)
            for panel in sweep.panels:
                self.run.add_panel(panel)
            self.info["summary"].append(sweep.summary)

    def fail(self, cell: str, reason: str) -> None:
        self.say(f"failed: {cell}: {reason}")
        self.info["failed"].append({"cell": cell, "reason": reason})


def _corpus_info(corpus: Corpus) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "hash": corpus.hash,
        "path": ", ".join(Path(file).name for file in corpus.files),
        "sizes": corpus.sizes,
        "words": corpus.n_words,
        "licence": corpus.licence,
        "text_form": corpus.text_form,
        "overlap": dict(corpus.overlap().counts),
    }


def _seeds(plan: Plan) -> dict[str, Any]:
    seeds = plan.analysis[0].seeds
    return {
        "control": list(range(seeds.control)),
        "probe": list(range(seeds.probe)),
        "twin": list(range(seeds.twin, seeds.twin + max(m.twins for m in plan.model))),
        "resampling": 0,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
