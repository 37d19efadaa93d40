"""What stands in the figures: the data, every label, a legend beside the axes, nothing of pyplot."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from probekit.errors import ConfigError
from probekit.report.figures.style import COLUMN, PAGE, shown, style, thin_ticks
from probekit.report.plot import panels_of, plot, render
from probekit.results.panel import Panel
from probekit.results.run import Run

from .conftest import ATTACK, UPOS, confusion, heatmap, layer_curve, selectivity, table_panel

LONG = ["nmod:poss-very-long-relation-name", "$", "</b>", "名詞", *(f"label-number-{i}" for i in range(46))]
PANELS = {
    "curve-7": layer_curve(7), "curve-13": layer_curve(13), "curve-25": layer_curve(25), "curve-2": layer_curve(2),
    "curve-1": layer_curve(1), "difference": selectivity(), "heat-16": heatmap(UPOS), "heat-50": heatmap(LONG, 25),
    "heat-2": heatmap(["Sing", "Plur"], 1), "confusion-2": confusion(["Sing", "Plur"]), "confusion-17": confusion(UPOS),
    "confusion-50": confusion(LONG),
}  # fmt: skip


def draw(panel: Panel, width: float = PAGE) -> Any:
    (figure,) = plot(panel, width=width)
    with style():
        figure.draw_without_rendering()
    return figure


def drawn_ticks(axis: Any) -> list[Any]:
    """The tick labels inside the limits: matplotlib keeps others and does not draw them."""
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks()
    return [tick.label1 for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


@pytest.mark.parametrize("width", [PAGE, COLUMN])
@pytest.mark.parametrize("name", PANELS)
def test_nothing_is_cut_off_and_tick_labels_do_not_collide(name: str, width: float) -> None:
    figure = draw(PANELS[name], width)
    canvas = figure.bbox
    for axes in figure.axes:
        for text in [axes.xaxis.label, axes.yaxis.label, *drawn_ticks(axes.xaxis), *drawn_ticks(axes.yaxis)]:
            if text.get_text():
                box = text.get_window_extent()
                assert box.x0 >= canvas.x0 - 1, text
                assert box.x1 <= canvas.x1 + 1, text
                assert box.y0 >= canvas.y0 - 1, text
                assert box.y1 <= canvas.y1 + 1, text
        if not any(label.get_rotation() for label in axes.get_xticklabels()):
            boxes = [label.get_window_extent() for label in drawn_ticks(axes.xaxis)]
            for left, right in pairwise(boxes):
                assert left.x1 <= right.x0
        assert axes.bbox.width > 0.25 * canvas.width or axes is not figure.axes[0]


def test_legend_lies_outside_the_axes() -> None:
    for panel in (PANELS["curve-7"], PANELS["curve-1"]):
        figure = draw(panel)
        legend = figure.legends[0].get_window_extent()
        assert not legend.overlaps(figure.axes[0].get_window_extent())
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [
            one["name"] for one in panel.labels["series"]
        ]


def test_lines_are_the_panel_s_numbers_and_bands_its_bounds() -> None:
    panel = layer_curve(7)
    value = panel.arrays["value"].copy()
    value[0, 2] = np.nan
    figure = draw(
        Panel(panel.kind, panel.name, panel.title, "", {**panel.arrays, "value": value}, panel.labels)
    )
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_array_equal(lines["upos, linear probe"].get_ydata(), value[0])
    np.testing.assert_array_equal(lines["majority"].get_ydata(), value[4])
    band = figure.axes[0].collections[-1].get_paths()[0].vertices[:, 1]
    assert set(np.round(panel.arrays["low"][0], 9)) <= set(np.round(band, 9))


def test_confusion_shows_shares_of_gold_and_never_rounds_to_none_or_all() -> None:
    counts = np.array([[999, 1, 0], [1, 1, 0], [0, 0, 0]])
    panel = Panel("confusion", "c", "C", "", {"counts": counts}, {"classes": ["a", "b", "c"]})
    axes = draw(panel).axes[0]
    assert [text.get_text() for text in axes.texts] == [">99", "<1", "50", "50"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (1,000)", "b (2)", "c (0)"]
    assert len(axes.patches) == 3  # the row without gold is crossed out


def test_heatmap_marks_what_is_not_defined() -> None:
    figure = draw(heatmap(UPOS))
    assert len(figure.axes[0].patches) == 7
    assert "label (n words)" in figure.axes[0].get_ylabel()


def test_hostile_labels_are_drawn_as_they_are() -> None:
    figure = draw(confusion(["$x^2$", ATTACK, r"\frac{1}{2}"]))
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[0] == "$x^2$"
    assert names[1].startswith("</script>")
    assert b"<img" not in render(confusion(["$x^2$", ATTACK]))


def test_characters_no_font_has_become_code_points() -> None:
    assert shown("a\U0010ffff") == "aU+10FFFF"
    assert shown("Ünïcode λ ж") == "Ünïcode λ ж"


@pytest.mark.parametrize("count", [1, 2, 7, 13, 25, 49])
def test_ticks_are_even_and_hold_both_ends(count: int) -> None:
    ticks = thin_ticks(count, 13)
    assert ticks[0] == 0
    assert ticks[-1] == count - 1
    assert len(ticks) <= 14
    assert len(set(np.diff(ticks[:-1]).tolist())) <= 1


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_same_panel_same_bytes(kind: str) -> None:
    for panel in (PANELS["curve-7"], PANELS["heat-2"]):
        assert render(panel, kind) == render(panel, kind)


def test_settings_of_the_user_are_neither_read_nor_changed() -> None:
    plain = render(layer_curve(2))
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "figure.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert render(layer_curve(2)) == plain
        assert dict(mpl.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_plot_takes_panels_runs_and_results(fake_run: Run) -> None:
    assert len(plot(fake_run)) == 4

    class Result:
        panels = (layer_curve(2), table_panel())

    figures = plot(Result())
    assert len(figures) == 1
    assert figures[0] is not plot(Result())[0]
    assert figures._repr_html_().startswith("<img alt=")
    with pytest.raises(ConfigError, match="int has no panels"):
        panels_of(3)
