"""Words shaded by a number: as HTML on the page, as a picture on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.report.figures.style import INK, PAGE, PALE, shown
from probekit.results.fragment import Fragment
from probekit.results.panel import Panel
from probekit.results.shaded_words import DEEPEST, depth_of, shade_words, shaded_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 8.0
LEADING = 1.7
"""Height of a line, in font sizes."""
MOST = 60
"""Printed lines of one picture, about a page; the rest is counted."""
LONGEST = 40
MARGIN = 5.0
FOOT = 40.0
FINER = 10
"""Letters are measured this much larger: at their own size widths are rounded to whole points."""
ABOVE, BELOW = (33 / 255, 102 / 255, 172 / 255), (178 / 255, 24 / 255, 43 / 255)

Box = tuple[int, float, float, str, float]
"""Printed line, left end and width in points, word, value."""


def draw_shaded_text(panel: Panel) -> Fragment:
    """The panel as a piece of the page: words stay text, each value stands in a title."""
    return shade_words(panel)


def picture_shaded_text(panel: Panel, width: float = PAGE) -> Figure:
    """The panel for paper: lines are broken at the width, every new line of the panel begins on a new line.

    Blue lies above 0, red below, where a word is underlined too; a word without a value is grey. After 60 printed
    lines the rest is counted.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    low, high = shaded_range(panel)
    room, step = 72 * width - 2 * MARGIN, LEADING * SIZE
    boxes, starts, n_lines, left = _set(panel, room)
    height = n_lines * step + 0.35 * step * len(starts) + (step if left else 0.0) + FOOT + MARGIN
    figure = Figure(figsize=(width, height / 72))
    figure.set_layout_engine("none")  # everything here stands where it was measured
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, 72 * width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()

    extra = {line: 0.35 * step * sum(start <= line for start in starts[1:]) for line in range(n_lines)}
    for line, at, wide, word, value in boxes:
        y = MARGIN + line * step + extra[line]
        known = value == value
        depth = depth_of(value, low, high) if known else 0.0
        face = (*(ABOVE if depth > 0 else BELOW), DEEPEST * abs(depth))
        if depth:
            axes.add_patch(
                Rectangle((at - 1.2, y + 0.1 * step), wide + 2.4, 0.82 * step, facecolor=face, linewidth=0)
            )
        if depth < 0:
            axes.plot(
                [at, at + wide], [y + 0.9 * step] * 2, color=(*BELOW, -depth), linewidth=0.9, solid_capstyle="butt"
            )  # fmt: skip
        axes.text(
            at, y + 0.7 * step, word, fontsize=SIZE, color=INK if known else PALE, va="baseline", ha="left"
        )
    if left:
        axes.text(MARGIN, height - FOOT - 0.3 * step, f"… and {left:,} more words", fontsize=SIZE, color=PALE)
    _draw_scale(figure, panel, low, high, width, height)
    return figure


def _set(panel: Panel, room: float) -> tuple[list[Box], list[int], int, int]:
    """Words on printed lines; which of these begin a line of the panel; how many there are; words left."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    draw: Any = RendererAgg
    renderer, font, known = draw(10, 10, 72 * FINER), FontProperties(size=SIZE), dict[str, float]()

    def wide(text: str) -> float:
        if text not in known:
            known[text] = float(renderer.get_text_width_height_descent(text, font, ismath=False)[0]) / FINER
        return known[text]

    gap = 1.2 * wide(" ")
    values, number, boxes, starts, line = panel.arrays["value"], 0, list[Box](), list[int](), -1
    for one in panel.labels["lines"]:
        line += 1
        if line < MOST:
            starts.append(line)
        at = MARGIN
        for word in one["words"]:
            text = shown(" ".join(word.split("\n")), LONGEST)
            if at > MARGIN and at + wide(text) > MARGIN + room:
                line, at = line + 1, MARGIN
            if line < MOST:
                boxes.append((line, at, wide(text), text, float(values[number])))
            at += wide(text) + gap
            number += 1
    return boxes, starts, min(line + 1, MOST), number - len(boxes)


def _draw_scale(figure: Any, panel: Panel, low: float, high: float, width: float, height: float) -> None:
    """A bar of the colours with its numbers, at the foot."""
    from matplotlib.colors import LinearSegmentedColormap

    if not low < high:
        return
    span = min(140.0, 72 * width - 2 * MARGIN - 20)
    box = ((MARGIN + 8) / (72 * width), 18 / height, span / (72 * width), 6 / height)
    axes = figure.add_axes(box)
    steps = 101
    shades = []
    for i in range(steps):
        depth = depth_of(low + (high - low) * i / (steps - 1), low, high)
        alpha, colour = DEEPEST * abs(depth), ABOVE if depth > 0 else BELOW
        shades.append(tuple(1 - alpha * (1 - part) for part in colour))
    axes.imshow(
        [list(range(steps))], aspect="auto", cmap=LinearSegmentedColormap.from_list("shades", shades, N=steps),
        extent=(low, high, 0, 1),
    )  # fmt: skip
    ticks = sorted({low, high, *([0.0] if low < 0 < high else [])})
    axes.set_yticks([])
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks], fontsize=7)
    axes.tick_params(length=2, pad=1.5)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)
    axes.set_title(shown(panel.labels["value_label"]), fontsize=7, loc="left", pad=2)
