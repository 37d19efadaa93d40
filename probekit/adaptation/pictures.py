"""Pictures of a comparison: tables, single runs, differences, labels, curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.comparison_judged import Judged, setting_told
from probekit.adaptation.comparison_pairs import Difference
from probekit.adaptation.comparison_runs import Arm, Ground
from probekit.adaptation.comparison_said import METRICS, best_on_dev, counted, turned
from probekit.adaptation.comparison_scores import Scores
from probekit.maths.scores import confusion
from probekit.results.formats import NOTHING, begin_large, format_count, format_interval, format_score
from probekit.results.panel import Panel

Array = NDArray[Any]
MOST_LABELS = 25
MOST_CLASSES = 20


def by_score(judged: Sequence[Judged], metric: str) -> list[Judged]:
    """The strategies by their test score, the highest first; those without one last."""

    def key(one: Judged) -> float:
        value = np.nan if one.test is None else one.test.value(metric)
        return float(np.inf if np.isnan(value) else -value)

    return sorted(judged, key=key)


def value_label(ground: Ground) -> str:
    """What a score of the test part is, with n."""
    return f"{METRICS[ground.metric]} on test ({counted(len(ground.gold['test']), ground.shown_unit)})"


def score_table(judged: Sequence[Judged], constant: Scores, ground: Ground, name: str) -> Panel:
    """Strategies below each other: score, intervals, spread over seeds, dev, runs; the majority last."""
    metric = ground.metric
    lines: list[list[Any]] = []
    for one in by_score(judged, metric):
        runs = len(one.arm.runs)
        ended = [str(runs), f"{len(one.arm.failed)} failed" if one.arm.failed else "",
                 f"{len(one.arm.degenerate)} degenerate" if one.arm.degenerate else ""]  # fmt: skip
        told = ", ".join(part for part in ended if part)
        if one.test is None or one.dev is None:
            lines.append([one.name, None, NOTHING, NOTHING, NOTHING, None, told])
            continue
        value, low, high = one.test.interval(metric)
        lines.append([
            one.name, _or_none(value), format_interval(low, high) or NOTHING,
            format_interval(*one.test.total(metric)[1:]) or NOTHING, format_score(one.test.sd(metric)),
            _or_none(one.dev.value(metric)), told,
        ])  # fmt: skip
    value, low, high = constant.interval(metric)
    base = "mean of train" if ground.numeric else "majority class"
    lines.append([base, _or_none(value), format_interval(low, high) or NOTHING, NOTHING, NOTHING, None, ""])
    columns = ["strategy", METRICS[metric], f"95% over {ground.shown_cluster}s", "95% over seeds too", "SD over seeds",
               "on dev", "runs"]  # fmt: skip
    formats = ["text", "score", "text", "text", "text", "score", "text"]
    caption = (
        f"Test scores: means over seeds. The first interval is of resampled {ground.shown_cluster}s, the second of"
        " resampled seeds as well. Settings were chosen on dev."
    )
    title = f"{ground.task}: strategies side by side"
    return Panel("table", f"{name}-scores", title, caption,
                 labels={"columns": columns, "rows": lines, "formats": formats})  # fmt: skip


def metric_table(judged: Sequence[Judged], ground: Ground, name: str) -> Panel | None:
    """All other scores, and calibration beside what calibrated answers would show."""
    ordered = [one for one in by_score(judged, ground.metric) if one.test is not None]
    if not ordered or ordered[0].test is None:
        return None
    metrics = ordered[0].test.metrics
    columns = ["strategy", *(METRICS[metric] for metric in metrics)]
    formats = ["text", *["score"] * len(metrics)]
    caption = "Means over seeds on test."
    lines: list[list[Any]] = [
        [one.name, *(_or_none(one.test.value(metric)) for metric in metrics)]
        for one in ordered
        if one.test is not None
    ]
    if not ground.numeric:
        columns += ["ECE, equal width", "ECE, equal mass", "ECE if calibrated"]
        formats += ["score", "score", "text"]
        for line, one in zip(lines, ordered, strict=True):
            wide, mass = one.calibration
            line += [
                wide.error,
                mass.error,
                f"{format_score(wide.calibrated)} {format_interval(wide.low, wide.high)}",
            ]
        caption += (
            " ECE: expected calibration error of the predicted class in 15 bins; beside it what answers that are right"
            " with the very probabilities claimed would show by chance (equal width, 95 % of draws)."
        )
    return Panel("table", f"{name}-metrics", f"{ground.task}: all scores", caption,
                 labels={"columns": columns, "rows": lines, "formats": formats})  # fmt: skip


def tried_table(judged: Sequence[Judged], ground: Ground, name: str) -> Panel | None:
    """Which settings were tried on dev, and which the runs have."""
    lines: list[list[Any]] = []
    for one in judged:
        own = setting_told(dict(one.arm.settings))
        for told, value, chosen in one.trials:
            ended = "chosen" if chosen else "failed" if np.isnan(value) else ""
            lines.append([one.name, told, _or_none(value), ended])
        if own not in [told for told, *_ in one.trials]:
            lines.append([one.name, own, None, "not tuned" if not one.trials else "in the runs"])
    if not lines:
        return None
    caption = (
        f"The {METRICS[ground.metric]} of each trial on dev; the runs have the settings that were chosen, or those of"
        " the strategy where nothing was tuned."
    )
    return Panel(
        "table", f"{name}-tried", f"{ground.task}: settings", caption,
        labels={"columns": ["strategy", "settings", "on dev", ""], "rows": lines,
                "formats": ["text", "text", "score", "text"]},
    )  # fmt: skip


def strip(judged: Sequence[Judged], constant: Scores, ground: Ground, name: str) -> Panel | None:
    """Every run of every strategy, and the means."""
    ordered = [one for one in by_score(judged, ground.metric) if one.test is not None]
    points: list[float] = []
    rows: list[int] = []
    hollow: list[bool] = []
    bounds = []
    for row, one in enumerate(ordered):
        if one.test is not None:
            values = one.test.per_seed(ground.metric)
            empty = {id(run) for run, _ in one.arm.degenerate}
            points += values.tolist()
            rows += [row] * len(values)
            hollow += [id(run) in empty for run in one.arm.done]
            bounds.append(one.test.interval(ground.metric))
    if not ordered:
        return None
    base = constant.value(ground.metric)
    labels: dict[str, Any] = {
        "rows": [one.name for one in ordered], "value_label": value_label(ground), "point_label": "one run (seed)",
        "hollow": "degenerate run",
        "notes": [f"{len(one.arm.failed)} of {len(one.arm.runs)} failed" if one.arm.failed else "" for one in ordered],
    }  # fmt: skip
    told = ""
    if np.isfinite(base):
        labels["reference"] = {"value": base, "name": "majority" if not ground.numeric else "mean of train"}
        told = f" {'The mean of train' if ground.numeric else 'The majority class'} has {format_score(base)}."
    value, low, high = (np.array(column, np.float64) for column in zip(*bounds, strict=True))
    arrays = {"point": np.array(points), "row": np.array(rows, np.int64), "hollow": np.array(hollow, bool),
              "value": value, "low": low, "high": high}  # fmt: skip
    caption = (
        f"Each point is one run; below the points their mean with its interval over test {ground.shown_cluster}s (95 %,"
        f" seeds as they are).{told}"
    )
    return Panel("strip", f"{name}-runs", f"{ground.task}: every run", caption, arrays, labels)


def difference_forest(
    judged: Sequence[Judged], pairs: Sequence[Difference], ground: Ground, name: str
) -> Panel | None:
    """The best on dev minus every other strategy, with both intervals."""
    best = best_on_dev(judged, ground.metric)
    if best is None:
        return None
    own = [turned(one, best.name) for one in pairs if best.name in (one.a, one.b)]
    if not own:
        return None
    own = sorted(own, key=lambda one: one.value)
    value = np.array([[one.value for one in own]] * 2)
    low = np.array([[one.items.low for one in own], [one.total.low for one in own]])
    high = np.array([[one.items.high for one in own], [one.total.high for one in own]])
    value[1, np.isnan(low[1])] = np.nan
    labels = {
        "rows": [f"{best.name} − {one.b}{' *' if one.shown else ''}" for one in own],
        "value_label": f"difference in {METRICS[ground.metric]} on test",
        "series": [{"name": f"95% over {ground.shown_cluster}s", "style": "difference"},
                   {"name": f"95% over {ground.shown_cluster}s and seeds", "style": "difference"}],
    }  # fmt: skip
    caption = (
        f"{begin_large(best.name)}, which is best on dev, minus each other strategy, on the same {ground.shown_unit}s."
        f" A star marks a difference that is shown: p below 0.05 after Holm's correction for all {own[0].family} pairs"
        " of strategies, and 0 outside the interval over seeds too."
    )
    return Panel("forest", f"{name}-differences", f"{ground.task}: {best.name} against the others", caption,
                 {"value": value, "low": low, "high": high}, labels)  # fmt: skip


def label_map(judged: Sequence[Judged], ground: Ground, name: str) -> Panel | None:
    """F1 of every label and strategy."""
    there = [one for one in by_score(judged, ground.metric) if one.test is not None]
    if ground.numeric or len(ground.labels) > MOST_LABELS or len(there) < 2:
        return None
    support = np.bincount(ground.gold["test"], minlength=len(ground.labels))
    kept = np.flatnonzero(support)
    value = np.stack([one.test.by_label("f1")[0][kept] for one in there if one.test is not None])
    labels = {
        "rows": [one.name for one in there],
        "columns": [f"{ground.labels[code]} ({format_count(support[code])})" for code in kept],
        "row_label": "strategy", "column_label": "label (units in test)", "value_label": "F1", "range": [0.0, 1.0],
    }  # fmt: skip
    return Panel("heatmap", f"{name}-labels", f"{ground.task}: F1 by label", "Means over seeds on test.",
                 {"value": value}, labels)  # fmt: skip


def confusion_panel(arm: Arm, ground: Ground, name: str) -> Panel | None:
    """What each gold label was taken for, over all runs of a strategy."""
    if ground.numeric or len(ground.labels) > MOST_CLASSES or not arm.done:
        return None
    gold, n = ground.gold["test"], len(ground.labels)
    counts = np.sum([confusion(gold, run.predicted("test"), n) for run in arm.done], axis=0)
    runs = f"{len(arm.done)} runs" if len(arm.done) > 1 else "one run"
    return Panel(
        "confusion", f"{name}-confusion-{arm.strategy}", f"{ground.task}: what {arm.strategy} takes labels for",
        f"Test {ground.shown_unit}s of {runs}, added up.", {"counts": counts}, {"classes": list(ground.labels)},
    )  # fmt: skip


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
