"""Behaviour over training: every checkpoint that a self-trained model kept, judged on one suite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.behavior.answers import Answers, answer_suite
from probekit.behavior.finder import Finder
from probekit.behavior.judge import Judgement, assemble
from probekit.behavior.questions import ask_suite
from probekit.behavior.rows import spoken_clusters
from probekit.behavior.summary import chance
from probekit.data.suite import Suite
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.models.load import load_model
from probekit.models.scoring import make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.results.formats import format_interval, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

FOLDER = "revisions"


@dataclass(frozen=True, eq=False, repr=False)
class CheckpointCurve:
    """Judgements of the checkpoints of one training, by step."""

    suite: Suite
    name: str
    judgements: dict[int, Judgement]

    @property
    def steps(self) -> tuple[int, ...]:
        """The training steps judged, ascending."""
        return tuple(self.judgements)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """The rows of every judgement, with its step as a seed-like mark in `group`: ``step=100 attractors=2``."""
        return tuple(
            replace(row, group=f"step={step} {row.group}".strip(), model=self.name)
            for step, judged in self.judgements.items()
            for row in judged.rows
            if row.value is not None and not row.control
        )

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """First, last and best."""
        metric, group = self._measure
        found = {step: Finder(judged.rows).get(metric, group) for step, judged in self.judgements.items()}
        known = {step: row for step, row in found.items() if row is not None and row.value is not None}
        if not known:
            return f"No checkpoint of {self.name} could be judged on {self.suite.name}."
        said = [
            f"{format_score(row.value)} {format_interval(row.low, row.high)}".strip() + f" at step {step:,}"
            for step, row in (min(known.items()), max(known.items()))
        ]
        best = max(known, key=lambda step: known[step].value or 0.0)
        spoken = "accuracy" if metric == "accuracy" else "AUC"
        return (
            f"Over {len(known)} checkpoints of {self.name} on {self.suite.name}, {spoken} goes from "
            f"{' to '.join(said)}; it is highest at step {best:,}."
        )

    @property
    def _measure(self) -> tuple[str, str]:
        if self.suite.kind == "acceptability":
            return "auc", "score=mean log-probability"
        return "accuracy", ""

    @cached_property
    def panels(self) -> list[Panel]:
        """Accuracy over training steps (log scale): all items, and by number of attractors."""
        metric, whole = self._measure
        finders = [Finder(judged.rows) for judged in self.judgements.values()]
        groups = [whole, *(finders[-1].values("attractors") if metric == "accuracy" else [])]
        lines = [[find.get(metric, group) for find in finders] for group in groups]
        arrays = {
            key: np.array(
                [
                    [np.nan if row is None or (v := getattr(row, key)) is None else v for row in line]
                    for line in lines
                ]
            )
            for key in ("value", "low", "high")
        }
        level = chance(self.suite) if metric == "accuracy" else 0.5
        labels: dict[str, Any] = {
            "x_label": "training step",
            "y_label": "accuracy (share of items right)" if metric == "accuracy" else "AUC",
            "series": [
                {"name": name, "style": "control" if number else "task"}
                for number, name in enumerate(
                    ["all items", *(g.partition("=")[2] + " attractors" for g in groups[1:])]
                )
            ],
            "x_scale": "log",
            "y_range": [0.0, 1.0],
        }
        if level is not None:
            labels["reference"] = {"value": level, "name": "chance"}
        name = slug(self.name, self.suite.name, "checkpoints")
        x = np.maximum(np.array(self.steps, dtype=np.float64), 0.5)  # step 0 has no place on a log scale
        return [
            Panel("sentence", f"{name}-summary", "Over training", labels={"text": self.summary}),
            Panel(
                "curve",
                f"{name}-curve",
                f"{self.suite.name}: {self.name} over training",
                f"Each checkpoint judged alike; 95 % intervals over {spoken_clusters(self.suite)}."
                + (" The untrained model (step 0) stands at the left edge." if 0 in self.judgements else ""),
                {"x": x, **arrays},
                labels,
            ),
        ]

    def __repr__(self) -> str:
        return f"<CheckpointCurve of {self.name} on {self.suite.name}: {len(self.judgements)} checkpoints>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"


def judge_checkpoints(
    folder: str | Path,
    suite: Suite,
    *,
    steps: Sequence[int] | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    device: str | None = None,
    resamples: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> CheckpointCurve:
    """Judge every checkpoint in ``<folder>/revisions/step-*`` (or those of `steps`) of a self-trained model.

    Raises DataError where the folder keeps no checkpoint, ConfigError for a step that was not kept, and what
    `load_model` and `judge` raise.

    >>> curve = pk.judge_checkpoints("models/tiny", pk.load_suite("agreement"))    # doctest: +SKIP
    >>> curve.steps                                                                # doctest: +SKIP
    (0, 1, 2, 4, 8, 16)
    """
    kept = find_checkpoints(folder)
    if steps is not None:
        for step in steps:
            if step not in kept:
                raise ConfigError(
                    f"{folder}: no checkpoint of step {step}; kept: {', '.join(map(str, kept))}"
                )
        kept = {step: kept[step] for step in sorted(set(steps))}
    questions = ask_suite(suite)
    name = (about.model if about is not None else "") or Path(folder).name
    judged: dict[int, Judgement] = {}
    for done, (step, revision) in enumerate(kept.items()):
        progress("judging checkpoints", done, len(kept))
        model = load_model(str(folder), revision=revision, device=device)
        answers: Answers = answer_suite(
            make_scorer(model, bos=bos, pll=pll), suite, questions=questions, model_kind=model.kind
        )
        said = replace(about or About(), model=name, model_kind=model.kind)
        judged[step] = assemble(
            suite, answers, majority=False, about=said, resamples=resamples, questions=questions
        )
    progress("judging checkpoints", len(kept), len(kept))
    return CheckpointCurve(suite, name, judged)


def find_checkpoints(folder: str | Path) -> dict[int, str]:
    """The checkpoints a folder keeps: training step -> revision, ascending. Raises DataError where there are none."""
    found = {}
    for path in (Path(folder) / FOLDER).glob("step-*"):
        match = re.fullmatch(r"step-(\d+)", path.name)
        if match and path.is_dir():
            found[int(match[1])] = path.name
    if not found:
        raise DataError(
            f"{folder}: no checkpoints ({FOLDER}/step-*); train with log-spaced checkpoints to have a curve"
        )
    return dict(sorted(found.items()))
