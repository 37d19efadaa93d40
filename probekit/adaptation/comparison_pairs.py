"""Differences between strategies on the same units: their interval, their p, and whether they may be called shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.comparison_judged import Judged
from probekit.adaptation.comparison_scores import Scores, bounded, combiner
from probekit.maths.resampling import Interval, holm
from probekit.maths.score_swaps import swap_p

Array = NDArray[Any]
LEVEL = 0.05
MAJORITY = "majority"


@dataclass(frozen=True)
class Difference:
    """Score of strategy `a` minus that of `b`: means over seeds on the same units.

    ``items`` is its interval over sentences, ``total`` over sentences and seeds (NaN bounds where one side has one
    seed). ``p`` comes from exchanging whole sentences, ``p_adjusted`` is Holm's over the ``family`` of comparisons.
    """

    a: str
    b: str
    metric: str
    fraction: float
    items: Interval
    total: Interval
    p: float
    p_adjusted: float
    family: int

    @property
    def value(self) -> float:
        """The difference."""
        return self.items.value

    @property
    def shown(self) -> bool:
        """Whether it holds beyond chance in items (p) and in seeds (the total interval leaves 0 out)."""
        beyond = self.total.low > 0 or self.total.high < 0
        return bool(self.p_adjusted < LEVEL and beyond)


def differences(judged: Sequence[Judged], metrics: Sequence[str], *, swaps: int = 9999) -> list[Difference]:
    """Every pair of strategies on each share of the data, in every metric; p corrected over the pairs of one share and
    metric.
    """
    found: list[Difference] = []
    for fraction in dict.fromkeys(one.arm.fraction for one in judged):
        sides = [(one.name, one.test) for one in judged if one.arm.fraction == fraction]
        there = [(name, scores) for name, scores in sides if scores is not None]
        pairs = list(combinations(range(len(there)), 2))
        found += _compared(there, pairs, metrics, fraction, swaps)
    return found


def against_majority(
    judged: Sequence[Judged], constant: Scores, metrics: Sequence[str], *, swaps: int = 9999
) -> list[Difference]:
    """Every strategy on every share of the data minus the answer that needs no text: one family per metric."""
    there = [(one, one.test) for one in judged if one.test is not None]
    sides = [*((one.name, scores) for one, scores in there), (MAJORITY, constant)]
    pairs = [(i, len(there)) for i in range(len(there))]
    found = _compared(sides, pairs, metrics, 1.0, swaps)
    fractions = [one.arm.fraction for one, _ in there] * len(metrics)
    return [replace(one, fraction=own) for one, own in zip(found, fractions, strict=True)]


def _compared(
    sides: Sequence[tuple[str, Scores]],
    pairs: Sequence[tuple[int, int]],
    metrics: Sequence[str],
    fraction: float,
    swaps: int,
) -> list[Difference]:
    if not pairs:
        return []
    scores = [one for _, one in sides]
    p = _p(scores, pairs, metrics, swaps)
    found = []
    for metric in metrics:
        adjusted = holm(p[metric])
        for number, (a, b) in enumerate(pairs):
            one, other = scores[a], scores[b]
            value = one.value(metric) - other.value(metric)
            items, total = (
                bounded(value, one_drawn - other_drawn, one.n_clusters)
                for one_drawn, other_drawn in (
                    (one.over_items(metric), other.over_items(metric)),
                    (one.over_both(metric), other.over_both(metric)),
                )
            )
            family = int((~np.isnan(p[metric])).sum())
            found.append(
                Difference(sides[a][0], sides[b][0], metric, fraction, items, total, float(p[metric][number]),
                           float(adjusted[number]), family)
            )  # fmt: skip
    return found


def _p(
    scores: Sequence[Scores], pairs: Sequence[tuple[int, int]], metrics: Sequence[str], swaps: int
) -> dict[str, Array]:
    """Metrics of classes share their counts, so they share the swaps; each metric of numbers has sums of its own."""
    if scores[0].n_labels:
        return swap_p(
            [one.label_sums for one in scores], pairs, {name: combiner(name) for name in metrics}, swaps=swaps
        )
    found: dict[str, Array] = {}
    for name in metrics:
        found |= swap_p([one.sums(name) for one in scores], pairs, {name: combiner(name)}, swaps=swaps)
    return found
