"""What may be said of a comparison: the verdict in one line, and the lines beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from probekit.adaptation.comparison_judged import Judged
from probekit.adaptation.comparison_pairs import LEVEL, Difference
from probekit.adaptation.comparison_runs import Ground
from probekit.adaptation.comparison_scores import Scores
from probekit.maths.pareto import pareto_front
from probekit.results.formats import (
    begin_large,
    format_count,
    format_interval,
    format_p,
    format_score,
    format_seconds,
)

METRICS = {
    "accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted F1", "mcc": "Matthews correlation",
    "r2": "R²", "pearson": "Pearson correlation", "spearman": "Spearman correlation",
}  # fmt: skip


def best_on_dev(judged: Sequence[Judged], metric: str) -> Judged | None:
    """The strategy with the highest score on dev; of equals the one that costs least CPU. None where none has one."""
    scored = [(one, one.dev.value(metric)) for one in judged if one.dev is not None]
    scored = [(one, value) for one, value in scored if np.isfinite(value)]
    if not scored:
        return None
    return max(scored, key=lambda pair: (pair[1], -(cost_of(pair[0]) or np.inf)))[0]


def cost_of(one: Judged) -> float | None:
    """CPU seconds to train where no text was read before; None where it was not billed."""
    return None if one.arm.bill is None else one.arm.bill.cpu_first_task


def verdict_of(
    judged: Sequence[Judged],
    pairs: Sequence[Difference],
    majority: Sequence[Difference],
    ground: Ground,
    where: str = "",
) -> str:
    """One line: the best on dev at its test score, whom it is shown to beat, whom not, and the cheapest of those.

    `judged`, `pairs` and `majority` are of one share of the data and of the task's metric; `where` is said first, else
    task, metric and units.
    """
    what = METRICS[ground.metric]
    where = where or (
        f"{begin_large(ground.task)} ({what}, {counted(len(ground.gold['test']), f'test {ground.shown_unit}')})"
    )
    best = best_on_dev(judged, ground.metric)
    if best is None or best.test is None:
        return f"{where}: no strategy has a score, every run failed or none is defined."
    reached = f"{best.name} {scored(best.test, ground.metric)}"
    warn = _not_above(best, majority)
    others = [one for one in judged if one.test is not None and one is not best]
    if not others:
        alone = "one strategy" if len(judged) == 1 else "no other strategy has a score"
        return f"{where}: {reached}; {alone}, so nothing is compared.{warn}"
    own = {difference.b if difference.a == best.name else difference.a: turned(difference, best.name)
           for difference in pairs if best.name in (difference.a, difference.b)}  # fmt: skip
    if not any(difference.shown for difference in pairs):
        defined = [one for one in pairs if np.isfinite(one.value)]
        if not defined:
            return f"{where}: {reached}; no other strategy has a score that is defined.{warn}"
        widest = max(defined, key=lambda one: abs(one.value))
        values = [one.test.value(ground.metric) for one in judged if one.test is not None]
        lacking = "" if any(np.isfinite(one.total.low) for one in defined) else _lacking(judged, ground)
        return (
            f"{where}: no difference shown between any two of {len(values)} strategies,"
            f" {format_score(np.nanmin(values))} to {format_score(np.nanmax(values))}; the widest is"
            f" {told(widest)}{lacking}.{warn}"
        )
    beaten = [name for name, difference in own.items() if difference.shown and difference.value > 0]
    above = [name for name, difference in own.items() if difference.shown and difference.value < 0]
    equal = [one for one in others if one.name not in (*beaten, *above)]
    parts = []
    if beaten:
        parts.append(f"shown to be better than {listed(beaten)}")
    if above:
        parts.append(f"shown to be worse than {listed(above)}")
    if equal:
        parts.append(f"no difference shown to {listed([one.name for one in equal])}{_cheapest(best, equal)}")
    return f"{where}: best on dev is {reached}: {'; '.join(parts)}.{warn}"


def told(one: Difference) -> str:
    """A difference in words."""
    items, both = format_interval(*one.items[1:]), format_interval(*one.total[1:])
    parts = [f"{one.a} − {one.b} = {format_score(one.value)}{' ' * bool(items)}{items}"]
    if both:
        parts.append(f"over seeds too {both}")
    if np.isfinite(one.p_adjusted):
        pairs = f"{one.family} pair{'s' * (one.family != 1)}"
        parts.append(f"p = {format_p(one.p_adjusted)} (Holm, {pairs})")
    return ", ".join(parts)


def counted(n: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "word"), counted(5000, "word")
    ('1 word', '5,000 words')
    """
    return f"{format_count(n)} {what}{'s' * (n != 1)}"


def scored(scores: Scores, metric: str) -> str:
    """A score with its interval over sentences."""
    value, low, high = scores.interval(metric)
    return f"{format_score(value)} {format_interval(low, high)}".strip()


def summary_of(
    judged: Sequence[Judged],
    constant: Scores,
    ground: Ground,
    pairs_of: Callable[[float], Sequence[Difference]],
) -> list[str]:
    """The lines after the verdict: baseline, seeds against sentences, front, failures, text overlap, smaller shares."""
    whole = max(one.arm.fraction for one in judged)
    first = [one for one in judged if one.arm.fraction == whole]
    lines = [_majority_line(constant, ground)]
    lines += [line for line in (_seeds_line(first, ground), _front_line(first, ground)) if line]
    lines += _failure_lines(judged, several=len({one.arm.fraction for one in judged}) > 1)
    gone = int(ground.overlap["test"].sum())
    if gone:
        lines.append(
            f"{format_count(gone)} of {format_count(len(ground.gold['test']))} test {ground.shown_unit}s have a text"
            " that stands in train too; scores without them stand beside."
        )
    for fraction in sorted({one.arm.fraction for one in judged} - {whole}):
        own = [one for one in judged if one.arm.fraction == fraction]
        n = format_count(max(one.arm.n_train for one in own))
        pairs = [one for one in pairs_of(fraction) if one.metric == ground.metric]
        lines.append(verdict_of(own, pairs, (), ground, f"With {n} training examples"))
    return lines


def turned(one: Difference, a: str) -> Difference:
    """The difference as that of `a` minus the other."""
    if one.a == a:
        return one
    items, total = (
        type(bounds)(-bounds.value, -bounds.high, -bounds.low) for bounds in (one.items, one.total)
    )
    return Difference(one.b, one.a, one.metric, one.fraction, items, total, one.p, one.p_adjusted, one.family)


def _cheapest(best: Judged, equal: Sequence[Judged]) -> str:
    """Which of those not told apart from the best costs least, where that is less than the best does."""
    priced = [(cost, one.name) for one in equal if (cost := cost_of(one)) is not None]
    own = cost_of(best)
    if not priced or own is None or min(priced)[0] >= own:
        return ""
    cost, name = min(priced)
    whose = name if len(equal) > 1 else "it"
    return f", of which {whose} costs least" * (len(equal) > 1) + (
        f" ({format_seconds(cost)} of CPU to train, {best.name} {format_seconds(own)})"
    )


def _lacking(judged: Sequence[Judged], ground: Ground) -> str:
    """Why no interval over seeds could be made."""
    if len(np.unique(ground.cluster["test"])) < 2:
        return f"; more than one test {ground.shown_cluster} is needed"
    few = any(len(one.arm.done) < 2 for one in judged if one.test is not None)
    return "; more than one seed each is needed" if few else ""


def _not_above(best: Judged, majority: Sequence[Difference]) -> str:
    own = next((one for one in majority if one.a == best.name), None)
    if own is None or np.isnan(own.value) or (own.p_adjusted < LEVEL and own.value > 0):
        return ""
    return f" Not even {best.name} is shown to be above the answer that needs no text."


def _majority_line(constant: Scores, ground: Ground) -> str:
    name = "mean of train" if ground.numeric else f"majority class {ground.labels[int(ground.constant)]!r}"
    value = constant.value(ground.metric)
    if np.isnan(value):
        return f"The {name} for every {ground.shown_unit} has no {METRICS[ground.metric]}: it is the same everywhere."
    return f"The {name} for every {ground.shown_unit} has {METRICS[ground.metric]} {scored(constant, ground.metric)}."


def _seeds_line(judged: Sequence[Judged], ground: Ground) -> str:
    """How much seeds differ, beside how much sentences do."""
    spread = [
        (sd, one.name)
        for one in judged
        if one.test is not None and (sd := one.test.sd(ground.metric)) is not None
    ]
    spread = [(sd, name) for sd, name in spread if np.isfinite(sd)]
    if not spread:
        return "One seed each: how much seeds differ is not known."
    widths = []
    for one in judged:
        if one.test is not None:
            _, low, high = one.test.interval(ground.metric)
            if np.isfinite(low) and np.isfinite(high):
                widths.append((high - low) / 2)
    least, most = min(spread), max(spread)
    ends = (
        f"{format_score(least[0])} ({least[1]}) to {format_score(most[0])} ({most[1]})" if most[0] > least[0]
        else f"{format_score(least[0])} everywhere"
    )  # fmt: skip
    reach = ""
    if widths:
        middle = format_score(float(np.median(widths)))
        reach = f"; the test {ground.shown_cluster}s alone leave ± {middle} (median)"
    return f"Standard deviation over seeds: {ends}{reach}."


def _front_line(judged: Sequence[Judged], ground: Ground) -> str:
    there = [(one, cost) for one in judged if one.test is not None and (cost := cost_of(one)) is not None]
    if len(there) < 2:
        return ""
    values = np.array([one.test.value(ground.metric) for one, _ in there if one.test is not None])
    front = pareto_front(np.array([cost for _, cost in there]), values)
    named = sorted((cost, one.name) for (one, cost), own in zip(there, front, strict=True) if own)
    told = [f"{name} ({format_seconds(cost)})" for cost, name in named]
    return f"On the front of {METRICS[ground.metric]} and CPU time to train: {listed(told)}."


def _failure_lines(judged: Sequence[Judged], *, several: bool) -> list[str]:
    lines = []
    for one in judged:
        n = len(one.arm.runs)
        share = f" with {format_count(one.arm.n_train)} training examples" if several else ""
        if one.arm.failed:
            reasons = "; ".join(dict.fromkeys(run.failed for run in one.arm.failed))
            lines.append(
                f"{one.name}{share}: {len(one.arm.failed)} of {n} runs failed ({reasons}); "
                + ("its scores are of the others." if one.arm.done else "it has no score.")
            )
        if one.arm.degenerate:
            reasons = "; ".join(dict.fromkeys(why for _, why in one.arm.degenerate))
            lines.append(
                f"{one.name}{share}: {len(one.arm.degenerate)} of {n} runs degenerated ({reasons}); its scores contain"
                " them."
            )
    return lines


def listed(names: Sequence[str]) -> str:
    """Names with commas and an "and".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
