"""Judging as a step of a run: every suite, every model, its twins and baselines, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probekit.errors import ProbekitError
from probekit.experiment.judge_cells import JudgeCell, do_judge_cell, read_suites
from probekit.experiment.plan import JudgePlan, ModelPlan, Plan
from probekit.experiment.plan_suites import SuitePlan
from probekit.experiment.work import Work, label_of

if TYPE_CHECKING:
    from probekit.data.suite import Suite
    from probekit.glossary import ModelKind
    from probekit.results.measurement import About


@dataclass(frozen=True)
class WantedSuite:
    """One suite of one analysis, read."""

    analysis: JudgePlan
    planned: SuitePlan
    suite: Suite


def suites_of(plan: Plan) -> list[WantedSuite]:
    """The suites of every analysis, read and checked before a model is loaded."""
    return [
        WantedSuite(analysis, one, suite)
        for analysis in plan.judges
        for one, suite in zip(analysis.chosen, read_suites(analysis.chosen), strict=True)
    ]


class JudgeSteps:
    """Every judging analysis of a plan, one model at a time."""

    def __init__(self, work: Work, wanted: Sequence[WantedSuite]) -> None:
        self.work, self.wanted = work, wanted

    def do(self, planned: ModelPlan) -> None:
        """Judge one model; what comes out joins the results of the run."""
        work = self.work
        model = work.load(planned)
        work.note_model(model, planned)
        kind = model.kind
        del model  # the cells load it themselves, in whatever process they run
        groups = [(one, self.cells(planned, one)) for one in self.wanted]
        self.score([cell for _, cells in groups for cell in cells])
        for one, cells in groups:
            if cells[0].done:
                self.assemble(planned, kind, one, cells)

    def cells(self, planned: ModelPlan, one: WantedSuite) -> list[JudgeCell]:
        """The model first, then what it is compared with."""
        name = self.work.name_of(label_of(planned), one.suite.name)
        parts = ["model", "baselines", *(f"twin-{seed}" for seed in range(planned.twins))]
        parts += ["layers"] if one.analysis.layers is not None else []
        return [
            JudgeCell(
                name=f"{name}.{part}",
                stem=str(self.work.run.path / "cells" / f"{name}.judge.{part}"),
                part=part,
                model=planned,
                folder=str(self.work.folders.get(planned.name, "")),
                suite=one.planned,
                analysis=one.analysis,
            )
            for part in parts
        ]

    def score(self, cells: list[JudgeCell]) -> None:
        alone = len(self.work.plan.model) * len(self.wanted) == 1
        self.work.do_cells("judging", cells, do_judge_cell, needed=lambda cell: alone)

    def assemble(self, planned: ModelPlan, kind: ModelKind, one: WantedSuite, cells: list[JudgeCell]) -> None:
        """Rows and pictures from the answers that lie in files."""
        from probekit.behavior.judge import assemble

        work, about = self.work, self.about(planned, kind, one)
        found = {cell.part: cell.answers() for cell in cells if cell.done}
        nulls = {name: reason for cell in cells if cell.done for name, reason in cell.nulls.items()}
        twins = [answers for part, some in found.items() if part.startswith("twin-") for answers in some]
        judged = assemble(
            one.suite,
            found["model"][0],
            controls=[*found.get("baselines", ()), *twins],
            layers=found.get("layers", ()),
            nulls=nulls,
            about=about,
            resamples=one.analysis.bootstrap,
        )
        work.results.append(judged)
        work.run.add_outcomes(cells[0].name, judged.outcomes)
        what = f"{label_of(planned)}, suite {one.suite.name}"
        work.note_left_out(what, judged.left_out, judged.left_out_examples)
        if one.analysis.checkpoints:
            self.checkpoints(planned, one, about)

    def about(self, planned: ModelPlan, kind: ModelKind, one: WantedSuite) -> About:
        """What every row of a judgement says of it."""
        return self.work.about(one.suite.name, label_of(planned), kind)

    def checkpoints(self, planned: ModelPlan, one: WantedSuite, about: About) -> None:
        """Behaviour over the training of a model that kept checkpoints."""
        from probekit.behavior.checkpoints import judge_checkpoints

        folder = self.work.folders.get(planned.name) or planned.name
        try:
            curve = judge_checkpoints(
                folder,
                one.suite,
                bos=one.analysis.bos,
                pll=one.analysis.pll,
                resamples=one.analysis.bootstrap,
                about=about,
                progress=self.work.progress,
            )
        except ProbekitError as problem:
            self.work.fail(f"{label_of(planned)} over training, {one.suite.name}", str(problem))
        else:
            self.work.results.append(curve)
