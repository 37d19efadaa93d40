"""A value along numbers (training steps, pieces read) or ordered categories (attractors, distance)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.parts import (
    dodge,
    draw_line,
    draw_points,
    draw_references,
    drawing_order,
    finish_y,
    legend_below,
    legend_height,
    values_of,
)
from probekit.report.figures.style import DASHES, PAGE, shown, thin_ticks
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]

MARKED = 30  # up to so many points, each carries its marker
APART = 0.09  # inches between the points of two series at one category


def draw_curve(panel: Panel, width: float = PAGE) -> Figure:
    """Lines with bands over numbers; over categories, joined points with bars of error, side by side.

    On a log scale 0, which has no place there, stands to its left. The legend stands below the axes.
    """
    from matplotlib.figure import Figure

    series = panel.labels["series"]
    names = [one["name"] for one in series]
    figure = Figure(figsize=(width, 0.48 * width + 0.5 + legend_height(names, width)))
    axes = figure.add_subplot()
    x, ticks = panel.arrays["x"].astype(float), panel.labels.get("x_ticks")
    reach = 0.0 if ticks is None else min(0.55, APART * (len(series) - 1) * len(ticks) / (0.85 * width))
    for i in drawing_order(series):
        values, style = values_of(panel, i), series[i]["style"]
        if ticks is not None:
            place = x + dodge(i, len(series), reach)
            draw_points(axes, place, values, i, series[i], linestyle=DASHES[style], linewidth=0.8, capsize=0)
        else:
            found = ~np.isnan(values[0])  # what was measured now and then is joined over the gaps
            marked = found.sum() <= MARKED and style != "baseline"
            value, low, high = (array[found] for array in values)
            draw_line(axes, x[found], (value, low, high), i, series[i], marked=bool(marked))
    if ticks is not None:
        _categories(axes, ticks, width)
    else:
        _numbers(axes, x, width, log=panel.labels.get("x_scale") == "log")
    axes.set_xlabel(shown(panel.labels["x_label"]))
    finish_y(axes, panel, width)
    draw_references(axes, panel)
    legend_below(figure, axes, series, width)
    return figure


def _categories(axes: Axes, ticks: Sequence[str], width: float) -> None:
    names = [shown(tick, 14) for tick in ticks]
    longest = max(len(name) for name in names)
    chosen = thin_ticks(len(names), int(0.85 * width / (0.075 * longest + 0.12)))
    axes.set_xticks(chosen, [names[i] for i in chosen])
    axes.set_xlim(-0.5, len(names) - 0.5)


def _numbers(axes: Axes, x: Array, width: float, *, log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    if not log:
        whole = bool((x == np.round(x)).all())  # epochs: there is no half one
        locator = MaxNLocator(max(3, int(1.3 * width)), steps=[1, 2, 2.5, 5, 10], integer=whole)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: spoken_number(value)))
        axes.margins(x=0.02)
        return
    positive = x[x > 0]
    if len(positive) and positive[0] < x[-1]:
        if x[0] > 0:
            axes.set_xscale("log")
        else:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
            axes.axvline(positive[0] / 2, color="#cccccc", linewidth=0.6, linestyle=(0, (2, 2)), zorder=0.5)
        axes.xaxis.set_minor_locator(NullLocator())
        chosen = log_ticks(float(positive[0]), float(x[-1]), room=int(1.6 * width))
    else:
        chosen = [float(value) for value in positive]
    chosen = [0.0, *chosen] if x[0] == 0 else chosen
    axes.set_xticks(chosen, [spoken_number(value) for value in chosen])


def log_ticks(low: float, high: float, room: int) -> list[float]:
    """Round numbers from low to high: 1, 2 and 5 of each power of ten where there is room, else powers of ten.

    >>> log_ticks(1, 100, 9), log_ticks(1, 1e6, 5)
    ([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0], [1.0, 100.0, 10000.0, 1000000.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        found = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(found) <= room:
            break
    else:
        found = found[:: math.ceil(len(found) / room)]
    return found if len(found) > 1 else [low, high]


def spoken_number(value: float) -> str:
    """A number on an axis, short.

    >>> [spoken_number(x) for x in (0, 0.5, 1500, 20_000, 2.5e6)]
    ['0', '0.5', '1,500', '20k', '2.5M']
    """
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / {'k': 1e3}.get(mark, size):g}{mark}"
    return f"{value:,.6g}"
