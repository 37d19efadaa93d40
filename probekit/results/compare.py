"""Is one prediction better than another? Paired by unit, resampled by sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from probekit.errors import DataError
from probekit.maths.mcnemar import mcnemar_exact
from probekit.maths.resampling import describe_interval, holm, paired_score_difference
from probekit.maths.scores import score
from probekit.results.formats import slug
from probekit.results.measurement import Measurement
from probekit.results.outcomes import Outcomes
from probekit.results.run import Run

Array = np.ndarray[Any, Any]


class Judged(Protocol):
    """Whatever has outcomes of its own, such as a judgement of a suite."""

    @property
    def outcomes(self) -> Outcomes: ...


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """after - before on the units that both have: values, difference, interval, p, and units left out.

    `p` is by sign flips of whole clusters. `mcnemar_p` is the exact McNemar test over the `only_before` and
    `only_after` units that one side alone answered rightly; it takes units as independent, and there is none for
    numbers.
    """

    metric: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    n: int
    n_left_out: int
    only_before: int | None = None
    only_after: int | None = None
    mcnemar_p: float | None = None
    resamples: int = 1000

    def measurement(self, **fields: Any) -> Measurement:
        """The comparison as a row; its metric is "difference in <metric>"."""
        return Measurement(
            metric=f"difference in {self.metric}",
            value=self.difference,
            low=self.low,
            high=self.high,
            interval="paired " + describe_interval(self.resamples),
            p=self.p,
            n=self.n,
            n_left_out=self.n_left_out,
            **fields,
        )


def compare(
    before: Outcomes | Judged,
    after: Outcomes | Judged,
    *,
    metric: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    flips: int = 9999,
) -> Comparison:
    """Compare two outcomes of the same units, joined by id, never by position; or two judgements by their outcomes.

    `metric` defaults to accuracy for classes and R2 for numbers. Units that only one side has are counted as
    left out. Raises DataError where no unit is shared, kinds differ, or gold differs on a shared unit.

    >>> def answers(predicted):
    ...     return Outcomes(("a:1", "a:2", "b:1"), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array(predicted),
    ...                     np.zeros(3), labels=("NOUN", "VERB"))
    >>> compare(answers([0, 0, 0]), answers([0, 1, 0])).difference
    0.3333333333333333
    """
    before, after = (one if isinstance(one, Outcomes) else one.outcomes for one in (before, after))
    if before.kind != after.kind:
        raise DataError(f"outcomes of {before.kind} and of {after.kind} cannot be compared")
    place = {unit: i for i, unit in enumerate(after.ids)}
    shared = [(i, place[unit]) for i, unit in enumerate(before.ids) if unit in place]
    if not shared:
        raise DataError("the two outcomes share no unit; compare runs on the same corpus and task")
    one, two = np.array(shared, dtype=np.int64).T
    labels = sorted(set(before.labels) | set(after.labels))
    gold, a = (_recode(x[one], before.labels, labels) for x in (before.gold, before.predicted))
    other, b = (_recode(x[two], after.labels, labels) for x in (after.gold, after.predicted))
    if (gold != other).any():
        unit = before.ids[one[int(np.argmax(gold != other))]]
        raise DataError(f"gold differs at unit {unit!r}: these are not outcomes of the same task")
    metric = metric or ("accuracy" if labels else "r2")
    result = paired_score_difference(
        metric,
        gold,
        b,
        a,
        before.cluster[one],
        n_labels=len(labels),
        resamples=resamples,
        flips=flips,
        seed=seed,
    )
    exact: dict[str, Any] = {}
    if labels:
        only_before, only_after = (
            int(side.sum()) for side in ((a == gold) & (b != gold), (a != gold) & (b == gold))
        )
        exact = {
            "only_before": only_before,
            "only_after": only_after,
            "mcnemar_p": mcnemar_exact(only_after, only_before),
        }
    return Comparison(
        metric=metric,
        before=score(metric, gold, a, len(labels)),
        after=score(metric, gold, b, len(labels)),
        **result._asdict(),
        **exact,
        n=len(shared),
        n_left_out=len(set(before.ids) | set(after.ids)) - len(shared),
        resamples=resamples,
    )


def compare_runs(
    before: Run, after: Run, *, metric: str | None = None, seed: int = 0, resamples: int = 1000
) -> list[tuple[str, Comparison, Measurement]]:
    """Compare every cell that two runs share by name; p adjusted by Holm over all of them.

    Runs of one model each, of different names, share what their cells are called without the model's name. Returns
    (cell, comparison, row). Raises DataError where no cell is shared.
    """
    named = [{cell: cell for cell in run.cells()} for run in (before, after)]
    if not named[0].keys() & named[1].keys():
        named = [_without_model(run) for run in (before, after)]
    cells = [cell for cell in named[0] if cell in named[1]]
    if not cells:
        raise DataError(f"{before.path} and {after.path} have no cell of the same name to compare")
    found = []
    for cell in cells:
        sides = [run.outcomes(names[cell]) for run, names in zip((before, after), named, strict=True)]
        comparison = compare(*sides, metric=metric, seed=seed, resamples=resamples)
        found.append((cell, comparison))
    adjusted = holm(np.array([comparison.p for _, comparison in found]))
    rows = []
    for (cell, comparison), p in zip(found, adjusted, strict=True):
        row = comparison.measurement(group=cell, run=str(after.path), reference=str(before.path))
        rows.append(
            (cell, comparison, replace(row, p_adjusted=p, family_size=int((~np.isnan(adjusted)).sum())))
        )
    return rows


def _without_model(run: Run) -> dict[str, str]:
    """Name of a cell without its model -> its name, in a run of one model; empty where there are several."""
    info = run.info if (run.path / "run.json").is_file() else {}
    models = [str(one.get("name", "")) for one in info.get("models") or () if one.get("kind") != "random"]
    prefix = slug(models[0]) + "-" if len(models) == 1 else ""
    return {cell.removeprefix(prefix): cell for cell in run.cells() if prefix and cell.startswith(prefix)}


def _recode(codes: Array, labels: tuple[str, ...], union: list[str]) -> Array:
    """Codes into one side's labels -> codes into the labels of both; -1 (no answer) stays."""
    if not union:
        return codes
    place = np.array([union.index(label) for label in labels] + [-1])
    recoded: Array = place[codes]
    return recoded
