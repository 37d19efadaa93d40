"""Rows of behaviour before and after adaptation: the adapted task itself, suites, perplexity; paired by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.questions import ask_suite
from probekit.behavior.systems import system_of
from probekit.behavior.verdicts import clusters, give_verdicts
from probekit.experiment.change_cells import BEFORE, Version
from probekit.experiment.change_rows import Base, of_control, over_all, spread
from probekit.maths.resampling import score_interval
from probekit.results.measurement import Measurement

if TYPE_CHECKING:
    from probekit.behavior.answers import Answers
    from probekit.data.suite import Suite

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Learned:
    """What an adapted model predicts on the test units of the task that it was adapted to.

    ``numeric``: numbers, scored by Pearson's r. ``majority`` is the share that the most frequent training label gets
    right, None for numbers.
    """

    gold: Array
    predicted: Array
    cluster: Array
    numeric: bool = False
    majority: float | None = None


def learned_rows(base: Base, task: str, corpus: str, learned: Mapping[Version, Learned]) -> list[Measurement]:
    """How well each adapted version does the task of the adaptation on its test units."""
    rows = []
    for control, some in of_control(learned).items():
        first = learned[some[0]]
        fixed: dict[str, Any] = {"corpus": corpus, "group": f"adapted to={task}", "method": "fine-tuning",
                                 "unit": "example", "control": control, "site": ""}  # fmt: skip
        if first.numeric:
            for version in some:
                one = learned[version]
                found = score_interval(
                    "pearson", one.gold, one.predicted, one.cluster, resamples=base.resamples
                )
                row = base.row("pearson", value=found.value, low=found.low, high=found.high,
                               n=len(one.gold), seeds=(("adapt", version.seed or 0),), **fixed)  # fmt: skip
                rows.append(row)
            continue
        hits = np.stack([learned[one].predicted == learned[one].gold for one in some]).astype(np.float64)
        row = base.ground(first.cluster).mean(base.row("accuracy", **fixed), hits.mean(axis=0))
        rows += [row, *spread(base, row, some, hits.mean(axis=1).tolist())]
        if not control and first.majority is not None:
            fixed["control"] = "majority"
            rows.append(base.row("accuracy", value=first.majority, reason="", n=len(first.gold), **fixed))
    return rows


def suite_rows(
    base: Base, suites: Sequence[Suite], answers: Mapping[Version, Sequence[Answers]]
) -> list[Measurement]:
    """Accuracy on every suite before and after, and the paired difference; a family runs over the suites."""
    rows: list[Measurement] = []
    compared: dict[str, list[Measurement]] = {}
    for number, suite in enumerate(suites):
        questions = ask_suite(suite)

        def right(
            version: Version, suite: Suite = suite, questions: Any = questions, n: int = number
        ) -> Array:
            return np.asarray(system_of(give_verdicts(suite, questions, answers[version][n])).right)

        named = "clusters of items" if any(item.cluster for item in suite.items) else "items"
        ground = base.ground(clusters(suite, questions), named)
        fixed: dict[str, Any] = {"corpus": suite.name, "unit": "item", "site": "", "method": "behaviour"}
        was = right(Version())
        rows.append(ground.mean(base.row("accuracy", group=f"version={BEFORE}", **fixed), was))
        for control, some in of_control(answers).items():
            each = np.stack([right(one) for one in some])
            mean = each.mean(axis=0)
            row = ground.mean(base.row("accuracy", control=control, group="version=after", **fixed), mean)
            rows += [row, *spread(base, row, some, means_of(each))]
            difference = base.row(
                "accuracy_difference", control=control, group="version=after", reference=BEFORE, **fixed
            )
            compared.setdefault(control, []).extend(ground.differences([difference], [(mean, was)]))
    for family in compared.values():
        rows += over_all(family)
    return rows


def means_of(each: Array) -> list[float | None]:
    """The mean of every line of float64 [seeds, units], NaN left out; None where nothing is left.

    >>> from probekit.experiment.change_behaviour import means_of
    >>> means_of(np.array([[1.0, np.nan], [np.nan, np.nan]]))
    [1.0, None]
    """
    return [float(line[~np.isnan(line)].mean()) if (~np.isnan(line)).any() else None for line in each]


@dataclass(frozen=True, eq=False)
class Surprise:
    """Bits of every test sentence (NaN where left out) and the pieces that were scored in it."""

    bits: Array
    n_pieces: Array
    pseudo: bool
    rule: str


def surprise_rows(base: Base, surprise: Mapping[Version, Surprise]) -> list[Measurement]:
    """Bits per piece of test sentences before and after: means over sentences, paired; perplexity over all pieces."""
    was = surprise[Version()]
    name = "pseudo_bits_per_piece" if was.pseudo else "bits_per_piece"
    fixed: dict[str, Any] = {"unit": "sentence", "site": "", "method": was.rule}
    ground = base.ground(np.arange(len(was.bits)))

    def each(one: Surprise) -> Array:
        return np.where(one.n_pieces > 0, one.bits / np.maximum(one.n_pieces, 1), np.nan)

    def perplexity(some: Sequence[Surprise], row: Measurement) -> Measurement:
        kept = ~np.isnan(was.bits)
        values = [2 ** (one.bits[kept].sum() / one.n_pieces[kept].sum()) for one in some if kept.any()]
        value = float(np.mean(values)) if values else None
        metric = row.metric.replace("bits", "perplexity")
        return replace(row, metric=metric, value=value, low=None, high=None, interval="", reason="")

    first = ground.mean(base.row(name, group=f"version={BEFORE}", **fixed), each(was))
    rows = [first, perplexity([was], first)]
    for control, some in of_control(surprise).items():
        values = np.stack([each(surprise[one]) for one in some])
        row = base.row(name, control=control, group="version=after", **fixed)
        row = ground.mean(row, values.mean(axis=0))
        rows += [row, *spread(base, row, some, means_of(values))]
        rows.append(perplexity([surprise[one] for one in some], row))
        difference = replace(row, metric=f"{name}_difference", reference=BEFORE)
        rows += ground.differences([difference], [(values.mean(axis=0), each(was))])
    return rows
