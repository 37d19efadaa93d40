"""One row per phenomenon: where each system stands, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from probekit.report.figures.cells import width_of
from probekit.report.figures.parts import (
    dodge,
    draw_points,
    draw_references,
    drawing_order,
    legend_below,
    legend_height,
    padded,
    values_of,
)
from probekit.report.figures.style import PAGE, shown
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 30  # from so many rows on, rows are lower and letters smaller
NAMES = 0.45  # of the width, at most, for the names of the rows


def draw_forest(panel: Panel, width: float = PAGE) -> Figure:
    """Points with bars along x, first row on top; every other row is shaded, so that the eye keeps to its row.

    Series of one row stand below each other. Long names are shortened in their middle, where fewer letters tell
    rows apart.
    """
    from matplotlib.figure import Figure

    rows, series = panel.labels["rows"], panel.labels["series"]
    many = len(rows) > MANY
    step = max(0.165 if many else 0.2, 0.05 * len(series) + 0.04)
    size = 6.5 if many else 7.5
    names = [one["name"] for one in series]
    figure = Figure(figsize=(width, step * len(rows) + 0.75 + legend_height(names, width)))
    axes = figure.add_subplot()
    place = np.arange(len(rows), dtype=float)
    for i in drawing_order(series):
        draw_points(
            axes, place + dodge(i, len(series), 0.66), values_of(panel, i), i, series[i], upright=False, capsize=0,
            markersize=2.6 if many else 3.2, markeredgewidth=0, elinewidth=0.9,
        )  # fmt: skip
    shade_rows(axes, len(rows))
    axes.set_yticks(place, _fitting(rows, width, size), fontsize=size)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(shown(panel.labels["value_label"]))
    if "range" in panel.labels:
        axes.set_xlim(*padded(panel.labels["range"]))
    else:
        axes.margins(x=0.04)
    draw_references(axes, panel, upright=True)
    legend_below(figure, axes, series, width)
    return figure


def shade_rows(axes: Axes, n: int) -> None:
    """A pale band behind every other row, so that the eye keeps to its row."""
    for row in range(0, n, 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f3f3f3", linewidth=0, zorder=0)


def _fitting(names: Sequence[object], width: float, size: float) -> list[str]:
    room = max(8, int(NAMES * width / width_of("x", size)))
    return [shorten(shown(name), room) for name in names]


def shorten(name: str, room: int) -> str:
    """A name of at most `room` characters, cut in its middle.

    >>> shorten("distractor_agreement_relational_noun", 20)
    'distractor…onal_noun'
    """
    if len(name) <= room:
        return name
    return f"{name[: room // 2]}…{name[len(name) - (room - room // 2 - 1) :]}"
