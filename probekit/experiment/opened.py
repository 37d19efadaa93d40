"""A model as a worker holds it from one cell to the next, with what is read of it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.experiment.judge_cells import read_suite
from probekit.experiment.plan import ModelPlan
from probekit.experiment.plan_suites import SuitePlan
from probekit.experiment.work import load_planned
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.behavior.answers import Answers
    from probekit.behavior.questions import Questions
    from probekit.data.suite import Suite
    from probekit.models.hooks import Edit
    from probekit.models.model import Model
    from probekit.models.scoring import Answer, Ask, Queries
    from probekit.models.scoring.base import ModelScorer


@dataclass
class Remembering:
    """A model's scorer that reads the texts of a suite into pieces once, and asks the model anew each time."""

    scorer: ModelScorer
    read: dict[int, tuple[Any, Queries]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.scorer.name

    @property
    def rule(self) -> str:
        return self.scorer.rule

    @property
    def kind(self) -> str:
        return self.scorer.kind

    def score(
        self,
        groups: Sequence[Sequence[Ask]],
        *,
        shared_prefix_cancels: bool = False,
        progress: Progress = silent,
    ) -> list[list[Answer]]:
        """An answer for every ask."""
        if id(groups) not in self.read:  # the groups are kept beside, so that the number stays theirs
            queries = self.scorer.queries(groups, shared_prefix_cancels=shared_prefix_cancels)
            self.read[id(groups)] = groups, queries
        queries = self.read[id(groups)][1]
        return queries.answers(self.scorer.logprobs(queries, progress))


@dataclass
class Opened:
    """A loaded model; its scorer is made when a suite is first judged, so that an encoder without a head can be held.

    `suites` and `references` keep what is read of suites and of the unedited model.
    """

    model: Model
    bos: Any
    pll: Any
    suites: dict[str, tuple[Suite, Questions]] = field(default_factory=dict)
    references: dict[Any, Any] = field(default_factory=dict)

    @cached_property
    def scorer(self) -> Remembering:
        """What judges the model. Raises ModelError where it has no language-model head."""
        from probekit.models.scoring.make import make_scorer

        return Remembering(make_scorer(self.model, bos=self.bos, pll=self.pll))

    def asked(self, planned: SuitePlan) -> tuple[Suite, Questions]:
        """A suite with its questions, read once."""
        from probekit.behavior.questions import ask_suite

        known = planned.model_dump_json()
        if known not in self.suites:
            suite = read_suite(planned)
            self.suites[known] = suite, ask_suite(suite)
        return self.suites[known]

    def judge(self, suites: Sequence[SuitePlan], edits: Sequence[Edit]) -> list[Answers]:
        """The answers to every suite with edits in force."""
        from probekit.behavior.answers import answer_suite
        from probekit.models.hooks import edit_all

        answers = []
        scorer = self.scorer
        with edit_all(self.model, edits):
            for planned in suites:
                suite, questions = self.asked(planned)
                kind = self.model.kind
                answers.append(answer_suite(scorer, suite, questions=questions, model_kind=kind))
        return answers


@lru_cache(maxsize=1)
def opened(planned: ModelPlan, folder: str, bos: Any = "auto", pll: Any = "within_word_l2r") -> Opened:
    """The model that a plan names, from `folder` where it was trained for the run; kept until another is asked for."""
    return Opened(load_planned(planned, Path(folder) if folder else None), bos, pll)


def let_go() -> None:
    """Forget the model that this process holds for its next cell."""
    opened.cache_clear()
