"""Every run as a point, its strategy's mean with an interval beside them: how much restarts differ, at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.cells import width_of
from probekit.report.figures.forest import shade_rows, shorten
from probekit.report.figures.parts import draw_references, padded
from probekit.report.figures.style import COLOURS, INK, PAGE, shown
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
STEP = 0.3  # inches per row
LIFT = 0.14  # how far points stand above the middle of their row, the mean as far below it
NAMES = 0.38  # of the width, at most, for the names of the rows
SIZE = 7.5
FAR = 0.6
"""Of the range of all others: what lies farther away is told at the edge, not drawn in its place."""


def draw_strip(panel: Panel, width: float = PAGE) -> Figure:
    """Rows from top to bottom: points in the upper half of a row, the mean with its bar in the lower.

    Points of nearly one value are stacked, so that none hides another. Notes stand to the right of the axes.
    """
    from matplotlib.figure import Figure

    labels = panel.labels
    rows = [shown(name) for name in labels["rows"]]
    room = max(8, int(NAMES * width / width_of("x", SIZE)))
    figure = Figure(figsize=(width, STEP * len(rows) + 0.95))
    axes = figure.add_subplot()
    place = np.arange(len(rows), dtype=float)
    axes.set_yticks(place, [shorten(name, room) for name in rows], fontsize=SIZE)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(shown(labels["value_label"]))
    shade_rows(axes, len(rows))
    low, high = _range(panel)
    axes.set_xlim(low, high)
    _means(axes, panel, place)
    _points(axes, panel, (high - low) / max(1.0, width))
    for i, note in enumerate(labels.get("notes") or ()):
        if note:
            axes.annotate(shown(note), (1, i), xycoords=("axes fraction", "data"), xytext=(4, 0), va="center",
                          textcoords="offset points", fontsize=6.5, color="#555555")  # fmt: skip
    reference = labels.get("reference")
    if reference and low <= reference["value"] <= high:
        draw_references(axes, panel, upright=True)
    _legend(figure, panel)
    return figure


def _range(panel: Panel) -> tuple[float, float]:
    if "range" in panel.labels:
        return padded(panel.labels["range"])
    plain = panel.arrays["point"][~_hollow(panel)]
    found = [plain.astype(float), *(panel.arrays[name].astype(float) for name in ("value", "low", "high"))]
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    if not len(values):
        values = np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    # a baseline or a degenerate run far away would press all others together; near ones are shown in their place
    reference = panel.labels.get("reference")
    for value in (*([reference["value"]] if reference else []), *panel.arrays["point"][_hollow(panel)]):
        if low - value < FAR * (high - low) and value - high < FAR * (high - low):
            low, high = min(low, float(value)), max(high, float(value))
    reach = (high - low) or 0.1
    return low - 0.04 * reach, high + 0.04 * reach


def _hollow(panel: Panel) -> Array:
    return np.asarray(panel.arrays.get("hollow", np.zeros(len(panel.arrays["point"])))).astype(bool)


def _means(axes: Axes, panel: Panel, place: Array) -> None:
    value, low, high = (panel.arrays[name].astype(float) for name in ("value", "low", "high"))
    reach = np.abs(np.stack([value - low, high - value]))
    reach[:, np.isnan(reach).any(axis=0)] = 0.0
    axes.errorbar(value, place + LIFT, xerr=reach, linestyle="none", marker="D", markersize=3.6, color=INK,
                  elinewidth=1.1, capsize=2, zorder=3)  # fmt: skip


def _points(axes: Axes, panel: Panel, inch: float) -> None:
    point, row = panel.arrays["point"].astype(float), panel.arrays["row"].astype(np.int64)
    hollow = _hollow(panel)
    low, high = axes.get_xlim()
    for end, sign, side in ((low, -1, "left"), (high, 1, "right")):
        for one in range(int(row.max(initial=-1)) + 1):
            own = np.flatnonzero((row == one) & ((point - end) * sign > 0))
            if len(own):
                _beyond(axes, end, one, point[own], side)
        point = np.where((point - end) * sign > 0, np.nan, point)
    lift = stacked(point, row, inch * 0.055)
    for empty in (False, True):
        own = np.flatnonzero((hollow == empty) & np.isfinite(point))
        axes.scatter(point[own], row[own] - LIFT - lift[own], s=15, zorder=4, linewidths=0.9, edgecolors=COLOURS[0],
                     facecolors="white" if empty else COLOURS[0], alpha=1.0 if empty else 0.75)  # fmt: skip


def _beyond(axes: Axes, end: float, row: int, values: Array, side: str) -> None:
    """An arrow at the edge for points beyond it, with their values."""
    arrow, told = ("←", "left") if side == "left" else ("→", "right")
    numbers = ", ".join(f"{value:.3g}" for value in sorted(values)[:3]) + ", …" * (len(values) > 3)
    axes.annotate(
        f"{arrow} {numbers}" if side == "left" else f"{numbers} {arrow}", (end, row - LIFT),
        xytext=(3 if side == "left" else -3, 0), textcoords="offset points", ha=told, va="center", fontsize=6.5,
        color=COLOURS[0], zorder=4,
    )  # fmt: skip


def stacked(point: Array, row: Array, near: float) -> Array:
    """How far above its place each point is drawn, in rows: those nearer than `near` to one below go up a step.

    >>> stacked(np.array([0.5, 0.5, 0.9]), np.array([0, 0, 0]), 0.01).round(2).tolist()
    [0.0, 0.1, 0.0]
    """
    lift = np.zeros(len(point))
    for one in np.unique(row):
        own = np.flatnonzero(row == one)
        own = own[np.argsort(point[own], kind="stable")]
        ends: list[float] = []  # the last point on each level
        for i in own[np.isfinite(point[own])]:
            level = next((k for k, end in enumerate(ends) if point[i] - end >= near), len(ends))
            ends[level : level + 1] = [float(point[i])]
            lift[i] = level
        top = lift[own].max(initial=0.0)
        lift[own] *= min(0.1, 0.2 / top) if top else 0.0
    return lift


def _legend(figure: Figure, panel: Panel) -> None:
    from matplotlib.lines import Line2D

    bare: dict[str, Any] = {"linestyle": "none", "markeredgecolor": COLOURS[0], "markersize": 4}
    handles = [Line2D([], [], marker="o", color=COLOURS[0], label=shown(panel.labels["point_label"]), **bare)]
    if _hollow(panel).any():
        told = shown(panel.labels.get("hollow") or "degenerate")
        handles.append(Line2D([], [], marker="o", color="white", label=told, **bare))
    handles.append(Line2D([], [], marker="D", color=INK, markersize=3.6, linewidth=1.1, label="mean"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
