"""Shaded words as HTML: text stays text, colours lie around 0, letters are legible on them in light and dark."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from probekit.results.panel import Panel
from probekit.results.shaded_words import ABOVE, BELOW, DEEPEST, LINES, depth_of, shade_words, shaded_range

ATTACK = "</script><img src=x onerror=alert(1)>"


def panel(lines: list[list[str]], value: list[float], **labels: object) -> Panel:
    named = [{"words": words, "name": f"s{i}"} for i, words in enumerate(lines)]
    return Panel(
        "shaded-text",
        "x",
        "X",
        "",
        {"value": np.array(value)},
        {"lines": named, "value_label": "activation", **labels},
    )


class Tags(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_words_stay_text_and_in_order() -> None:
    made = shade_words(panel([["a", ATTACK], ['"q"', "é☃"]], [0.5, -0.25, 0.0, np.nan])).html
    read = Tags()
    read.feed(made)
    assert set(read.tags) <= {"div", "p", "span", "small"}
    assert read.text.startswith(f'a {ATTACK}"q" é☃')
    titles = re.findall(r'<span [^>]*title="([^"]*)"', made)
    assert titles == ["0.5", "-0.25", "0", "no value"]


def test_colours_lie_around_zero() -> None:
    made = shade_words(panel([["up", "down", "flat"]], [2.0, -1.0, 0.0])).html
    up, down, flat = re.findall(r"background: rgba\(([\d, .]+)\)", made)[:3]
    assert up == f"{ABOVE}, {DEEPEST:.3f}"
    assert down == f"{BELOW}, {DEEPEST / 2:.3f}"
    assert flat.endswith(", 0.000")
    assert made.count("border-bottom: 2px") == 1  # what lies below 0 is told without colour too


def test_a_range_that_is_given_is_kept_and_the_scale_says_it() -> None:
    given = panel([["a", "b"]], [5.0, 0.5], range=[0.0, 1.0])
    assert shaded_range(given) == (0.0, 1.0)
    assert depth_of(5.0, 0.0, 1.0) == 1.0
    assert depth_of(-1.0, 0.0, 1.0) == 0.0
    made = shade_words(given).html
    assert "<span>0</span><span>1</span>" in made
    assert "<span>-2</span><span>0</span><span>2</span>" in shade_words(panel([["a"]], [-2.0])).html
    assert "<span>-2</span><span>0</span>" in shade_words(panel([["a"]], [-2.0], range=[-2.0, 0.0])).html


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_but_zero_or_no_value_has_no_scale(value: float) -> None:
    made = shade_words(panel([["a"]], [value])).html
    assert "activation: 0 everywhere" in made if value == 0 else "no value" in made
    assert "gradient" not in made


def test_many_lines_are_counted() -> None:
    n = LINES + 3
    assert "... and 3 more lines" in shade_words(panel([["a"]] * n, [1.0] * n)).html


def luminance(colour: tuple[float, ...]) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("shade", [ABOVE, BELOW])
@pytest.mark.parametrize(
    ("ground", "ink"), [("fdfdfb", "1d1f21"), ("16181a", "e6e4df"), ("ffffff", "000000")]
)
def test_letters_are_legible_on_the_deepest_shade(shade: str, ground: str, ink: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2, level AA) in the light and the dark page."""
    below, letters = (tuple(int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)) for c in (ground, ink))
    over = [int(part) / 255 for part in shade.split(",")]
    mixed = tuple(DEEPEST * a + (1 - DEEPEST) * b for a, b in zip(over, below, strict=True))
    light, dark = sorted((luminance(mixed), luminance(letters)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
