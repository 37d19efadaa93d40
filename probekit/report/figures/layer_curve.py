"""A score by layer: the task, its controls and twins, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from probekit.report.figures.style import PAGE, PALE, shown, thin_ticks
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
    names = [one["name"] for one in series]
    figure = Figure(figsize=(width, 0.48 * width + 0.5 + legend_height(names, width)))
    axes = figure.add_subplot()
    place = np.arange(len(layers))
    for i in drawing_order(series):
        if len(layers) <= FEW:
            draw_points(axes, place + dodge(i, len(series)), values_of(panel, i), i, series[i])
        else:
            draw_line(axes, place, values_of(panel, i), i, series[i])
    _finish(axes, panel, width)
    legend_below(figure, axes, series, width)
    return figure


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
    finish_y(axes, panel, width)
    draw_references(axes, panel)
    if (mark := labels.get("mark")) and mark["layer"] in labels["layers"]:
        place = list(labels["layers"]).index(mark["layer"])
        axes.axvline(place, color=PALE, linewidth=0.7, linestyle=(0, (2, 2)), zorder=0.5)
        axes.annotate(
            shown(mark["text"]), (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", va="bottom", ha="center", color="#555555", fontsize=7,
        )  # fmt: skip
