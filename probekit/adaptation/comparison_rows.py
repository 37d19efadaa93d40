"""From runs to rows: scores of each strategy with intervals over sentences, over seeds, and over both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probekit.adaptation.comparison_runs import Ground
from probekit.adaptation.comparison_table import Judged
from probekit.maths.resampling import describe_interval
from probekit.results.measurement import About, Measurement


def make_rows(
    judged: Sequence[Judged], ground: Ground, about: About, resamples: int
) -> Iterator[Measurement]:
    """Every row of a comparison."""
    for one in judged:
        base: dict[str, Any] = {
            "run": about.run, "question": about.question, "corpus": about.corpus, "model": about.model,
            "model_kind": about.model_kind, "method": one.arm.strategy, "unit": ground.unit,
            "n": len(ground.gold["test"]), "n_left_out": ground.n_left_out,
        }  # fmt: skip
        if one.test is None:
            why = one.arm.runs[0].failed if one.arm.runs else "no run"
            yield Measurement(metric=ground.metric, reason=f"no run ended well: {why}", **base)
            continue
        for metric in one.test.metrics:
            value, low, high = one.test.interval(metric)
            yield Measurement(
                metric=metric, value=value, low=low, high=high, interval=describe_interval(resamples), **base
            )
