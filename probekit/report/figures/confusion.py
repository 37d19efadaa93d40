"""What each gold label was taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probekit.report.figures.cells import (
    draw_cells,
    name_columns,
    name_rows,
    width_of,
    with_n,
    write_in_cells,
)
from probekit.report.figures.style import PAGE
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 22  # up to so many classes, percentages stand in the cells
SMALLEST = 0.105  # inches per cell; a matrix that would need smaller ones becomes wider than asked


def draw_confusion(panel: Panel, width: float = PAGE) -> Figure:
    """Rows are gold labels with their n, columns predictions; colour is the share of the row.

    Colour follows the square root of the share, so that errors of a few percent are seen beside a strong
    diagonal. An empty cell is exactly 0 (where numbers are written); a label without any gold unit is crossed
    out.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    counts = panel.arrays["counts"].astype(float)
    classes = [str(name) for name in panel.labels["classes"]]
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / total[:, None]
    names, short = with_n(classes, total), with_n(classes)
    scale = 0.9  # inches for the colour scale and the axis label
    cell = (width - scale - width_of(names, 7.5)) / max(1, len(classes))
    if cell < SMALLEST:
        cell = SMALLEST
        width = scale + width_of(names, 60 * cell) + cell * len(classes)
    size = min(7.5, 60 * cell)
    upright = width_of(short, size) > 0.9 * cell
    below = (width_of(short, size) if upright else 0.2) + 0.35
    figure = Figure(figsize=(width, max(1.4, min(cell, 0.4) * len(classes)) + below))
    axes = figure.add_subplot()
    mesh = draw_cells(axes, share, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0))
    if len(classes) <= WRITTEN and cell > 0.15:
        write_in_cells(axes, mesh, [[_percent(x) for x in line] for line in share], min(7.5, 27 * cell))
    name_rows(axes, names, size)
    name_columns(axes, classes, size, room=len(classes), upright=upright)
    axes.set_xlabel("predicted label")
    axes.set_ylabel("gold label (n)")
    bar = figure.colorbar(
        mesh, ax=axes, fraction=0.045, pad=0.02, aspect=30, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1]
    )
    bar.ax.set_yticklabels(["0", "1", "10", "25", "50", "100"], fontsize=7)
    bar.set_label("% of the gold label")
    bar.outline.set_visible(False)
    bar.minorticks_off()
    return figure


def _percent(share: float) -> str:
    """Whole percent; nothing for exactly 0, and never 0 or 100 unless true."""
    if not share > 0:
        return ""
    if share < 0.005:
        return "<1"
    if 0.995 <= share < 1:
        return ">99"
    return f"{100 * share:.0f}"
