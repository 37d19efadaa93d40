"""What strategies cost and how good they are: those on the front are joined, each point bears its name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.curve import log_ticks, spoken_number
from probekit.report.figures.parts import draw_references, folded
from probekit.report.figures.style import COLOURS, INK, MARKERS, PAGE, PALE, shown
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
LETTERS = 7.0
FRONT, BEATEN = "front", "not on the front"
NARROW = 4.0
"""Costs that differ by less than this factor need no log scale, whose round numbers would be few."""
PLACES = tuple(
    (right, up)
    for reach in (1.0, 2.2, 3.6, 5.2)
    for right, up in (
        (reach, 0.0), (-reach, 0.0), (reach, -reach), (reach, reach), (-reach, reach), (-reach, -reach), (0.0, reach),
        (0.0, -reach),
    )
)  # fmt: skip
"""Where a name may stand around its point, the best place first."""


def draw_pareto(panel: Panel, width: float = PAGE) -> Figure:
    """Cost to the right, score upwards: filled points are on the front and joined by steps, the others are hollow.

    Bars are intervals of the score. Names stand where they cover no point, bar or other name; a thin line leads to the
    point from a name that had to move away.
    """
    from matplotlib.figure import Figure

    labels = panel.labels
    figure = Figure(figsize=(width, 0.64 * width + 0.35 + 0.17 * _legend_rows(panel, width)))
    axes = figure.add_subplot()
    x, y, low, high = (panel.arrays[name].astype(float) for name in ("x", "y", "low", "high"))
    there = np.isfinite(x) & np.isfinite(y)
    front = panel.arrays["front"].astype(bool) & there
    group = panel.arrays["group"].astype(np.int64)
    _ranges(axes, panel, x[there], np.concatenate([y[there], low[there], high[there]]), width)
    steps = _front(axes, x[front], y[front])
    for code in range(len(labels["groups"])):
        colour, marker = COLOURS[code % len(COLOURS)], MARKERS[code % len(MARKERS)]
        for own, face in (
            (there & front & (group == code), colour),
            (there & ~front & (group == code), "white"),
        ):
            reach = np.nan_to_num(np.abs(np.stack([y - low, high - y]))[:, own])
            axes.errorbar(
                x[own], y[own], yerr=reach, linestyle="none", marker=marker, markersize=4.6, color=colour,
                markerfacecolor=face, markeredgewidth=1.0, elinewidth=0.8, alpha=0.95, zorder=3,
            )  # fmt: skip
    axes.grid(axis="both")
    axes.set_xlabel(shown(labels["x_label"]) + (", log scale" if axes.get_xscale() == "log" else ""))
    axes.set_ylabel(folded(shown(labels["y_label"]), int(6.2 * width)))
    reference, limits = panel.labels.get("reference"), axes.get_ylim()
    if reference and limits[0] <= reference["value"] <= limits[1]:
        draw_references(axes, panel)
    _legend(figure, panel, there, front, group)
    figure.draw_without_rendering()  # the places of points in the picture are known from here on
    _names(figure, axes, panel, np.flatnonzero(there), steps)
    return figure


def _ranges(axes: Axes, panel: Panel, x: Array, y: Array, width: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    y = y[np.isfinite(y)]
    reference = panel.labels.get("reference")
    lowest, highest = (float(y.min()), float(y.max())) if len(y) else (0.0, 1.0)
    # a baseline far below would press the strategies together; one that is near is shown
    if reference and lowest - reference["value"] < 0.6 * (highest - lowest):
        lowest, highest = min(lowest, reference["value"]), max(highest, reference["value"])
    reach = (highest - lowest) or 0.1
    axes.set_ylim(lowest - 0.07 * reach, highest + 0.07 * reach)
    ends = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    if panel.labels.get("x_scale") == "log" and len(x) and ends[1] > NARROW * ends[0]:
        span = ends[1] / ends[0]
        axes.set_xscale("log")
        axes.set_xlim(ends[0] / span**0.1, ends[1] * span**0.14)
        chosen = log_ticks(*axes.get_xlim(), room=int(1.6 * width))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(chosen, [spoken_number(value) for value in chosen])
        return
    span = (ends[1] - ends[0]) or 1.0
    axes.set_xlim(ends[0] - 0.06 * span, ends[1] + 0.1 * span)
    axes.xaxis.set_major_locator(MaxNLocator(max(3, int(1.3 * width)), steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: spoken_number(value)))


def _front(axes: Axes, x: Array, y: Array) -> Array:
    """Steps: up to the next point's cost, the best score so far is what can be had; the corners, [corners, 2]."""
    if not len(x):
        return np.empty((0, 2))
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    end = axes.get_xlim()[1]
    corners = np.stack([np.repeat([*x, end], 2)[1:-1], np.repeat(y, 2)], axis=1)
    axes.plot(*corners.T, color=PALE, linewidth=1.0, zorder=1.6)
    return corners


def _legend(figure: Figure, panel: Panel, there: Array, front: Array, group: Array) -> None:
    from matplotlib.lines import Line2D

    bare: dict[str, Any] = {"linestyle": "none", "markersize": 4.6}
    handles = []
    for code, name in enumerate(panel.labels["groups"]):
        if (there & (group == code)).any():
            colour, marker = COLOURS[code % len(COLOURS)], MARKERS[code % len(MARKERS)]
            handles.append(Line2D([], [], color=colour, marker=marker, label=shown(name), **bare))
    if front.any():
        handles.append(Line2D([], [], color=PALE, linewidth=1.0, label=FRONT))
    if (there & ~front).any():
        handles.append(Line2D([], [], color=INK, marker="o", markerfacecolor="white", label=BEATEN, **bare))
    rows = _legend_rows(panel, figure.get_figwidth())
    figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(handles) // rows))


def _legend_rows(panel: Panel, width: float) -> int:
    """One row where the names fit beside each other (about 13 characters of 8 pt per inch), else two, else four."""
    names = [*panel.labels["groups"], FRONT, BEATEN]
    each = max(len(name) for name in names) + 7
    return 1 if sum(len(name) + 7 for name in names) <= 13 * width else 2 if 2 * each <= 13 * width else 4


def _names(figure: Figure, axes: Axes, panel: Panel, points: Array, steps: Array) -> None:
    """Put the names of points where they cover least, those with the fewest neighbours last."""
    from matplotlib.patheffects import withStroke

    x, y, low, high = (panel.arrays[name].astype(float) for name in ("x", "y", "low", "high"))
    pixels = axes.transData.transform(np.stack([x, y], axis=1)[points])
    dot = figure.dpi / 72
    taken = [_around(px, py, 3.4 * dot, 3.4 * dot) for px, py in pixels]
    for i in points:
        if np.isfinite(low[i]) and np.isfinite(high[i]):
            (a, b), (_, c) = axes.transData.transform([(x[i], low[i]), (x[i], high[i])])
            taken.append((a - dot, b, a + dot, c))
    corners = axes.transData.transform(steps) if len(steps) else steps
    for (a, b), (c, d) in pairwise(corners):
        taken.append((min(a, c) - dot, min(b, d) - dot, max(a, c) + dot, max(b, d) + dot))
    inside = axes.get_window_extent()
    crowd = [int((np.hypot(*(pixels - one).T) < 45 * dot).sum()) for one in pixels]
    for at in np.argsort(-np.array(crowd, int), kind="stable"):
        number, (px, py) = points[at], pixels[at]
        text = axes.annotate(
            shown(panel.labels["names"][number], 24), (x[number], y[number]), xytext=(0, 0),
            textcoords="offset points", fontsize=LETTERS, ha="center", va="center", color=INK, zorder=5,
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )  # fmt: skip
        text.set_in_layout(False)
        size = text.get_window_extent()
        spots = [_spot(px, py, right, up, size, dot) for right, up in PLACES]
        costs = [_cost(box, taken, inside) + 0.02 * k for k, box in enumerate(spots)]
        best = int(np.argmin(costs))
        box = spots[best]
        middle = ((box[0] + box[2]) / 2 - px, (box[1] + box[3]) / 2 - py)
        text.set_position((middle[0] / dot, middle[1] / dot))
        if best >= 8:
            near = min(max(px, box[0]), box[2]), min(max(py, box[1]), box[3])
            ends = axes.transData.inverted().transform([(px, py), near])
            axes.plot(*ends.T, color=PALE, linewidth=0.5, zorder=2.5, scalex=False, scaley=False)
        taken.append(box)


def _around(x: float, y: float, half_width: float, half_height: float) -> Box:
    return x - half_width, y - half_height, x + half_width, y + half_height


def _spot(px: float, py: float, right: float, up: float, size: Bbox, dot: float) -> Box:
    """The box of a name at so many steps from its point; the first step leaves the point's own marker free."""
    half = size.width / 2, size.height / 2
    shift_x = np.sign(right) * (half[0] + 5 * dot) + (right - np.sign(right)) * 7 * dot
    shift_y = np.sign(up) * (half[1] + 4 * dot) + (up - np.sign(up)) * 7 * dot
    return _around(px + shift_x, py + shift_y, half[0] + dot, half[1] + 0.3 * dot)


def _cost(box: Box, taken: Sequence[Box], inside: Bbox) -> float:
    """How much of a box is covered by others, and how far it reaches out of the axes."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    shared = [
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in taken
    ]
    kept = max(0.0, min(box[2], inside.x1) - max(box[0], inside.x0)) * max(
        0.0, min(box[3], inside.y1) - max(box[1], inside.y0)
    )
    return float(6 * sum(shared) / area + 0.2 * sum(one > 0 for one in shared) + 20 * (1 - kept / area))
