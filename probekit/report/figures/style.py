"""How every figure looks: one place for sizes, colours, fonts, and for text that any font can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

PAGE = 6.0
"""Width in inches of a figure on the page."""
COLUMN = 3.4
"""Width in inches of a figure in one column of a two-column paper."""

COLOURS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#56b4e9", "#949494", "#b5a800",
    "#f08cc8",
)  # fmt: skip
"""Distinguishable with any colour vision (after seaborn's "colorblind"); never the only difference: see
MARKERS.
"""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES: dict[str, Any] = {
    "task": "-",
    "control": (0, (4, 1.6)),
    "twin": (0, (5, 1.4, 1, 1.4)),
    "baseline": (0, (1, 1.6)),
    "difference": "-",
}
INK = "#222222"
PALE = "#8a8a8a"
MISSING = "#e9e9e9"

STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "text.color": INK,
    "text.parse_math": False,  # "$" is a part-of-speech tag, not mathematics
    "axes.labelcolor": INK,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#cccccc",
    "grid.alpha": 0.5,
    "grid.linewidth": 0.5,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.columnspacing": 1.4,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",  # an SVG inside a page may load no font: drawn letters look the same everywhere
    "svg.hashsalt": "probekit",
}

FALLBACK_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Source Han Sans", "IPAexGothic", "IPAGothic",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans", "Yu Gothic", "Arial Unicode MS",
    "Noto Sans",
)  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """The house style for the block, whatever the user has set; the user's settings are back afterwards."""
    import matplotlib.style

    with matplotlib.style.context([STYLE | {"font.family": list(_families())}], after_reset=True):
        yield


def shown(text: object, limit: int = 0) -> str:
    """The text as the figure's fonts can show it; a character that none has becomes its code point.

    `limit` > 0 cuts longer text with an ellipsis.

    >>> shown("a_long_relation_name", 8)
    'a_long_…'
    """
    word = "".join(char if char == "\n" or _drawable(char) else f"U+{ord(char):04X}" for char in str(text))
    return word[: limit - 1] + "…" if limit and len(word) > limit else word


def undrawn(text: str) -> list[str]:
    """The characters of a text that no font has, each once, in order: those that `shown` spells as code points.

    >>> undrawn("ab")
    []
    """
    return [char for char in dict.fromkeys(text) if char != "\n" and not _drawable(char)]


def thin_ticks(count: int, room: int) -> list[int]:
    """At most about `room` evenly spaced positions out of `count`, the first and the last among them.

    >>> thin_ticks(7, 13), thin_ticks(25, 13)
    ([0, 1, 2, 3, 4, 5, 6], [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24])
    """
    step = max(1, math.ceil(count / max(1, room)))
    ticks = list(range(0, count, step))
    if ticks and ticks[-1] != count - 1:
        if count - 1 - ticks[-1] < step / 2 + 0.5 and len(ticks) > 1:
            ticks.pop()
        ticks.append(count - 1)
    return ticks


def ink_on(red: float, green: float, blue: float) -> str:
    """Black or white, whichever is read better on a colour."""
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5 else INK


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in FALLBACK_FONTS if name in installed))


@lru_cache(maxsize=1)
def _fonts() -> Sequence[Any]:
    from matplotlib import font_manager

    return [font_manager.get_font(font_manager.findfont(name)) for name in _families()]


@lru_cache(maxsize=4096)
def _drawable(char: str) -> bool:
    return any(font.get_char_index(ord(char)) for font in _fonts())
