"""What curves and forests share: lines with bands, points with bars, reference lines, a legend below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.style import COLOURS, DASHES, MARKERS, PALE, shown
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
Values = tuple[Array, Array, Array]


def values_of(panel: Panel, series: int) -> Values:
    """Value, low and high of one series."""
    value, low, high = (panel.arrays[name][series].astype(float) for name in ("value", "low", "high"))
    return value, low, high


def draw_line(
    axes: Axes, x: Array, values: Values, i: int, one: dict[str, str], *, marked: bool | None = None
) -> None:
    """A line, and a band between its bounds; a baseline has no markers unless asked for."""
    value, low, high = values
    look = look_of(i, one, marked=one["style"] != "baseline" if marked is None else marked)
    axes.plot(x, value, linestyle=DASHES[one["style"]], markeredgewidth=0, **look)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0, zorder=1)


def draw_points(
    axes: Axes, x: Array, values: Values, i: int, one: dict[str, str], *, upright: bool = True, **how: Any
) -> None:
    """Points with bars of error; `upright` is along y, else value and bar lie along x."""
    value, low, high = values
    reach = np.abs(np.stack([value - low, high - value]))
    reach[:, np.isnan(reach).any(axis=0)] = 0.0  # no bounds, no bar
    how = {"linestyle": "none", "capsize": 2.5, "elinewidth": 1.1, **look_of(i, one), **how}
    if upright:
        axes.errorbar(x, value, yerr=reach, **how)
    else:
        axes.errorbar(value, x, xerr=reach, **how)


def look_of(i: int, one: dict[str, str], *, marked: bool = True) -> dict[str, Any]:
    """Colour, marker and label of series number i; the task lies over the others."""
    baseline = one["style"] == "baseline"
    return {
        "color": PALE if baseline and i >= len(COLOURS) else COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)] if marked else None,
        "label": shown(one["name"]),
        "zorder": 3 if one["style"] == "task" else 2,
    }


def draw_references(axes: Axes, panel: Panel, *, upright: bool = False) -> None:
    """The reference as a thin line with its name beside it, and a line at 0 under differences; `upright` where values
    lie along x.
    """
    line = axes.axvline if upright else axes.axhline
    if any(one["style"] == "difference" for one in panel.labels.get("series", ())):
        line(0.0, color="#555555", linewidth=0.8, zorder=1.5)
    if not (reference := panel.labels.get("reference")):
        return
    value = reference["value"]
    line(value, color=PALE, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1.5)
    how: dict[str, Any] = {"textcoords": "offset points", "color": "#555555", "fontsize": 7}
    if upright:
        axes.annotate(
            shown(reference["name"]), (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 2), ha="center",
            va="bottom", **how,
        )  # fmt: skip
    else:
        axes.annotate(
            textwrap.fill(shown(reference["name"]), 12), (1, value), xycoords=("axes fraction", "data"),
            xytext=(4, 0), ha="left", va="center", **how,
        )  # fmt: skip


def drawing_order(series: Sequence[dict[str, str]]) -> list[int]:
    """The numbers of the series as they are drawn: the task last, on top."""
    return sorted(range(len(series)), key=lambda i: series[i]["style"] == "task")


def legend_below(figure: Figure, axes: Axes, series: Sequence[dict[str, str]], width: float) -> None:
    """The legend under the axes, where it covers nothing, in the order of the series."""
    handles, names = axes.get_legend_handles_labels()
    back = np.argsort(drawing_order(series))
    figure.legend(
        [handles[i] for i in back],
        [names[i] for i in back],
        loc="outside lower center",
        ncols=_legend_columns([one["name"] for one in series], width),
    )


def legend_height(names: Sequence[str], width: float) -> float:
    """Inches that the legend takes."""
    return 0.17 * math.ceil(len(names) / _legend_columns(names, width))


def finish_y(axes: Axes, panel: Panel, width: float) -> None:
    """The label of y, its grid, and its range: as the panel says, else a little more than the values."""
    axes.set_ylabel(folded(shown(panel.labels["y_label"]), int(6.2 * width)))
    axes.grid(axis="y")
    if "y_range" in panel.labels:
        axes.set_ylim(*padded(panel.labels["y_range"]))
    else:
        axes.margins(y=0.06)


def padded(range_: Sequence[float]) -> tuple[float, float]:
    """A range and a little more, so that a point on its edge is drawn whole."""
    low, high = range_
    return low - 0.015 * (high - low), high + 0.015 * (high - low)


def folded(text: str, room: int) -> str:
    """A long axis label on several lines, the bracket with n on its own."""
    if len(text) > room:
        text = text.replace(" (", "\n(", 1)
    return "\n".join(textwrap.fill(line, room) for line in text.split("\n"))


def dodge(i: int, count: int, reach: float = 0.5) -> float:
    """Where around a place series i of `count` stands, so that none covers another; `reach` from first to last."""
    return 0.0 if count == 1 else reach * (i / (count - 1) - 0.5)


def _legend_columns(names: Sequence[str], width: float) -> int:
    """As many columns as the longest name leaves room for (about 13 characters of 8 pt per inch)."""
    longest = max((len(name) for name in names), default=1) + 7
    return max(1, min(len(names), int(width * 13 / longest)))
