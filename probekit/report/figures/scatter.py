"""Points in planes side by side, coloured by class: words in context at every layer."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.style import COLOURS, INK, MARKERS, PAGE, PALE, shown
from probekit.results.formats import format_count
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]

MOST = 12
"""Classes with a look of their own; the rarer ones beyond are drawn alike, and the legend tells how many they are."""
NARROWEST = 1.35
"""Inches that a plane takes at least, so that its notes can be read."""
RASTER = 3000
"""From so many points on they are a picture inside the figure: as lines they would make a file of megabytes."""
NOTE = 6.0
LONGEST = 26
LOOKS = (*COLOURS, "#222222", "#7b2d8b", "#5f6b00")
"""One colour more than classes: all of them keep their own."""


def draw_scatter(panel: Panel, width: float = PAGE) -> Figure:
    """Planes in rows, each with its notes below; the legend under all of them.

    Classes differ in colour and marker, frequent ones are drawn first so that rare ones stay visible. Points that are
    not there (NaN) are counted under their plane.
    """
    from matplotlib.figure import Figure

    planes = panel.labels["planes"]
    across = max(1, min(len(planes), int(width / NARROWEST)))
    across = -(-len(planes) // -(-len(planes) // across))  # 7 planes are rows of 4 and 3, 5 of 3 and 2
    down = -(-len(planes) // across)
    side = min(width / across, 3.6)
    room = max(15, int(side * 18.5))
    notes = [_note(panel, i, room) for i in range(len(planes))]
    looks = _looks(panel)
    columns = _columns([name for name, *_ in looks], width)
    lines = max((note.count("\n") + 1 if note else 0) for note in notes) if notes else 0
    legend = 0.155 * -(-len(looks) // columns) + 0.14 if len(panel.labels["classes"]) > 1 else 0.0
    high = down * (side * 0.98 + 0.18 + 0.102 * lines) + legend
    figure = Figure(figsize=(width, high))
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes in grid[len(planes) :]:
        axes.set_axis_off()
    for i, (axes, name) in enumerate(zip(grid, planes, strict=False)):
        _draw_plane(axes, panel, i, looks, side)
        axes.set_title(shown(name), fontsize=8, pad=3)
        axes.set_xlabel(notes[i], fontsize=NOTE, labelpad=3, linespacing=1.15)
    if legend:
        _legend(figure, looks, columns)
    if engine := figure.get_layout_engine():
        engine.execute(figure)  # once is too few where planes are square: notes would touch the legend
    return figure


Look = tuple[str, Array, dict[str, Any]]


def _looks(panel: Panel) -> list[Look]:
    """Name, points and look of every class that has points, the most frequent first; the rare ones together."""
    classes, code = panel.labels["classes"], panel.arrays["code"].astype(np.int64)
    counts = np.bincount(code, minlength=len(classes))
    order = [int(c) for c in np.argsort(-counts, kind="stable") if counts[c]]
    # a class beyond the dozen that would be alone under "other" keeps its name
    own = order if len(order) <= MOST + 1 else order[:MOST]
    looks: list[Look] = []
    for i, one in enumerate(own):
        look = {"color": LOOKS[i], "marker": MARKERS[(i + 3 * (i // len(MARKERS))) % len(MARKERS)]}
        looks.append((_named(classes[one]), np.flatnonzero(code == one), look))
    rest = order[len(own) :]
    if rest:
        points = np.flatnonzero(np.isin(code, rest))
        name = f"other ({len(rest)} classes, {format_count(len(points))})"
        looks.append((name, points, {"color": "#c4c4c4", "marker": "."}))
    return looks


def _named(name: str) -> str:
    """The name of a class, cut where it is long, with the count that stands behind it whole.

    >>> _named("to look after somebody at home (1,204)")
    'to look after som… (1,204)'
    """
    counted = re.fullmatch(r"(.+)( \([\d,]+\))", str(name), re.DOTALL)
    start, count = counted.groups() if counted else (name, "")
    return shown(start, LONGEST - len(count)) + count


def _draw_plane(axes: Axes, panel: Panel, i: int, looks: Sequence[Look], side: float) -> None:
    xy = panel.arrays["xy"][i].astype(float)
    there = np.isfinite(xy).all(axis=1)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("#bbbbbb")
    axes.set_box_aspect(1)
    if not there.any():
        axes.text(0.5, 0.5, "not drawn", ha="center", va="center", transform=axes.transAxes, color=PALE)
        return
    points = panel.arrays["xy"].shape[0] * len(xy)
    size = float(np.clip(side * side * 700 / max(1, int(there.sum())), 3.5, 22))
    raster = points > RASTER
    for layer, (_, own, look) in enumerate(_drawn(looks)):
        kept = own[there[own]]
        axes.scatter(
            xy[kept, 0], xy[kept, 1], s=size, linewidths=0.15, edgecolors="white", alpha=0.8, zorder=2 + layer / 100,
            rasterized=raster, **look,
        )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    _mark(axes, panel, xy, there)


def _drawn(looks: Sequence[Look]) -> list[Look]:
    """In the order of drawing: what is merged below all, then the frequent below the rare."""
    return sorted(looks, key=lambda look: (look[2]["marker"] != ".", -len(look[1])))


def _mark(axes: Axes, panel: Panel, xy: Array, there: Array) -> None:
    """A ring around each marked point, and its name where it covers least: away from the middle."""
    from matplotlib.patheffects import withStroke

    found = panel.labels.get("marked") or ()
    middle = np.median(xy[there], axis=0)
    for one in [found] if isinstance(found, Mapping) else found:
        x, y = xy[one["index"]]
        if not there[one["index"]]:
            continue
        right, up = x >= middle[0], y >= middle[1]
        axes.scatter([x], [y], s=34, facecolors="none", edgecolors=INK, linewidths=1.0, zorder=5)
        axes.annotate(
            shown(one["name"], 18), (x, y), xytext=(-4 if right else 4, 5 if up else -5),
            textcoords="offset points", ha="right" if right else "left", va="bottom" if up else "top",
            fontsize=6.5, color=INK, zorder=6, path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )  # fmt: skip


def _note(panel: Panel, i: int, room: int) -> str:
    """What is printed under a plane: its note, folded, and how many points are not there."""
    note = str(panel.labels["notes"][i]) if "notes" in panel.labels else ""
    gone = int((~np.isfinite(panel.arrays["xy"][i]).all(axis=1)).sum())
    total = panel.arrays["xy"].shape[1]
    if 0 < gone < total:
        note = f"{note}\n{format_count(gone)} of {format_count(total)} points not there".strip()
    return "\n".join(_folded(shown(line), room) for line in note.split("\n")) if note else ""


def _folded(line: str, room: int) -> str:
    """A line in lines of at most so many letters; a number stays with the word before it and its sign behind it.

    >>> _folded("variance 12 %, stress 0.44", 15)
    'variance 12 %,\\nstress 0.44'
    """
    bound = re.sub(r" (?=[<>]?-?[\d.]|%)", "\u00a0", line)
    lines = textwrap.fill(bound, room, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\u00a0", " ")


def _columns(names: Sequence[str], width: float) -> int:
    """As many columns as fit, filled from top to bottom, each as wide as its longest name."""
    for columns in range(min(6, len(names)), 1, -1):
        each = -(-len(names) // columns)
        longest = [max(map(len, names[start : start + each])) for start in range(0, len(names), each)]
        if 0.062 * sum(longest) + 0.3 * len(longest) <= width:
            return columns
    return 1


def _legend(figure: Figure, looks: Sequence[Look], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", markersize=4.5, markeredgewidth=0, label=name, **look)
        for name, _, look in looks
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=7, handlelength=1.0,
        handletextpad=0.3, columnspacing=1.0, labelspacing=0.3,
    )  # fmt: skip
