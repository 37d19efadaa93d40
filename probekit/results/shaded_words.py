"""A "shaded-text" panel as HTML in which every word is text: on a page and in a notebook, light or dark."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probekit.results.fragment import Fragment
from probekit.results.html import escape
from probekit.results.panel import Panel

ABOVE, BELOW = "33, 102, 172", "178, 24, 43"
"""Blue and red, the ends of the heat map's colours; half transparent, so that dark and light ink are read on them."""
DEEPEST = 0.6
LINES = 200
"""Lines that are shown; a page is no place for a whole corpus."""


def shaded_range(panel: Panel) -> tuple[float, float]:
    """The range of a panel's colours, which lie around 0: given, or as far as the values go to either side.

    >>> labels = {"lines": [{"words": ["a", "b"], "name": ""}], "value_label": "x"}
    >>> shaded_range(Panel("shaded-text", "x", "X", "", {"value": np.array([-0.5, 2.0])}, labels))
    (-2.0, 2.0)
    """
    if "range" in panel.labels:
        low, high = panel.labels["range"]
        return float(low), float(high)
    value = panel.arrays["value"]
    reach = float(np.abs(value[np.isfinite(value)]).max(initial=0.0))
    return -reach, reach


def depth_of(value: float, low: float, high: float) -> float:
    """How deep a value is shaded, -1 ... 1: its distance to 0 as a share of the range; beyond it, the deepest."""
    end = high if value > 0 else -low
    return math.copysign(min(1.0, abs(value) / end), value) if end > 0 and value else 0.0


def shade_words(panel: Panel) -> Fragment:
    """The lines with their words shaded (blue above 0, red and underlined below), each value in a title, and the scale.

    A word without a value has a dotted line under it. After 200 lines the rest is counted.

    >>> labels = {"lines": [{"words": ["a", "<b>"], "name": "s1"}], "value_label": "x"}
    >>> found = shade_words(Panel("shaded-text", "x", "X", "", {"value": np.array([-0.5, np.nan])}, labels))
    >>> "&lt;b&gt;" in found.html, 'title="-0.5"' in found.html
    (True, True)
    """
    low, high = shaded_range(panel)
    lines: list[dict[str, Any]] = panel.labels["lines"]
    values, at, parts = panel.arrays["value"], 0, []
    for line in lines[:LINES]:
        words = [
            _word(word, float(value), low, high)
            for word, value in zip(line["words"], values[at : at + len(line["words"])], strict=True)
        ]
        at += len(words)
        look = 'dir="auto" style="margin: .3em 0; line-height: 1.7"'
        parts.append(f'<p {look} title="{escape(line["name"])}">{" ".join(words)}</p>')
    if len(lines) > LINES:
        parts.append(f"<p>... and {len(lines) - LINES:,} more lines</p>")
    return Fragment(f'<div class="shaded">{"".join(parts)}{_scale(panel, low, high)}</div>')


def _word(word: str, value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return f'<span style="border-bottom: 1px dotted" title="no value">{escape(word)}</span>'
    depth = depth_of(value, low, high)
    colour = ABOVE if depth > 0 else BELOW
    under = f"; border-bottom: 2px solid rgba({BELOW}, {-depth:.2f})" if depth < 0 else ""
    return (
        f'<span style="background: rgba({colour}, {DEEPEST * abs(depth):.3f}); padding: .1em .12em; border-radius: 2px'
        f'{under}" title="{value:.4g}">{escape(word)}</span>'
    )


def _scale(panel: Panel, low: float, high: float) -> str:
    """A bar of the colours with the numbers at its ends and at 0."""
    numbers: tuple[str, ...]
    if low < 0 < high:
        ends = f"rgba({BELOW}, {DEEPEST}), transparent, rgba({ABOVE}, {DEEPEST})"
        numbers = (f"{low:.3g}", "0", f"{high:.3g}")
    elif high > 0:
        ends, numbers = f"transparent, rgba({ABOVE}, {DEEPEST})", ("0", f"{high:.3g}")
    elif low < 0:
        ends, numbers = f"rgba({BELOW}, {DEEPEST}), transparent", (f"{low:.3g}", "0")
    else:
        return f'<p style="margin: .5em 0 0"><small>{escape(panel.labels["value_label"])}: 0 everywhere</small></p>'
    marks = "".join(f"<span>{escape(number)}</span>" for number in numbers)
    return (
        f'<div style="margin: .6em 0 0; width: 15em; font-size: .8em">{escape(panel.labels["value_label"])}'
        f'<div style="height: .7em; border: 1px solid rgba(128, 128, 128, .5); background: linear-gradient(to right, '
        f'{ends})"></div><div style="display: flex; justify-content: space-between">{marks}</div></div>'
    )
