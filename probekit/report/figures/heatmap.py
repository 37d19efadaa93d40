"""A number for every row and column, e.g. F1 of each label in each layer."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.cells import (
    draw_cells,
    name_columns,
    name_rows,
    width_of,
    with_n,
    write_in_cells,
)
from probekit.report.figures.style import PAGE, shown
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_heatmap(panel: Panel, width: float = PAGE) -> Figure:
    """Cells with their numbers where they fit; sequential colours, or diverging ones around 0 where signs
    differ.

    NaN (not defined) is crossed out, never coloured as 0. Row labels carry n.
    """
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    labels, value = panel.labels, panel.arrays["value"].astype(float)
    rows, columns = value.shape
    names = with_n(labels["rows"], panel.arrays.get("n"))
    cell = max(0.05, (width - width_of(names, 7.5) - 0.95) / max(1, columns))
    high = 0.19 if rows <= 30 else 0.14
    figure = Figure(figsize=(width, max(1.7, high * rows + 0.85)))
    axes = figure.add_subplot()
    low, top = labels.get("range") or _range(value)
    diverging = low < 0 < top
    mesh = draw_cells(axes, value, cmap="RdBu" if diverging else "YlGnBu", norm=Normalize(low, top))
    text_size = 7 if high > 0.15 else 5.5
    if cell >= (0.36 if diverging else 0.22):
        texts = [["" if np.isnan(x) else _short(x) for x in line] for line in value]
        write_in_cells(axes, mesh, texts, min(text_size, 26 * cell))
    name_rows(axes, names, text_size + 0.5)
    columns_text = [str(name) for name in labels["columns"]]
    longest = max((len(name) for name in columns_text), default=1)
    upright = longest * 0.075 > cell and longest > 3
    room = int(columns * cell / (0.13 if upright else 0.075 * longest + 0.08))
    name_columns(axes, columns_text, 8, room=max(2, room), upright=upright)
    axes.set_xlabel(shown(labels["column_label"]))
    axes.set_ylabel(shown(labels["row_label"]))
    bar = figure.colorbar(mesh, ax=axes, fraction=0.05, pad=0.02, aspect=max(8, 3 * rows))
    bar.set_label(fill(shown(labels["value_label"]), max(12, int(11 * figure.get_figheight()))))
    bar.outline.set_visible(False)
    return figure


def _range(value: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Around 0 where there are negative values, else from the tenth below the lowest up to 1 or more."""
    known = value[np.isfinite(value)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low < 0:
        reach = max(-low, high) or 1.0
        return -reach, reach
    return (min(0.9, np.floor(10 * low) / 10), 1.0) if high <= 1 else (0.0, high)


def _short(value: float) -> str:
    """Two places without the zero in front; never 0 or 1 unless true."""
    text = f"{value:.2f}"
    if float(text) == 1 and value < 1:
        return ">.99"
    if float(text) == 0 and value != 0:
        return "<.01" if value > 0 else ">-.01"
    return text.replace("0.", ".", 1) if abs(value) < 1 and value else text
