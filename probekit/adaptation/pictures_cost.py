"""Pictures of cost and of the way: fronts of score against price, learning curves, training curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.bill import Bill
from probekit.adaptation.comparison_judged import Judged
from probekit.adaptation.comparison_runs import Ground
from probekit.adaptation.comparison_scores import Scores
from probekit.adaptation.pictures import by_score, value_label
from probekit.maths.pareto import pareto_front
from probekit.results.formats import format_count
from probekit.results.panel import Panel

Array = NDArray[Any]
FAMILIES = {"feature-extraction": "feature extraction", "fine-tuning": "fine-tuning"}
PRICES: tuple[tuple[str, str, str, Callable[[Bill], float | None]], ...] = (
    ("time", "CPU seconds to train, reading of texts included", "CPU time to train", lambda bill: bill.cpu_first_task),
    ("bytes", "bytes kept for one more task", "bytes per task", lambda bill: bill.stored_bytes),
)  # fmt: skip
MOST_NAMED = 15
"""Up to so many epochs, strategies stand beside each other at each, so that none hides another."""
HISTORY = (("loss", "training loss"), ("dev_accuracy", "accuracy on dev"), ("dev_loss", "loss on dev"))


def pareto_panels(judged: Sequence[Judged], constant: Scores, ground: Ground, name: str) -> list[Panel]:
    """Score against CPU time to train, and against what is stored for one more task."""
    panels = []
    for which, x_label, title, price in PRICES:
        there = [
            (one, one.test, float(cost))
            for one in by_score(judged, ground.metric)
            if one.test is not None and one.arm.bill is not None and (cost := price(one.arm.bill)) is not None
        ]
        if len(there) < 2:
            continue
        x = np.array([cost for _, _, cost in there])
        y, low, high = (
            np.array(column, np.float64)
            for column in zip(*(scores.interval(ground.metric) for _, scores, _ in there), strict=True)
        )
        own = {one.arm.family for one, _, _ in there}
        families = [family for family in FAMILIES if family in own] + sorted(own - set(FAMILIES))
        labels: dict[str, Any] = {
            "names": [one.name for one, _, _ in there], "x_label": x_label, "y_label": value_label(ground),
            "groups": [FAMILIES.get(family, family) for family in families],
            "x_scale": "log" if (x > 0).all() else "linear",
        }  # fmt: skip
        base = constant.value(ground.metric)
        if np.isfinite(base):
            labels["reference"] = {"value": base, "name": "mean of train" if ground.numeric else "majority"}
        caption = (
            "No strategy on the front is matched by another in both; whether two scores differ beyond chance is not"
            f" said here. Bars: 95 % over test {ground.shown_cluster}s."
        )
        if which == "time":
            caption += f" {cautions([one for one, _, _ in there])}"
        arrays = {
            "x": x, "y": y, "low": low, "high": high, "front": pareto_front(x, y),
            "group": np.array([families.index(one.arm.family) for one, _, _ in there]),
        }  # fmt: skip
        panels.append(
            Panel(
                "pareto",
                f"{name}-front-{which}",
                f"{ground.task}: score against {title}",
                caption,
                arrays,
                labels,
            )
        )
    return panels


def cautions(judged: Sequence[Judged]) -> str:
    """Whether the times of some bills were taken on a machine that did nothing else."""
    bills = [one.arm.bill for one in judged if one.arm.bill is not None]
    if not all(bill.alone for bill in bills):
        return "Some runs shared a process with others, so their times are not to be trusted."
    quiet = {bill.quiet for bill in bills}
    if quiet == {True}:
        return "Each run had a process of one thread and the machine to itself."
    return "Each run had a process of one thread; other work ran on the machine, or may have."


def learning_curve(judged: Sequence[Judged], ground: Ground, name: str) -> Panel | None:
    """Score over the number of training examples, where shares of the data were used."""
    fractions = sorted({one.arm.fraction for one in judged})
    if len(fractions) < 2:
        return None
    n = {
        fraction: max(one.arm.n_train for one in judged if one.arm.fraction == fraction)
        for fraction in fractions
    }
    x = np.array([n[fraction] for fraction in fractions], np.float64)
    if (np.diff(x) <= 0).any():
        return None
    names = list(dict.fromkeys(one.name for one in judged))
    shape = (len(names), len(fractions))
    value, low, high = (np.full(shape, np.nan) for _ in range(3))
    for one in judged:
        if one.test is not None:
            at = names.index(one.name), fractions.index(one.arm.fraction)
            value[at], low[at], high[at] = one.test.interval(ground.metric)
            total = one.test.total(ground.metric)
            if np.isfinite(total.low):
                low[at], high[at] = total.low, total.high
    kept = [i for i, line in enumerate(value) if np.isfinite(line).sum() > 1]
    if not kept:
        return None
    labels = {
        "x_label": "training examples", "y_label": value_label(ground), "x_ticks": [format_count(one) for one in x],
        "series": [{"name": names[i], "style": "task"} for i in kept],
    }  # fmt: skip
    caption = (
        f"Means over seeds; bars: 95 % over test {ground.shown_cluster}s and over seeds (where there is one seed, over"
        f" test {ground.shown_cluster}s alone)."
    )
    arrays = {
        "x": np.arange(len(x), dtype=np.float64), "value": value[kept], "low": low[kept], "high": high[kept],
    }  # fmt: skip
    title = f"{ground.task}: score by amount of training data"
    return Panel("curve", f"{name}-learning", title, caption, arrays, labels)


def training_curves(judged: Sequence[Judged], ground: Ground, name: str) -> list[Panel]:
    """What the runs recorded epoch by epoch: training loss, and accuracy (or loss) on dev."""
    panels: list[Panel] = []
    for key, y_label in HISTORY:
        if key == "dev_loss" and any(panel.name.endswith("dev-accuracy") for panel in panels):
            continue
        lines = {one.name: lines for one in judged if (lines := _recorded(one, key))}
        epochs = sorted({epoch for line in lines.values() for epoch in line})
        if len(epochs) < 2:
            continue
        value, low, high = (np.full((len(lines), len(epochs)), np.nan) for _ in range(3))
        for i, line in enumerate(lines.values()):
            for epoch, values in line.items():
                at = i, epochs.index(epoch)
                value[at], low[at], high[at] = np.mean(values), np.min(values), np.max(values)
        labels: dict[str, Any] = {
            "x_label": "epoch", "y_label": y_label, "series": [{"name": one, "style": "task"} for one in lines],
        }  # fmt: skip
        x = np.array(epochs, np.float64)
        if len(x) <= MOST_NAMED and (x == np.round(x)).all():
            labels["x_ticks"] = [f"{epoch:g}" for epoch in epochs]
            x = np.arange(len(x), dtype=np.float64)
        panels.append(
            Panel(
                "curve", f"{name}-epochs-{key.replace('_', '-')}", f"{ground.task}: {y_label} by epoch",
                "Means over the seeds that went so far, from the lowest of them to the highest.",
                {"x": x, "value": value, "low": low, "high": high}, labels,
            )
        )  # fmt: skip
    return panels


def _recorded(one: Judged, key: str) -> dict[float, list[float]]:
    """Epoch -> the finite values that the runs recorded."""
    found: dict[float, list[float]] = {}
    for run in one.arm.done:
        for record in run.history:
            number, epoch = record.get(key), record.get("epoch")
            if isinstance(number, int | float) and isinstance(epoch, int | float) and np.isfinite(number):
                found.setdefault(float(epoch), []).append(float(number))
    return found
