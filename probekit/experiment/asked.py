"""Everything that a plan asks for, read and checked before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.experiment.adapt_steps import AdaptSteps, WantedAdaptation, adaptations_of, check_adaptations
from probekit.experiment.attend_steps import AttendSteps, WantedHeads, check_heads, heads_of
from probekit.experiment.change_steps import ChangeSteps, WantedChange, changes_of, check_changes
from probekit.experiment.erase_steps import EraseSteps, WantedErasure, check_erasures, erasures_of
from probekit.experiment.judge_steps import JudgeSteps, WantedSuite, suites_of
from probekit.experiment.look_steps import LookSteps, WantedLook, check_looks, looks_of
from probekit.experiment.plan import Plan
from probekit.experiment.probe_steps import ProbeSteps
from probekit.experiment.wanted import Wanted, check_units, tasks_of
from probekit.experiment.work import Step, Work

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus


@dataclass(frozen=True)
class Asked:
    """The analyses of a plan with their tasks and suites, kind by kind."""

    probes: list[Wanted]
    suites: list[WantedSuite]
    erasures: list[WantedErasure]
    heads: list[WantedHeads]
    looks: list[WantedLook]
    adaptations: list[WantedAdaptation]
    changes: list[WantedChange]

    @classmethod
    def of(cls, plan: Plan) -> Asked:
        """Read the tasks and suites of a plan. Raises ConfigError, DataError."""
        return cls(
            tasks_of(plan),
            suites_of(plan),
            erasures_of(plan),
            heads_of(plan),
            looks_of(plan),
            adaptations_of(plan),
            changes_of(plan),
        )

    def check(self, corpus: Corpus | None) -> None:
        """Label the corpus for every task before a model is loaded. Raises DataError, ConfigError."""
        if corpus is None:
            return
        if self.probes:
            check_units(self.probes, corpus)
        check_erasures(self.erasures, corpus)
        check_heads(self.heads, corpus)
        check_looks(self.looks, corpus)
        check_adaptations(self.adaptations, corpus)
        check_changes(self.changes, corpus)

    @property
    def contents(self) -> list[str]:
        """Hashes of suites, and of tasks that are adapted to, which may change under one name."""
        found = [one.suite.hash for one in self.suites]
        found += [suite.hash for erasure in self.erasures for suite in erasure.suites]
        found += [suite.hash for heads in self.heads for suite in heads.suites]
        found += [one.content for one in self.adaptations]
        return found + [content for one in self.changes for content in one.contents]

    @property
    def described(self) -> list[str]:
        """What is done besides probing, as lines for a person."""
        lines = [f"judge on {one.suite.name}: {len(one.suite.items):,} items" for one in self.suites]
        lines += [erasure.described for erasure in self.erasures]
        lines += [heads.described for heads in self.heads]
        lines += [look.described for look in self.looks]
        lines += [one.described for one in self.adaptations]
        return lines + [one.described for one in self.changes]

    def steps(self, work: Work, corpus: Corpus | None) -> list[Step]:
        """The analyses as steps of a run, in the order of the page."""
        reading = work.plan.corpus
        steps: list[Step] = []
        if self.probes and corpus is not None and reading is not None:
            steps.append(ProbeSteps(work, self.probes, corpus, reading))
        if self.suites:
            steps.append(JudgeSteps(work, self.suites))
        if corpus is not None and reading is not None:
            if self.erasures:
                steps.append(EraseSteps(work, self.erasures, corpus, reading))
            if self.heads:
                steps.append(AttendSteps(work, self.heads, corpus, reading))
            if self.looks:
                steps.append(LookSteps(work, self.looks, corpus, reading))
            if self.adaptations:
                steps.append(AdaptSteps(work, self.adaptations, corpus, reading))
            if self.changes:
                steps.append(ChangeSteps(work, self.changes, corpus, reading))
        return steps
