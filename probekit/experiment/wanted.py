"""The tasks that a plan wants probed, loaded and checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probekit.activations.recipe import POOLS
from probekit.data.corpus import Corpus
from probekit.data.task import Task, load_task
from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.plan import Plan, ProbePlan
from probekit.probing.problem import check_units as check_units_of


@dataclass(frozen=True)
class Wanted:
    """One task of one analysis: how its units are read from a model."""

    analysis: ProbePlan
    task: Task

    @property
    def unit(self) -> str:
        return self.task.unit

    @property
    def pool(self) -> str:
        return self.analysis.pool

    @property
    def predicted(self) -> bool:
        """Whether words are read where the model predicts them."""
        return self.analysis.at == "prediction"

    @property
    def site(self) -> str:
        return self.analysis.site

    @property
    def where(self) -> str:
        """What rows say of the site: the site, and that it is the place of prediction where it is."""
        return f"{self.site} at prediction" if self.predicted else self.site

    @property
    def named(self) -> Task:
        """The task by the name it has in rows and pictures, which tells places and sites apart."""
        where = [self.site] * (self.site != "hidden") + ["prediction"] * self.predicted
        return replace(self.task, name="@".join([self.task.name, *where]))

    @property
    def source(self) -> tuple[str, ...]:
        """What tasks share that read the same stored states."""
        return (
            ("prediction", self.site, self.task.name, self.task.file)
            if self.predicted
            else ("word", self.site, self.unit, self.pool)
        )


def sources_of(wanted: Sequence[Wanted]) -> dict[tuple[str, ...], Wanted]:
    """Every source of stored states once, with the first task that reads it."""
    found: dict[tuple[str, ...], Wanted] = {}
    for w in wanted:
        found.setdefault(w.source, w)
    return found


def tasks_of(plan: Plan) -> list[Wanted]:
    """The tasks of every analysis, loaded; ConfigError for an unknown one or a pooling that does not fit its unit."""
    wanted = []
    for analysis in plan.probes:
        for name in analysis.tasks:
            task = load_task(name)
            if analysis.at == "prediction" and task.unit != "word":
                raise ConfigError(
                    f"task {name!r} labels each {task.unit}, and a model predicts words; use at = 'word'"
                )
            if analysis.pool not in POOLS[task.unit]:
                raise ConfigError(
                    f"task {name!r} labels each {task.unit}, which cannot be pooled by {analysis.pool!r}; "
                    f"known: {', '.join(POOLS[task.unit])}"
                )
            wanted.append(Wanted(analysis, task))
    return wanted


def check_units(wanted: Sequence[Wanted], corpus: Corpus) -> None:
    """Label the corpus before a model is loaded; where no task of the plan can be probed in it, say why.

    A task among others that cannot is a failed cell of the run.
    """
    problems = []
    for w in wanted:
        try:
            units = w.task.units(corpus)
            check_units_of(w.task, units, units.left_out)
        except ProbekitError as problem:
            problems.append(problem)
    if len(problems) == len(wanted):
        raise problems[0]
