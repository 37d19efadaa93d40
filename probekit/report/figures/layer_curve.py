"""A score by layer: the task, its controls and twins, each with its interval."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.style import COLOURS, DASHES, MARKERS, PAGE, PALE, shown, thin_ticks
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 2  # up to so many layers, bars of error beside each other instead of bands


def draw_layer_curve(panel: Panel, width: float = PAGE) -> Figure:
    """Lines with bands over layers; with one or two layers, points with error bars side by side.

    The legend stands below the axes, where it covers nothing.
    """
    from matplotlib.figure import Figure

    layers, series = panel.labels["layers"], panel.labels["series"]
    columns = _legend_columns([one["name"] for one in series], width)
    rows = math.ceil(len(series) / columns)
    figure = Figure(figsize=(width, 0.48 * width + 0.5 + 0.17 * rows))
    axes = figure.add_subplot()
    order = sorted(range(len(series)), key=lambda i: series[i]["style"] == "task")  # the task is drawn on top
    for i in order:
        values = tuple(panel.arrays[name][i].astype(float) for name in ("value", "low", "high"))
        place = np.arange(len(layers)) + (_dodge(i, len(series)) if len(layers) <= FEW else 0.0)
        _draw_series(axes, place, values, i, series[i], bars=len(layers) <= FEW)
    _finish(axes, panel, width)
    handles, names = axes.get_legend_handles_labels()
    back = np.argsort(order)
    figure.legend(
        [handles[i] for i in back],
        [names[i] for i in back],
        loc="outside lower center",
        ncols=columns,
    )
    return figure


def _draw_series(
    axes: Axes, x: Any, values: tuple[Any, ...], i: int, one: dict[str, str], *, bars: bool
) -> None:
    value, low, high = values
    baseline = one["style"] == "baseline"
    look: dict[str, Any] = {
        "color": PALE if baseline and i >= len(COLOURS) else COLOURS[i % len(COLOURS)],
        "marker": None if baseline and not bars else MARKERS[i % len(MARKERS)],
        "label": shown(one["name"]),
        "zorder": 3 if one["style"] == "task" else 2,
    }
    if bars:
        reach = np.abs(np.stack([value - low, high - value]))
        reach[:, np.isnan(reach).any(axis=0)] = 0.0
        axes.errorbar(x, value, yerr=reach, linestyle="none", capsize=2.5, elinewidth=1.1, **look)
        return
    axes.plot(x, value, linestyle=DASHES[one["style"]], markeredgewidth=0, **look)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0, zorder=1)


def _finish(axes: Axes, panel: Panel, width: float) -> None:
    labels = panel.labels
    layers = [shown(layer, 14) for layer in labels["layers"]]
    longest = max((len(name) for name in layers), default=1)
    typical = (
        sorted(len(name) for name in layers)[len(layers) // 2] if longest <= 5 else 1
    )  # long ones: slanted
    ticks = thin_ticks(len(layers), int(0.85 * width / (0.075 * typical + 0.12)))
    axes.set_xticks(ticks, [layers[i] for i in ticks])
    if longest > 5 and len(ticks) > 4:
        axes.tick_params(axis="x", labelrotation=45)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    margin = 0.5 if len(layers) <= FEW else 0.25 + 0.01 * len(layers)
    axes.set_xlim(-margin, len(layers) - 1 + margin)
    axes.set_xlabel(shown(labels["x_label"]))
    axes.set_ylabel(_folded(shown(labels["y_label"]), int(6.2 * width)))
    axes.grid(axis="y")
    if "y_range" in labels:
        axes.set_ylim(*labels["y_range"])
    else:
        axes.margins(y=0.06)
    if any(one["style"] == "difference" for one in labels["series"]):
        axes.axhline(0.0, color="#555555", linewidth=0.8, zorder=1.5)
    if reference := labels.get("reference"):
        axes.axhline(reference["value"], color=PALE, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1.5)
        axes.annotate(
            textwrap.fill(shown(reference["name"]), 12), (1, reference["value"]), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", ha="left", va="center", color="#555555", fontsize=7,
        )  # fmt: skip
    if (mark := labels.get("mark")) and mark["layer"] in labels["layers"]:
        place = list(labels["layers"]).index(mark["layer"])
        axes.axvline(place, color=PALE, linewidth=0.7, linestyle=(0, (2, 2)), zorder=0.5)
        axes.annotate(
            shown(mark["text"]), (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", va="bottom", ha="center", color="#555555", fontsize=7,
        )  # fmt: skip


def _folded(text: str, room: int) -> str:
    """A long axis label on several lines, the bracket with n on its own."""
    if len(text) > room:
        text = text.replace(" (", "\n(", 1)
    return "\n".join(textwrap.fill(line, room) for line in text.split("\n"))


def _dodge(i: int, count: int) -> float:
    return 0.0 if count == 1 else 0.5 * (i / (count - 1) - 0.5)


def _legend_columns(names: list[str], width: float) -> int:
    """As many columns as the longest name leaves room for (about 13 characters of 8 pt per inch)."""
    longest = max((len(name) for name in names), default=1) + 7
    return max(1, min(len(names), int(width * 13 / longest)))
