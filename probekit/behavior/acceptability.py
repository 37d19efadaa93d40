"""Acceptability judgements: do log-probabilities rank acceptable sentences above the others?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from probekit.behavior.questions import Questions
from probekit.behavior.rows import base_row, spoken_interval, spoken_rule
from probekit.behavior.systems import System
from probekit.behavior.verdicts import acceptability, clusters
from probekit.data.suite import Suite
from probekit.maths.ranks import auc_interval
from probekit.results.measurement import About, Measurement

SCORES = ("sum", "mean")
"""Of the log-probability of a sentence: as it is, and per piece."""


def acceptability_rows(
    suite: Suite,
    questions: Questions,
    systems: Sequence[System],
    layers: Sequence[System],
    nulls: Mapping[str, str],
    about: About,
    *,
    resamples: int = 1000,
) -> list[Measurement]:
    """Area under the curve of the log-probability's sum and of its mean per piece, label 1 against label 0.

    0.5 is chance; ties count one half. The mean does not punish long sentences as the sum does (Lau, Clark & Lappin
    2017 compare such measures).
    """
    rows = []
    for system in (*systems, *layers):
        if system.verdicts is not None:
            rows += list(_rows(suite, questions, system, systems[0], about, resamples))
    base = base_row(suite, systems[0], about)
    rows += [replace(base, metric="auc", control=control, reason=why) for control, why in nulls.items()]
    rows += [
        replace(
            base,
            metric="left_out",
            group=f"reason={reason}",
            value=float(number),
            n_left_out=number,
            reason="",
        )
        for reason, number in systems[0].left_out.items()
    ]
    return rows


def _rows(
    suite: Suite, questions: Questions, system: System, model: System, about: About, resamples: int
) -> Iterator[Measurement]:
    assert system.verdicts is not None
    total, mean, label, kept = acceptability(suite, questions, system.verdicts)
    cluster = clusters(suite, questions)[kept]
    for name, score in zip(SCORES, (total, mean), strict=True):
        row = replace(
            base_row(suite, model, about),
            metric="auc",
            group=f"score={name} log-probability",
            layer=system.layer,
            method=spoken_rule(suite, system.rule),
            control=system.control,
            seeds=system.seeds,
            n=len(kept),
            n_left_out=sum(system.left_out.values()),
        )
        if len(np.unique(label)) < 2:
            yield replace(row, reason="needs judged sentences of both labels")
            continue
        bounds = auc_interval(score, label, cluster, resamples=resamples)
        made = spoken_interval(suite, resamples) if np.isfinite(bounds.low) else ""
        yield replace(row, value=bounds.value, low=bounds.low, high=bounds.high, interval=made, reason="")
