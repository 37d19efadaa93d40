"""What every head looks at, all of them small, and one of them large with its pieces."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.report.figures.cells import width_of
from probekit.report.figures.style import MISSING, PAGE, shown, thin_ticks
from probekit.results.panel import Panel
from probekit.results.views.window import choose_pieces, reach, told_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]

CMAP = "viridis"
MARK = "#c44e00"
LEVELS = 32  # colours of the small pictures: more cannot be told apart there, and fewer make a smaller file
TALLEST = 7.0
LONGEST = 14


def draw_attention(panel: Panel, width: float = PAGE) -> Figure:
    """A grid of all heads (rows are layers) over one large head: rows look, columns are looked at, colours from 0 to 1.

    The large head is the panel's `chosen`, else the one that looks most sharply at pieces
    farther away. Special pieces are
    orange and their columns fenced; a white line parts two texts. Of more pieces than can be read a window is drawn,
    and said so. What is not defined is grey.
    """
    from matplotlib.figure import Figure

    labels = panel.labels
    drawn = choose_pieces(
        len(labels["tokens"]), int(6.7 * width), labels.get("special") or (), labels.get("sentence_b")
    )
    place = {int(number): at for at, number in enumerate(drawn)}
    special = [place[number] for number in labels.get("special") or () if number in place]
    weights = panel.arrays["weights"][:, :, drawn[:, None], drawn].astype(float)
    layers, heads, n, _ = weights.shape
    large = labels.get("chosen") or np.unravel_index(int(reach(weights, special).argmax()), (layers, heads))
    cell = min((width - 0.55) / heads, TALLEST / layers, 0.9)
    side = min(0.62 * width, 0.14 * n + 0.6)
    tokens = [shown(labels["tokens"][number], LONGEST) for number in drawn]
    size = float(np.clip(46.0 * side / n, 3.6, 8))
    beside = width_of(tokens, size)
    note = shown(_note(panel, drawn, len(special), weights))
    foot = fill(note, int(18 * width)) if note else ""
    grid = layers * cell + 0.42 if layers * heads > 1 else 0.0
    down = side + beside + 0.72 + 0.12 * (foot.count("\n") + 1 if foot else 0)
    figure = Figure(figsize=(width, grid + down))
    lower: Any = figure
    if grid:
        parts: Any = figure.subfigures(2, 1, height_ratios=[grid, down])
        _draw_grid(parts[0].add_subplot(), labels, weights, (int(large[0]), int(large[1])))
        lower = parts[1]
    middle = min(width, side + beside + 0.95)
    edge = max(0.01, (width - middle) / 2)
    axes = lower.add_subplot(lower.add_gridspec(1, 3, width_ratios=[edge, middle, edge])[1])
    image = _draw_large(axes, weights[int(large[0]), int(large[1])], tokens, special, size)
    border = labels.get("sentence_b")
    if border is not None and 0 < (at := int((drawn < border).sum())) < n:
        for line in (axes.axhline, axes.axvline):
            line(at - 0.5, color="white", linewidth=1.2)
    name = f"layer {labels['layers'][int(large[0])]}, head {labels['heads'][int(large[1])]}"
    axes.set_title(shown(name), fontsize=8.5)
    axes.set_ylabel("looks", fontsize=8)
    axes.set_xlabel("looked at", fontsize=8)
    if foot:
        lower.supxlabel(foot, fontsize=6.5, color="#555555")
    bar = lower.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=22)
    bar.set_label("attention weight", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return figure


def _draw_grid(axes: Axes, labels: Any, weights: Array, large: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    layers, heads, n, _ = weights.shape
    gap = max(1, round(0.09 * n))
    step = n + gap
    # one picture of all heads: a picture for each would be a file each inside the figure
    canvas = np.full((layers * step - gap, heads * step - gap, 4), 0, np.uint8)
    for layer in range(layers):
        for head in range(heads):
            rows, columns = slice(layer * step, layer * step + n), slice(head * step, head * step + n)
            canvas[rows, columns] = _coloured(np.rint(weights[layer, head] * (LEVELS - 1)) / (LEVELS - 1))
    axes.imshow(canvas, interpolation="none", aspect="equal")
    middle = (n - 1) / 2
    across, along = thin_ticks(heads, 24), thin_ticks(layers, 24)
    axes.set_xticks([head * step + middle for head in across], [shown(labels["heads"][i], 6) for i in across])
    axes.set_yticks(
        [layer * step + middle for layer in along], [shown(labels["layers"][i], 12) for i in along]
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labelsize=7, pad=1.5)
    axes.set_xlabel("head", fontsize=8)
    axes.set_ylabel("layer", fontsize=8)
    edge = gap / 2 + 0.5
    box = Rectangle(
        (large[1] * step - edge, large[0] * step - edge), n - 1 + 2 * edge, n - 1 + 2 * edge, fill=False,
        edgecolor=MARK, linewidth=1.3, clip_on=False,
    )  # fmt: skip
    axes.add_patch(box)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_large(axes: Axes, weights: Array, tokens: list[str], special: list[int], size: float) -> Any:
    from matplotlib import colormaps

    n = len(tokens)
    image = axes.imshow(
        np.ma.masked_invalid(weights), cmap=colormaps[CMAP].with_extremes(bad=MISSING), vmin=0, vmax=1,
        interpolation="none", aspect="equal",
    )  # fmt: skip
    axes.set_xticks(range(n), tokens, rotation=90, fontsize=size)
    axes.set_yticks(range(n), tokens, fontsize=size)
    axes.tick_params(length=0, pad=2)
    for at in special:
        for tick in (axes.get_xticklabels()[at], axes.get_yticklabels()[at]):
            tick.set_color(MARK)
            tick.set_fontweight("bold")
        for edge in (at - 0.5, at + 0.5):
            axes.axvline(edge, color=MARK, linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _coloured(weights: Array) -> Array:
    """Weights as colours, uint8 ``[rows, columns, 4]``."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    known = np.isfinite(weights)
    found: Array = colormaps[CMAP](np.clip(np.where(known, weights, 0), 0, 1), bytes=True)
    found[~known, :3] = [round(255 * part) for part in to_rgb(MISSING)]
    return found


def _note(panel: Panel, drawn: Array, n_special: int, weights: Array) -> str:
    told = str(panel.labels.get("note") or "")
    parts = [
        told,
        told_window(
            len(panel.labels["tokens"]),
            drawn,
            n_special,
            two=panel.labels.get("sentence_b") is not None,
            verb="Drawn",
        ),
        "Grey: not defined." if np.isnan(weights).any() else "",
    ]
    return " ".join(part for part in parts if part)
