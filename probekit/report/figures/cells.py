"""What heat maps and confusion matrices share: vector cells, readable labels, a scale beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.style import MISSING, ink_on, shown, thin_ticks
from probekit.results.formats import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

Array = np.ndarray[Any, Any]

LONGEST = 22


def draw_cells(axes: Axes, value: Array, *, cmap: str, norm: Any) -> QuadMesh:
    """Coloured cells, first row on top; a NaN cell is pale and crossed."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    rows, columns = value.shape
    colours = colormaps[cmap].with_extremes(bad=MISSING)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(value), cmap=colours, norm=norm, edgecolors="white", linewidth=0.6
    )
    for row, column in np.argwhere(np.isnan(value)) if rows * columns <= 900 else ():
        # the edge must be coloured: hatching is drawn in its colour
        box = Rectangle((column, row), 1, 1, facecolor="none", edgecolor="#c4c4c4", hatch="////", linewidth=0)
        axes.add_patch(box)
    axes.set_ylim(rows, 0)
    axes.set_xlim(0, columns)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return mesh


def write_in_cells(axes: Axes, mesh: QuadMesh, texts: Sequence[Sequence[str]], size: float) -> None:
    """A short text in the middle of each cell, black or white by the colour below."""
    shape = (len(texts), len(texts[0]))
    numbers: Array = np.ma.asarray(mesh.get_array()).reshape(shape)
    faces = mesh.to_rgba(numbers)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                colour = ink_on(*faces[row, column, :3])
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    text,
                    ha="center",
                    va="center_baseline",
                    fontsize=size,
                    color=colour,
                )


def with_n(names: Sequence[object], n: Array | None = None) -> list[str]:
    """Row labels as they are drawn, cut to LONGEST, with n in brackets."""
    texts = [shown(name, LONGEST) for name in names]
    return texts if n is None else [f"{text} ({format_count(k)})" for text, k in zip(texts, n, strict=True)]


def width_of(names: Sequence[str], size: float) -> float:
    """About how many inches the longest of the labels takes at a font size in points."""
    return 0.0085 * size * max((len(name) for name in names), default=1)


def name_rows(axes: Axes, names: Sequence[str], size: float) -> None:
    """A label beside every row."""
    axes.set_yticks(np.arange(len(names)) + 0.5, list(names), fontsize=size)


def name_columns(axes: Axes, names: Sequence[str], size: float, *, room: int, upright: bool) -> None:
    """A label under every column; thinned to what fits; upright when long."""
    ticks = thin_ticks(len(names), room)
    axes.set_xticks(np.array(ticks) + 0.5, [shown(names[i], LONGEST) for i in ticks], fontsize=size)
    if upright:
        axes.tick_params(axis="x", labelrotation=90)
