"""The tasks that a plan wants probed, loaded and checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from probekit.activations.recipe import POOLS
from probekit.data.task import Task, load_task
from probekit.errors import ConfigError
from probekit.experiment.plan import Plan, ProbePlan


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


def tasks_of(plan: Plan) -> list[Wanted]:
    """The tasks of every analysis, loaded; ConfigError for an unknown one or a pooling that does not fit its unit."""
    wanted = []
    for analysis in plan.analysis:
        for name in analysis.tasks:
            task = load_task(name)
            if analysis.pool not in POOLS[task.unit]:
                raise ConfigError(
                    f"task {name!r} labels each {task.unit}, which cannot be pooled by {analysis.pool!r}; "
                    f"known: {', '.join(POOLS[task.unit])}"
                )
            wanted.append(Wanted(analysis, task))
    return wanted
