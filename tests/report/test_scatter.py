"""Scatter figures: nothing cut off at either width, classes told apart without colour, rare ones merged and told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.report.figures.scatter import MOST
from probekit.report.figures.style import COLUMN, PAGE, style
from probekit.report.plot import plot, render
from probekit.results.panel import Panel

NOTE = """variance 12 %, stress 0.44
trustworthiness 0.81
neighbours kept 21 %, chance 2 %
same label: plane 39 %,
space 45 %, chance 12 %
fit to the plane before >0.99"""


def scatter(planes: int = 7, classes: int = 5, points: int = 120, **more: Any) -> Panel:
    rng = np.random.default_rng(0)
    code = np.concatenate([np.full(points // classes + classes - i, i) for i in range(classes)])
    labels = {
        "planes": [f"layer {i}" for i in range(planes)], "classes": [f"class-{i} ({i})" for i in range(classes)],
        "notes": [NOTE] * planes, **more,
    }  # fmt: skip
    return Panel(
        "scatter",
        "x",
        "X by layer",
        "",
        {"xy": rng.normal(size=(planes, len(code), 2)), "code": code},
        labels,
    )


def drawn(panel: Panel, width: float) -> Any:
    (figure,) = plot(panel, width=width)
    with style():
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("width", [PAGE, COLUMN])
@pytest.mark.parametrize(("planes", "classes"), [(1, 2), (2, 3), (3, 40), (4, 3), (7, 5), (13, 17)])
def test_notes_titles_and_legend_are_whole_and_apart(planes: int, classes: int, width: float) -> None:
    figure = drawn(scatter(planes, classes), width)
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == planes
    canvas = figure.bbox
    texts = [text for axes in shown for text in (axes.title, axes.xaxis.label)]
    texts += figure.legends[0].get_texts()
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= canvas.x0 - 1, text
        assert box.x1 <= canvas.x1 + 1, text
        assert box.y0 >= canvas.y0 - 1, text
        assert box.y1 <= canvas.y1 + 1, text
    boxes = [axes.xaxis.label.get_window_extent() for axes in shown] + [
        axes.get_window_extent() for axes in shown
    ]
    boxes.append(figure.legends[0].get_window_extent())
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert (
                one.x1 <= other.x0 + 1
                or other.x1 <= one.x0 + 1
                or one.y1 <= other.y0 + 1
                or other.y1 <= one.y0 + 1
            )


@pytest.mark.parametrize("width", [PAGE, COLUMN])
def test_a_number_stays_with_its_word(width: float) -> None:
    figure = drawn(scatter(4, 2, notes=[NOTE.replace("\n", ", ")] * 4), width)
    for line in figure.axes[0].get_xlabel().split("\n"):
        assert line.strip()[0].isalpha(), line  # no line begins with a number or a sign


def test_a_long_class_name_keeps_its_count() -> None:
    panel = scatter(1, 2)
    classes = ["to look after somebody at home (1,204)", "a very long name of a class without a count"]
    again = Panel("scatter", "x", "X", "", panel.arrays, {**panel.labels, "classes": classes})
    names = [text.get_text() for text in drawn(again, PAGE).legends[0].get_texts()]
    assert names == ["to look after som… (1,204)", "a very long name of a cla…"]


def test_classes_differ_without_colour_up_to_ten_and_with_it_beyond() -> None:
    from probekit.report.figures.scatter import _looks

    looks = [(look["marker"], look["color"]) for _, _, look in _looks(scatter(1, 13))]
    assert len(looks) == 13
    assert len({marker for marker, _ in looks[:10]}) == 10
    assert len(set(looks)) == len({colour for _, colour in looks}) == 13


def test_rare_classes_are_merged_and_the_legend_says_so() -> None:
    panel = scatter(1, 20, 200)
    figure = drawn(panel, PAGE)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == MOST + 1
    rest = int((panel.arrays["code"] >= MOST).sum())  # classes are smaller the higher their number
    assert names[-1] == f"other (8 classes, {rest})"
    offsets = sum(len(c.get_offsets()) for c in figure.axes[0].collections)
    assert offsets == len(panel.arrays["code"])


def test_a_class_without_points_is_not_in_the_legend_and_one_class_needs_none() -> None:
    panel = scatter(1, 3)
    more = Panel(
        "scatter", "x", "X", "", panel.arrays, {**panel.labels, "classes": [*panel.labels["classes"], "none"]}
    )
    names = [text.get_text() for text in drawn(more, PAGE).legends[0].get_texts()]
    assert "none" not in names
    assert not drawn(scatter(1, 1), PAGE).legends


def test_what_is_not_there_is_counted_and_never_drawn() -> None:
    panel = scatter(2, 2, 20)
    xy = np.array(panel.arrays["xy"])
    xy[0] = np.nan
    xy[1, :3] = np.nan
    broken = Panel("scatter", "x", "X", "", {"xy": xy, "code": panel.arrays["code"]}, dict(panel.labels))
    figure = drawn(broken, PAGE)
    n = xy.shape[1]
    first, second = figure.axes[:2]
    assert [text.get_text() for text in first.texts] == ["not drawn"]
    assert not first.collections
    assert f"3 of {n} points not there" in second.get_xlabel()
    assert sum(len(c.get_offsets()) for c in second.collections) == n - 3


def test_marked_points_are_named_inside_the_figure() -> None:
    panel = scatter(3, 2, 30, marked=[{"index": 0, "name": "play"}, {"index": 7, "name": "$</b>"}])
    figure = drawn(panel, COLUMN)
    for axes in figure.axes[:3]:
        assert [text.get_text() for text in axes.texts] == ["play", "$</b>"]
        for text in axes.texts:
            box = text.get_window_extent()
            assert figure.bbox.x0 - 1 <= box.x0
            assert box.x1 <= figure.bbox.x1 + 1


def test_many_points_are_a_picture_inside_and_the_same_bytes_again() -> None:
    small, large = scatter(2, 3, 60), scatter(4, 3, 800)
    assert b"<image" not in render(small)
    assert b"<image" in render(large)
    assert render(large) == render(large)
    assert len(render(large)) < 900_000


def test_no_points_at_all() -> None:
    panel = Panel(
        "scatter",
        "x",
        "X",
        "",
        {"xy": np.zeros((1, 0, 2)), "code": np.zeros(0, int)},
        {"planes": ["p"], "classes": []},
    )
    figure = drawn(panel, PAGE)
    assert [text.get_text() for text in figure.axes[0].texts] == ["not drawn"]
