"""Curves and forests: every number is where it belongs, nothing covers anything, same panel same bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from probekit.report.figures.curve import log_ticks, spoken_number
from probekit.report.figures.forest import shorten
from probekit.report.figures.style import COLUMN, PAGE
from probekit.report.plot import render
from probekit.results.panel import Panel

from .pictured import BLIMP, attractors, checkpoints, forest, losses
from .test_figures import draw, drawn_ticks

PANELS = {
    "attractors": attractors(), "checkpoints": checkpoints(), "checkpoints-from-1": checkpoints(zero=False),
    "losses": losses(), "forest-67": forest(BLIMP), "forest-22": forest(BLIMP[:22], 5),
}  # fmt: skip


def markers(axes: Any) -> dict[str, np.ndarray]:
    """The points of every series, [points, 2], by its name."""
    return {box.get_label(): box.lines[0].get_xydata() for box in axes.containers}


@pytest.mark.parametrize("width", [PAGE, COLUMN])
@pytest.mark.parametrize("name", PANELS)
def test_labels_are_whole_and_do_not_collide(name: str, width: float) -> None:
    figure = draw(PANELS[name], width)
    axes = figure.axes[0]
    canvas = figure.bbox
    texts = [
        axes.xaxis.label,
        axes.yaxis.label,
        *drawn_ticks(axes.xaxis),
        *drawn_ticks(axes.yaxis),
        *axes.texts,
    ]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -1, text
            assert box.x1 <= canvas.x1 + 1, text
            assert box.y1 <= canvas.y1 + 1, text
    across = [label.get_window_extent() for label in drawn_ticks(axes.xaxis)]
    assert all(left.x1 <= right.x0 for left, right in pairwise(across))
    upward = sorted((label.get_window_extent() for label in drawn_ticks(axes.yaxis)), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(upward))
    assert axes.bbox.width > 0.4 * canvas.width
    assert not figure.legends[0].get_window_extent().overlaps(axes.get_window_extent())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        one["name"] for one in PANELS[name].labels["series"]
    ]


@pytest.mark.parametrize("name", PANELS)
def test_same_panel_same_bytes(name: str) -> None:
    assert render(PANELS[name]) == render(PANELS[name])


@pytest.mark.parametrize(("name", "axis"), [("attractors", 0), ("forest-67", 1), ("forest-22", 1)])
def test_points_of_one_place_stand_apart_and_on_their_values(name: str, axis: int) -> None:
    panel = PANELS[name]
    figure = draw(panel)
    found = markers(figure.axes[0])
    series = [one["name"] for one in panel.labels["series"]]
    values = np.stack([found[name][:, 1 - axis] for name in series])
    np.testing.assert_allclose(values, panel.arrays["value"])
    places = np.stack([found[name][:, axis] for name in series])
    np.testing.assert_array_equal(np.round(places), np.broadcast_to(np.arange(values.shape[1]), values.shape))
    per_unit = abs(np.diff(figure.axes[0].transData.transform([[0, 0], [1, 1]]), axis=0)[0, axis])
    points = np.diff(places, axis=0) * per_unit * 72 / figure.dpi
    assert points.min() > 2.5  # a marker's width
    assert (places.max(axis=0)[:-1] < places.min(axis=0)[1:]).all()


def test_bars_are_the_bounds() -> None:
    panel = PANELS["attractors"]
    for i, box in enumerate(sorted(draw(panel).axes[0].containers, key=lambda b: b.lines[0].get_xdata()[0])):
        ends = np.array([segment[:, 1] for segment in box.lines[2][0].get_segments()])
        np.testing.assert_allclose(ends.T, [panel.arrays["low"][i], panel.arrays["high"][i]])


def test_zero_stands_left_of_a_log_scale() -> None:
    axes = draw(PANELS["checkpoints"]).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "0",
        "1",
        "3",
        "10",
        "30",
        "100",
        "300",
        "1,000",
        "3,000",
        "10k",
    ]
    place = [axes.transData.transform((x, 0))[0] for x in (0, 1, 2, 4, 1000, 2000)]
    assert place[1] > place[0]
    assert place[3] - place[2] == pytest.approx(place[5] - place[4], rel=0.05)
    assert draw(PANELS["checkpoints-from-1"]).axes[0].get_xscale() == "log"


def test_what_is_measured_now_and_then_is_joined() -> None:
    panel = PANELS["losses"]
    lines = {line.get_label(): line for line in draw(panel).axes[0].get_lines()}
    held_out = lines["held-out text"].get_ydata()
    assert len(held_out) == 20
    assert np.isfinite(held_out).all()
    assert lines["held-out text"].get_marker() == "s"
    assert len(lines["training"].get_xdata()) == 200
    assert lines["training"].get_marker() == "None"


def test_points_on_the_edge_are_whole() -> None:
    low, high = draw(PANELS["attractors"]).axes[0].get_ylim()
    assert low < 0
    assert high > 1
    low, high = draw(PANELS["forest-67"]).axes[0].get_xlim()
    assert low < 0
    assert high > 1


def test_the_first_row_is_on_top_and_long_names_keep_both_ends() -> None:
    axes = draw(PANELS["forest-22"], COLUMN).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    boxes = [text.get_window_extent().y0 for text in axes.get_yticklabels()]
    assert boxes == sorted(boxes, reverse=True)
    assert names[0].startswith("distractor_a")
    assert names[0].endswith("_noun")
    assert len(set(names)) == len(names)
    assert [len(shorten("x" * 30, room)) for room in (8, 9, 30)] == [8, 9, 30]


def test_one_row_one_point_and_nothing_measured() -> None:
    for kind, n in (
        ("forest", {"rows": ["only"], "value_label": "v"}),
        ("curve", {"x_label": "x", "y_label": "y"}),
    ):
        series = [{"name": "a", "style": "difference"}, {"name": "a", "style": "task"}]
        arrays: dict[str, Any] = {name: np.full((2, 1), np.nan) for name in ("value", "low", "high")}
        arrays |= {"x": np.array([3.0])} if kind == "curve" else {}
        assert draw(Panel(kind, "p", "P", "", arrays, {"series": series, **n}))
    zero = Panel(
        "curve", "p", "P", "", {**arrays, "x": np.zeros(1)}, {"series": series, **n, "x_scale": "log"}
    )
    assert [text.get_text() for text in draw(zero).axes[0].get_xticklabels()] == ["0"]


def test_ticks_and_numbers_on_axes() -> None:
    assert log_ticks(3, 7, 9) == [3, 7]
    assert log_ticks(0.001, 1, 4) == [0.001, 0.01, 0.1, 1.0]
    assert [spoken_number(x) for x in (9999, 10_000, 123_456, 1e9)] == ["9,999", "10k", "123.456k", "1G"]
