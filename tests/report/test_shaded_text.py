"""Shaded text on paper and on the page: every word is drawn inside the figure; the page holds text, not markup."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from probekit.report.figures.shaded_text import MOST, draw_shaded_text
from probekit.report.figures.style import COLUMN, PAGE, style
from probekit.report.page import build_page
from probekit.report.plot import plot, render
from probekit.results.panel import Panel
from probekit.results.run import Run

ATTACK = "</script><img src=x onerror=alert(1)>"


def panel(n_lines: int = 3, words: int = 30) -> Panel:
    rng = np.random.default_rng(0)
    chosen = ["a", "keys", "$x$", ATTACK, "日本", "misunderstandings", "(", "☃"]
    lines = [
        {"words": [chosen[i] for i in rng.integers(0, len(chosen), words)], "name": f"s{n}"}
        for n in range(n_lines)
    ]
    value = rng.standard_normal(n_lines * words)
    value[3] = np.nan
    return Panel(
        "shaded-text",
        "text",
        "A neuron",
        "Words.",
        {"value": value},
        {"lines": lines, "value_label": "activation"},
    )


@pytest.mark.parametrize("width", [PAGE, COLUMN])
def test_every_word_is_drawn_inside_and_none_over_another(width: float) -> None:
    given = panel()
    (figure,) = plot(given, width=width)
    with style():
        figure.draw_without_rendering()
    axes, scale = figure.axes
    assert len(axes.texts) == 90
    boxes = [text.get_window_extent() for text in axes.texts]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert min(box.y0 for box in boxes) > scale.get_window_extent().y1
    rows: dict[float, list[tuple[float, float]]] = {}
    for text, box in zip(axes.texts, boxes, strict=True):
        rows.setdefault(round(text.get_position()[1], 3), []).append((box.x0, box.x1))
    assert len(rows) >= 3
    for row in rows.values():
        assert all(left[1] <= right[0] + 0.5 for left, right in pairwise(row))
    shaded = sum(np.isfinite(given.arrays["value"]))
    assert len(axes.patches) == shaded
    assert len(axes.lines) == int((given.arrays["value"] < 0).sum())


def test_long_texts_are_cut_and_counted() -> None:
    n = MOST + 40
    lines = [{"words": ["a", "b\nc", "d"], "name": str(i)} for i in range(n)]
    labels = {"lines": lines, "value_label": "x"}
    (figure,) = plot(Panel("shaded-text", "x", "X", "", {"value": np.ones(3 * n)}, labels))
    *_, last = figure.axes[0].texts
    assert last.get_text() == "… and 120 more words"
    assert figure.axes[0].texts[1].get_text() == "b c"  # a word stays on its line


def test_nothing_to_shade_is_drawn_without_a_scale() -> None:
    labels = {"lines": [{"words": ["a", "b"], "name": ""}, {"words": [], "name": ""}], "value_label": "x"}
    for value in ([0.0, 0.0], [np.nan, np.nan]):
        (figure,) = plot(Panel("shaded-text", "x", "X", "", {"value": np.array(value)}, labels))
        assert len(figure.axes) == 1


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_panel_gives_the_same_bytes(kind: str) -> None:
    assert render(panel(1, 8), kind) == render(panel(1, 8), kind)


def test_the_page_shows_words_as_text(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_info({"name": "neurons", "question": "What does it count?"})
    run.add_panel(panel())
    page = build_page(Run(run.path)).decode()
    assert draw_shaded_text(panel()).html in page
    assert ATTACK not in page
    assert "Figure 1. A neuron." in page
    assert build_page(Run(run.path)).decode() == page
