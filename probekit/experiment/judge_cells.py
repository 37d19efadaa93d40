"""What a worker does for a judging analysis: load, score one suite one way, and write the answers as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.cells import Ended
from probekit.experiment.plan import JudgePlan, ModelPlan
from probekit.experiment.plan_suites import SuitePlan
from probekit.experiment.work import load_planned
from probekit.glossary import Progress, silent
from probekit.results.files import read_json, write_json

if TYPE_CHECKING:
    from probekit.behavior.answers import Answers
    from probekit.data.suite import Suite
    from probekit.models.model import Model


@dataclass(frozen=True)
class JudgeCell:
    """One model (or what stands for it) on one suite. `part`: "model", "twin-0" ..., "baselines" or "layers"."""

    name: str
    stem: str
    part: str
    model: ModelPlan
    folder: str
    suite: SuitePlan
    analysis: JudgePlan

    @property
    def done(self) -> bool:
        """Whether its results lie there; the list of them is written last."""
        return Path(self.stem + ".parts.json").is_file()

    def answers(self) -> list[Answers]:
        """What was found, read back."""
        from probekit.behavior.answers import Answers

        return [Answers.load(f"{self.stem}.{number}") for number in range(self._parts["n"])]

    @property
    def nulls(self) -> dict[str, str]:
        """Baselines that could not be had, with the reason."""
        return dict(self._parts["nulls"])

    @property
    def _parts(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(Path(self.stem + ".parts.json"))
        return found


def read_suite(planned: SuitePlan) -> Suite:
    """The suite that a plan names, in the form of text that it asks for."""
    from probekit.data.read_suite import load_suite

    return load_suite(
        planned.suite,
        data=planned.data,
        format=planned.format,
        append=planned.append,
        capital=planned.capital,
    )


def read_suites(planned: Sequence[SuitePlan]) -> list[Suite]:
    """The suites of one analysis; of several with one name each is called after its data too, as rows tell them apart
    by name. Raises ConfigError where two are called alike even so."""
    suites = [read_suite(one) for one in planned]
    names = [suite.name for suite in suites]
    apart = [
        replace(suite, name=f"{suite.name} {Path(one.data or one.suite).stem}")
        if names.count(suite.name) > 1
        else suite
        for one, suite in zip(planned, suites, strict=True)
    ]
    doubled = [one.name for number, one in enumerate(apart) if one.name in {x.name for x in apart[:number]}]
    if doubled:
        raise ConfigError(
            f"two suites of one analysis are called {doubled[0]!r}, and rows tell suites apart by name; "
            "put one of them into an analysis of its own"
        )
    return apart


def do_judge_cell(cell: JudgeCell, progress: Progress = silent) -> Ended:
    """Score a suite and write the answers; a user's error becomes the reason of the failure."""
    try:
        found, nulls = _answers(cell, progress)
        for number, answers in enumerate(found):
            answers.save(f"{cell.stem}.{number}")
        write_json(Path(cell.stem + ".parts.json"), {"n": len(found), "nulls": nulls})
    except ProbekitError as problem:
        return Ended(cell, str(problem), problem)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


def _answers(cell: JudgeCell, progress: Progress) -> tuple[list[Answers], dict[str, str]]:
    from probekit.behavior.answers import answer_suite
    from probekit.models.scoring.make import make_scorer
    from probekit.models.twins import random_twin

    model = load_planned(cell.model, Path(cell.folder) if cell.folder else None)
    suite, analysis = read_suite(cell.suite), cell.analysis
    if cell.part == "baselines":
        return _baselines(cell, model, suite, progress)
    if cell.part == "layers":
        return _layers(cell, model, suite, progress), {}
    role = ""
    if cell.part != "model":
        role, model = "random-twin", random_twin(model, int(cell.part.removeprefix("twin-")))
    scorer = make_scorer(model, bos=analysis.bos, pll=analysis.pll)
    return [answer_suite(scorer, suite, role=role, model_kind=model.kind, progress=progress)], {}


def _baselines(
    cell: JudgeCell, model: Model, suite: Suite, progress: Progress
) -> tuple[list[Answers], dict[str, str]]:
    from probekit.behavior.baselines import baseline_answers

    texts = baseline_texts(cell.analysis.baseline_text)
    return baseline_answers(
        model, suite, texts, order=cell.analysis.ngram_order, bos=cell.analysis.bos, progress=progress
    )


def _layers(cell: JudgeCell, model: Model, suite: Suite, progress: Progress) -> list[Answers]:
    from probekit.behavior.baselines import training_texts
    from probekit.behavior.lens import layer_answers
    from probekit.behavior.tuned_lens import fit_tuned_lens

    analysis, lens = cell.analysis, None
    if analysis.lens == "tuned":
        texts = baseline_texts(analysis.baseline_text) or training_texts(model)
        lens = fit_tuned_lens(model, texts, progress=progress)
    return layer_answers(
        model,
        suite,
        layers=analysis.layers or "all",
        lens=lens,
        bos=analysis.bos,
        pll=analysis.pll,
        progress=progress,
    )


def baseline_texts(given: str | Sequence[str] | None) -> list[str] | None:
    """The sentences of text files, a folder or globs, for the n-gram baseline."""
    if given is None:
        return None
    from probekit.data.read_text import read_text

    return [sentence.text for sentence in read_text(given)]
