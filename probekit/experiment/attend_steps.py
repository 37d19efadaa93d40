"""Attention as a step of a run: what heads do, cell by cell; then suites without the heads that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError
from probekit.experiment.ablated import Ablated, Aim, Without
from probekit.experiment.attend_cells import AttendCell, do_attend_cell
from probekit.experiment.attend_checks import check_attending
from probekit.experiment.judge_cells import read_suites
from probekit.experiment.kept import heading
from probekit.experiment.opened import let_go
from probekit.experiment.other_heads import Heads, draw_others
from probekit.experiment.plan import CorpusPlan, ModelPlan, Plan
from probekit.experiment.plan_inside import AttendPlan
from probekit.experiment.work import Work, label_of
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.suite import Suite
    from probekit.models.model import Model
    from probekit.results.measurement import About


@dataclass(frozen=True)
class WantedHeads:
    """One analysis of attention with its suites, read and checked."""

    analysis: AttendPlan
    suites: tuple[Suite, ...]

    @property
    def described(self) -> str:
        """What will be done, as a line for a person."""
        from probekit.attention.counted import counted

        given = self.analysis
        frequent = "every frequent relation" if given.relations == "frequent" else ", ".join(given.relations)
        asked = [part for part in (frequent, *given.links) if part]
        judged = ", ".join(f"{suite.name}: {len(suite.items):,} items" for suite in self.suites)
        return (
            f"attend: every head of {'every layer' if given.layers == 'all' else counted(len(given.layers), 'layer')}"
            + (f" against {', '.join(asked)}" if asked else "")
            + (
                f"; then judge without the heads found, {counted(given.random_draws, 'draw')} of others ({judged})"
                * bool(judged)
            )
        )


def heads_of(plan: Plan) -> list[WantedHeads]:
    """The analyses of attention of a plan, their suites read and checked before a model is loaded."""
    found = []
    for analysis in plan.attendings:
        suites = tuple(read_suites(analysis.chosen))
        for suite in suites:
            if suite.kind == "acceptability":
                raise ConfigError(
                    f"suite {suite.name!r} has no predictions that hold or fail; heads are judged on one that has"
                )
        found.append(WantedHeads(analysis, suites))
    return found


def check_heads(wanted: Sequence[WantedHeads], corpus: Corpus) -> None:
    """Look for links, relations, splits and trees in the corpus before a model is loaded. Raises DataError,
    ConfigError."""
    for one in wanted:
        check_attending(one.analysis, corpus)


class AttendSteps:
    """Every analysis of attention of a plan, one model at a time."""

    def __init__(
        self, work: Work, wanted: Sequence[WantedHeads], corpus: Corpus, reading: CorpusPlan
    ) -> None:
        self.work, self.wanted, self.corpus, self.reading = work, wanted, corpus, reading

    def do(self, planned: ModelPlan) -> None:
        """Look at the heads of one model; what comes out joins the results of the run."""
        try:
            for number, one in enumerate(self.wanted):
                _Attending(self, planned, one).do(titled=not number)
        finally:
            let_go()


class _Attending:
    """One analysis of one model: its cells in the order in which they need each other."""

    def __init__(self, steps: AttendSteps, planned: ModelPlan, one: WantedHeads) -> None:
        self.steps, self.planned, self.one = steps, planned, one
        self.work, self.analysis = steps.work, one.analysis
        model: Model = self.work.load(planned)
        self.work.note_model(model, planned)
        self.layers = model.resolve_layers(self.analysis.layers, "heads")
        self.n_heads, self.kind = model.n_heads, model.kind
        if one.suites:  # a model that cannot be judged is refused before its heads are read
            from probekit.models.scoring.make import make_scorer

            make_scorer(model, bos=self.analysis.bos, pll=self.analysis.pll)
        del model  # the cells load it themselves, in whatever process they run
        self.label = label_of(planned)
        self.name = self.work.name_of(self.label, "attend")

    def do(self, *, titled: bool) -> None:
        cells = self.cells()
        self.fit(cells, f"attention ({self.label})")
        about = self.about()
        if titled:
            title = f"Attention of {self.label}"
            self.work.results.append(heading(slug(self.label, "attention-part"), title, self.told()))
        for cell in cells:
            if cell.done:
                kept = cell.kept()
                self.work.results.append(kept.told(about, slug(self.label)[:40]))
                self.work.note_left_out(f"{self.label}, attention: {cell.part}", kept.left_out, {})
        if self.one.suites:
            self.ablate([cell for cell in cells if cell.done])

    def told(self) -> str:
        """What was done, under the title of this part of the page."""
        from probekit.attention.counted import counted

        n = len(self.layers)
        heads, layers = counted(n * self.n_heads, "head"), counted(n, "layer")
        text = f"{heads} in {layers}, named layer.head, heads from 0."
        if self.analysis.relations or self.analysis.links:
            text += " A head is chosen on dev and reported on test."
        if self.one.suites:
            text += " Then the heads found are ablated, and others of the same layers, and suites are judged again."
        return text

    def cells(self) -> list[AttendCell]:
        """What is asked of the heads, in the order of the page."""
        given = self.analysis
        parts = ["statistics"] * bool(given.statistics) + ["distances"] * given.distances
        parts += ["relations"] * bool(given.relations) + ["links"] * bool(given.links)
        parts += ["trees"] * given.trees + ["parser"] * given.parser
        cells = [self.cell(part, part) for part in parts]
        return cells + [
            self.cell(f"view-{number}", "view", text=text) for number, text in enumerate(given.views, start=1)
        ]

    def cell(self, name: str, part: Any, **fields: Any) -> AttendCell:
        return AttendCell(
            name=f"{self.name}.{name}",
            stem=str(self.work.run.path / "cells" / f"{self.name}.{name}"),
            part=part,
            model=self.planned,
            folder=str(self.work.folders.get(self.planned.name, "")),
            label=self.label,
            corpus=self.steps.reading,
            analysis=self.analysis,
            **fields,
        )

    def fit(self, cells: Sequence[AttendCell], stage: str) -> None:
        alone = len(cells) * len(self.work.plan.analysis) == 1
        self.work.do_cells(stage, cells, do_attend_cell, needed=lambda cell: alone)

    def ablate(self, done: Sequence[AttendCell]) -> None:
        """Judge every suite as the model is, without the heads of every aim, and without as many others."""
        aims = [aim for cell in done for aim in aims_of(cell.kept().facts)]
        if not aims:
            self.work.fail(
                f"{self.name}.judge", "no head was found by any relation or link, so none is ablated"
            )
            return
        seed, draws = self.analysis.seeds.heads, self.analysis.random_draws
        others = {aim.name: draw_others(aim.heads, self.n_heads, draws, seed=seed) for aim in aims}
        whole = self.cell("judge", "judge")
        cells: dict[tuple[Any, ...], AttendCell] = {(): whole}  # the same heads are judged once
        for aim in aims:
            for heads in (aim.heads, *others[aim.name]):
                key = _key(heads)
                if key not in cells:
                    cells[key] = self.cell(f"judge-without-{_file_name(heads)}", "judge", heads=key)
        self.fit(list(cells.values()), f"judging without heads ({self.label})")
        if not whole.done:
            return
        without = [
            Without(
                aim,
                cells[_key(aim.heads)].answers(),
                [
                    (heads, cells[_key(heads)].answers())
                    for heads in others[aim.name]
                    if cells[_key(heads)].done
                ],
            )
            for aim in aims
            if cells[_key(aim.heads)].done
        ]
        ablated = Ablated(
            self.one.suites,
            whole.answers(),
            tuple(without),
            replace(self.about(), corpus=""),
            self.analysis.ablate,
            self.analysis.bootstrap,
        )
        self.work.results.append(ablated)
        for name, outcomes in ablated.outcomes.items():
            self.work.run.add_outcomes(f"{self.name}.{name}", outcomes)

    def about(self) -> About:
        """What every row says of this model."""
        return self.work.about(self.steps.corpus.name, self.label, self.kind, "heads")


def aims_of(facts: Any) -> list[Aim]:
    """The heads found by each relation or link, its directions together, as a cell's facts tell them."""
    found: dict[str, dict[str, set[int]]] = {}
    told: dict[str, list[str]] = {}
    for one in facts.get("found", ()):
        found.setdefault(one["aim"], {}).setdefault(one["layer"], set()).add(one["head"])
        if one["told"]:
            told.setdefault(one["aim"], []).append(one["told"])
    return [
        Aim(
            name,
            {layer: tuple(sorted(heads)) for layer, heads in layers.items()},
            "; ".join(dict.fromkeys(told.get(name, ()))),
        )
        for name, layers in found.items()
    ]


def _key(heads: Heads) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted(heads.items()))


def _file_name(heads: Heads) -> str:
    """Heads as a part of a file name; of many a hash."""
    from probekit.results.files import tagged_hash

    name = "_".join(f"{layer}.{head}" for layer, numbers in _key(heads) for head in numbers)
    return name if len(name) <= 60 else tagged_hash("heads", name)[:16]
