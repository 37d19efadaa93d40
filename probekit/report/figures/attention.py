"""What every head looks at, all of them small, and one of them large with its pieces."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

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
    large = (int(large[0]), int(large[1]))
    tokens = [shown(labels["tokens"][number], LONGEST) for number in drawn]
    note = shown(_note(panel, drawn, len(special), weights))
    foot = fill(note, int(18 * width)) if note else ""
    # inches: a square that is to be as large as it can has no place in an automatic layout
    cell = min((width - 0.65) / heads, TALLEST / layers, 0.9)
    side = min(0.6 * width, max(0.4 * width, 0.14 * n + 0.6))
    longest = 0.0082 * max(_length(token) for token in tokens)  # inches for each point of the font
    size = float(min(np.clip(46.0 * side / n, 3.6, 8), 0.3 * width / longest))
    beside = longest * size + 0.06
    side = min(side, width - beside - 1.05)
    below = beside + 0.24 + (0.105 * (foot.count("\n") + 1) + 0.06 if foot else 0)
    above = layers * cell + 0.52 if layers * heads > 1 else 0.03
    height = below + side + 0.24 + above
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")

    def place_axes(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    if layers * heads > 1:
        left = 0.5 + (width - 0.65 - heads * cell) / 2
        _draw_grid(
            place_axes(left, height - 0.38 - layers * cell, heads * cell, layers * cell),
            labels,
            weights,
            large,
        )
    left = max(beside + 0.25, (width - side + beside - 0.55) / 2)
    axes = place_axes(left, below, side, side)
    image = _draw_large(axes, weights[large], tokens, special, size)
    border = labels.get("sentence_b")
    if border is not None and 0 < (at := int((drawn < border).sum())) < n:
        for line in (axes.axhline, axes.axvline):
            line(at - 0.5, color="white", linewidth=1.2)
    layer, head = str(labels["layers"][large[0]]), str(labels["heads"][large[1]])
    axes.set_title(shown(f"layer {layer}" + (f", head {head}" if head != "all" else "")), fontsize=8.5, pad=3)
    axes.set_ylabel("looks", fontsize=8, labelpad=2)
    axes.set_xlabel("looked at", fontsize=8, labelpad=2)
    figure.text(0.5, 0.03 / height, foot, fontsize=6.5, color="#555555", ha="center", va="bottom")
    bar = figure.colorbar(image, cax=place_axes(left + side + 0.1, below + 0.1 * side, 0.1, 0.8 * side))
    bar.set_label(shown(labels.get("value_label") or "attention weight", 40), fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
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
    axes.set_xlabel("head", fontsize=8, labelpad=2)
    axes.set_ylabel("layer", fontsize=8, labelpad=2)
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


def _length(text: str) -> float:
    """How long a text is drawn, in letters of middling width."""
    return sum(
        1.8 if letter >= "\u2e80" else 1.6 if letter in "mwMW@%" else 1.25 if letter.isupper() else 1.0
        for letter in text
    )


def _coloured(weights: Array) -> Array:
    """Weights as colours, uint8 ``[rows, columns, 4]``."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    known = np.isfinite(weights)
    found: Array = colormaps[CMAP](np.clip(np.where(known, weights, 0), 0, 1), bytes=True)
    found[~known, :3] = [round(255 * part) for part in to_rgb(MISSING)]
    return found


def _note(panel: Panel, drawn: Array, n_special: int, weights: Array) -> str:
    told = str(panel.labels.get("note") or "").strip()
    told += "" if not told or told.endswith((".", "!", "?")) else "."
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
