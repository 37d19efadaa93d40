"""Each strategy judged: its scores on test and dev, and the table that shows them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from probekit.adaptation.comparison_runs import Arm, Ground
from probekit.adaptation.comparison_scores import Scores, scores_of
from probekit.results.formats import NOTHING, format_interval, format_score
from probekit.results.measurement import About
from probekit.results.panel import Panel


@dataclass(frozen=True, eq=False)
class Judged:
    """An arm with its scores; None where no run ended well."""

    arm: Arm
    test: Scores | None
    dev: Scores | None


def judge_arms(arms: Sequence[Arm], ground: Ground, resamples: int) -> list[Judged]:
    """The scores of every arm."""

    def on(split: str, arm: Arm, stream: int) -> Scores | None:
        runs = [run for run in arm.done if split in run.outputs]
        if not runs:
            return None
        answers = [run.predicted(split) for run in runs]
        gold, cluster = ground.gold[split], ground.cluster[split]
        return scores_of(gold, answers, cluster, len(ground.classes), stream=stream, resamples=resamples)

    return [Judged(arm, on("test", arm, i), on("dev", arm, i)) for i, arm in enumerate(arms)]


def score_table(judged: Sequence[Judged], ground: Ground, about: About, name: str) -> Panel:
    """Strategies below each other: score, interval, spread over seeds."""
    rows: list[list[Any]] = []
    for one in judged:
        if one.test is None:
            rows.append([one.arm.strategy, None, NOTHING, None, 0])
            continue
        value, low, high = one.test.interval(ground.metric)
        sd = one.test.sd(ground.metric)
        rows.append(
            [one.arm.strategy, value, format_interval(low, high), format_score(sd), len(one.arm.done)]
        )
    return Panel(
        "table", f"{name}-scores", f"{ground.task}: strategies side by side", "",
        labels={"columns": ["strategy", ground.metric, "95% interval", "SD over seeds", "runs"], "rows": rows,
                "formats": ["text", "score", "text", "text", "int"]},
    )  # fmt: skip
