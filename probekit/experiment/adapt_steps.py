"""Adaptation as a step of a run: strategies side by side, each fit a cell in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError
from probekit.experiment.adapt_estimate import AdaptCost, Size, adapt_cost, describe_adaptation
from probekit.experiment.kept import Kept, heading
from probekit.experiment.plan import ModelPlan, Plan
from probekit.experiment.plan_adapt import AdaptPlan
from probekit.experiment.plan_corpus import CorpusPlan
from probekit.experiment.work import Work, label_of, load_planned
from probekit.results.files import tagged_hash
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.adaptation.plan_cells import ComparePlan
    from probekit.adaptation.problem import AdaptProblem
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task
    from probekit.models.model import Model


@dataclass(frozen=True)
class WantedAdaptation:
    """One comparison of strategies with its task, read and checked."""

    analysis: AdaptPlan
    task: Task

    @property
    def described(self) -> str:
        """What will be done, as a line for a person."""
        given = self.analysis
        runs = sum(given.seeds_for(name) for name in given.strategies) * len(given.fractions)
        by = ", ".join(given.strategies)
        return f"adapt to {self.task.name} by {by}: {runs} runs, tuned on dev within {given.budget}"

    @property
    def content(self) -> str:
        """A hash of the task, whose file may change under one name."""
        return tagged_hash("probekit.task", self.task.to_dict())

    def problem(self, corpus: Corpus) -> AdaptProblem:
        """The examples with their labels and splits. Raises DataError."""
        from probekit.adaptation.problem import AdaptProblem

        metric = self.analysis.metric
        return AdaptProblem.of(replace(self.task, metric=metric) if metric else self.task, corpus)


def adaptations_of(plan: Plan) -> list[WantedAdaptation]:
    """The comparisons of a plan, their tasks read before a model is loaded. Raises ConfigError."""
    from probekit.adaptation.do_cell import check_settings
    from probekit.data.task import load_task

    found = []
    for analysis in plan.adaptations:
        task = load_task(analysis.task)
        numeric = task.kind == "number"
        if analysis.metric is not None and numeric != (analysis.metric in ("spearman", "pearson", "r2")):
            what = "numbers: spearman, pearson, r2" if numeric else "classes: accuracy, macro_f1, mcc"
            raise ConfigError(f"metric {analysis.metric!r} does not fit task {task.name!r}, which has {what}")
        for name in analysis.strategies:
            check_settings(name, analysis.options.get(name, {}))
        found.append(WantedAdaptation(analysis, task))
    return found


def check_adaptations(wanted: Sequence[WantedAdaptation], corpus: Corpus) -> None:
    """See that every split has its labels, before a model is loaded. Raises DataError."""
    for one in wanted:
        one.problem(corpus)


def size_of(model: Model, problem: AdaptProblem) -> Size:
    """What a comparison will read, and with how large a model."""
    from probekit.glossary import SPLITS

    texts, words = {}, {}
    for split in SPLITS:
        chosen = [problem.texts[number] for number in problem.examples_of(split)]
        texts[split] = len(chosen)
        words[split] = sum(len(text.split()) if isinstance(text, str) else len(text) for text in chosen)
    tables = sum(p.numel() for name, p in model.module.named_parameters() if "embed" in name)
    return Size(texts, words, max(model.parameters - tables, 1), len(model.layers), model.dim)


def costs_of(model: Model, one: WantedAdaptation, problem: AdaptProblem) -> dict[str, AdaptCost]:
    """Strategy -> about what it will cost on this machine."""
    from probekit.activations.store import Store
    from probekit.experiment.health import rates_of

    plan = compare_plan(one, problem="", folder="", model={"name": model.name})
    tried = {name: len(plan.settings_of(name)) for name in one.analysis.strategies}
    return adapt_cost(one.analysis, size_of(model, problem), rates_of(Store().root), trials=tried)


def preview_adaptations(
    wanted: Sequence[WantedAdaptation], models: Sequence[ModelPlan], corpus: Corpus
) -> list[str]:
    """What each comparison will cost with each model, as lines for a person. Loads the models."""
    lines = []
    for planned in models if wanted else ():
        model = load_planned(planned)
        for one in wanted:
            lines.append(f"adapting {label_of(planned)} to {one.task.name}:")
            lines += describe_adaptation(costs_of(model, one, one.problem(corpus)))
    return lines


def compare_plan(
    one: WantedAdaptation, *, problem: str, folder: str, model: Mapping[str, Any], keep: str = ""
) -> ComparePlan:
    """What a file asks for, as the comparison takes it."""
    from probekit.adaptation.plan_cells import ComparePlan
    from probekit.adaptation.tuning_budget import TuningBudget
    from probekit.models.ref import ModelRef

    given = one.analysis
    return ComparePlan(
        problem=problem,
        folder=folder,
        model=ModelRef.of(model),
        strategies=tuple(given.strategies),
        seeds=given.seeds,
        seeds_of={name: n for name, n in given.seeds_of.items() if name in given.strategies},
        budget=TuningBudget.read(given.budget),
        fractions=tuple(given.fractions),
        options={name: dict(own) for name, own in given.options.items() if name in given.strategies},
        metric=given.metric or "",
        least_steps=given.least_steps,
        keep=keep,
    )


class AdaptSteps:
    """Every comparison of strategies of a plan, one model at a time."""

    def __init__(
        self, work: Work, wanted: Sequence[WantedAdaptation], corpus: Corpus, reading: CorpusPlan
    ) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, reading

    def do(self, planned: ModelPlan) -> None:
        """Adapt one model; what comes out joins the results of the run."""
        for number, one in enumerate(self.wanted):
            self.compare(planned, one, titled=not number)

    def compare(self, planned: ModelPlan, one: WantedAdaptation, *, titled: bool) -> None:
        """Do the cells of one comparison that are not done yet, and tell what came out."""
        from probekit.adaptation.compare import do_plan

        label = label_of(planned)
        model = self.work.load(planned)
        self.work.note_model(model, planned)
        problem = one.problem(self.corpus)
        self.work.say(f"adapting {label} to {one.task.name}; {problem!r}")
        for line in describe_adaptation(costs_of(model, one, problem)):
            self.work.say(line)
        about = self.work.about(self.corpus.name, label, model.kind)
        del model  # every cell loads it in a process of its own
        name = self.work.name_of(label, "adapt", one.task.name)
        cells = self.work.run.path / "cells"
        problem.save(cells / f"{name}.problem")
        folder = self.work.folders.get(planned.name)
        plan = compare_plan(
            one,
            problem=str(cells / f"{name}.problem"),
            folder=str(cells / name),
            model={"name": str(folder or planned.name)}
            | planned.model_dump(include={"revision", "device", "dtype", "trust_remote_code", "allow_bin"}),
            keep=str(self.work.run.path / "artifacts" / name) if one.analysis.save else "",
        )
        results = do_plan(plan, problem, jobs=self.jobs(), progress=self.progress(label))
        for result in results:
            if result.failed:
                self.work.fail(f"{name}: {result.name}", result.failed)
        if all(result.failed for result in results if result.purpose == "run"):
            self.work.info["summary"].append(
                f"{label}, {one.task.name}: no run of any strategy ended, see what failed."
            )
            return
        from probekit.adaptation.comparison import Comparison

        found = Comparison(results, problem, about, resamples=one.analysis.bootstrap)
        if titled:
            self.work.results.append(
                heading(slug(label, "adaptation-part"), f"Adapting {label}", self.told(one))
            )
        kept = Kept.of(found).told(about, slug(label)[:40])
        if len(self.work.plan.model) > 1:  # the sentences name the task alone
            kept = replace(kept, summary=f"{label}: {kept.summary}")
        self.work.results.append(kept)
        self.work.note_left_out(f"{label}, {one.task.name}", problem.left_out, {})

    def jobs(self) -> int:
        """How many cells run side by side; each is a process of one thread on this machine."""
        from joblib import cpu_count

        if self.work.engine not in ("local", "loky"):
            self.work.say(
                f"adaptation runs on this machine, in processes of its own: {self.work.engine} has no part in it"
            )
        return int(cpu_count()) if self.work.jobs < 0 else self.work.jobs

    def progress(self, label: str) -> Any:
        """Progress of the cells under the model's name."""
        return lambda stage, done, total: self.work.progress(f"adapting {label}, {stage}", done, total)

    def told(self, one: WantedAdaptation) -> str:
        """What was done, under the title of this part of the page."""
        given = one.analysis
        seeds = sorted({given.seeds_for(name) for name in given.strategies})
        spread = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        return (
            f"Every strategy had the same splits, the same budget for settings ({given.budget}, chosen on dev), and "
            f"{spread} {'seed' if seeds == [1] else 'seeds'}. Costs are those of a run in a process of one "
            "thread with no other run of the comparison beside it."
        )


def saved_in(run: Path) -> list[Path]:
    """Folders of the classifiers that a run has kept.

    >>> from probekit.experiment.adapt_steps import saved_in
    >>> saved_in(Path("no-such-run"))
    []
    """
    from probekit.adaptation.saved import STEM

    return sorted(file.parent for file in (run / "artifacts").glob(f"*/*/{STEM}.json"))
