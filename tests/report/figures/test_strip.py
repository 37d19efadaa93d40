"""Strip plots: every run where its value is, none hidden, far ones told at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.report.figures.strip import stacked
from probekit.report.figures.style import COLUMN, PAGE, style
from probekit.report.plot import plot, render
from probekit.results.panel import Panel


def strip(
    hollow: tuple[float, ...] = (), reference: float | None = None, rows: int = 3, **labels: Any
) -> Panel:
    rng = np.random.default_rng(0)
    value = np.linspace(0.8, 0.95, rows)
    point = np.concatenate([value.repeat(5) + 0.01 * rng.normal(size=5 * rows), hollow])
    row = np.concatenate([np.arange(rows).repeat(5), np.zeros(len(hollow))]).astype(np.int64)
    told: dict[str, Any] = {
        "rows": [f"strategy-{i}" for i in range(rows)], "value_label": "accuracy", "point_label": "one run", **labels,
    }  # fmt: skip
    if reference is not None:
        told["reference"] = {"value": reference, "name": "majority"}
    arrays = {"point": point, "row": row, "value": value, "low": value - 0.02, "high": value + 0.02,
              "hollow": np.arange(len(point)) >= 5 * rows}  # fmt: skip
    return Panel("strip", "runs", "Every run", "", arrays, told)


def draw(panel: Panel, width: float = PAGE) -> Any:
    (figure,) = plot(panel, width=width)
    with style():
        figure.draw_without_rendering()
    return figure


def test_points_means_and_bars_are_the_panel_s_numbers() -> None:
    panel = strip()
    axes = draw(panel).axes[0]
    filled = axes.collections[-2].get_offsets()
    np.testing.assert_allclose(np.sort(filled[:, 0]), np.sort(panel.arrays["point"]))
    assert (np.abs(filled[:, 1] - panel.arrays["row"]) < 0.5).all()
    (bar,) = axes.containers
    np.testing.assert_allclose(bar.lines[0].get_xdata(), panel.arrays["value"])
    ends = np.array([segment[:, 0] for segment in bar.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends.T, [panel.arrays["low"], panel.arrays["high"]])


def test_equal_runs_are_all_seen_and_stay_in_their_row() -> None:
    lift = stacked(np.full(20, 0.5), np.zeros(20, np.int64), 0.01)
    assert len(set(lift)) == 20
    assert lift.max() <= 0.2
    assert stacked(np.array([0.1, 0.2, 0.1]), np.array([0, 0, 1]), 0.05).tolist() == [0.0, 0.0, 0.0]


def test_a_run_far_away_is_told_at_the_edge_and_a_near_one_drawn() -> None:
    far = draw(strip(hollow=(0.2,)))
    axes = far.axes[0]
    assert axes.get_xlim()[0] > 0.7
    assert "← 0.2" in [text.get_text() for text in axes.texts]
    assert [text.get_text() for text in far.legends[0].get_texts()] == ["one run", "degenerate", "mean"]
    near = draw(strip(hollow=(0.75,))).axes[0]
    assert near.get_xlim()[0] < 0.75
    assert not [text for text in near.texts if "←" in text.get_text()]


def test_a_baseline_is_drawn_where_it_does_not_press_the_others_together() -> None:
    assert [text.get_text() for text in draw(strip(reference=0.75)).axes[0].texts] == ["majority"]
    assert [text.get_text() for text in draw(strip(reference=0.1)).axes[0].texts] == []


@pytest.mark.parametrize("width", [PAGE, COLUMN])
@pytest.mark.parametrize("rows", [1, 17])
def test_nothing_is_cut_off(width: float, rows: int) -> None:
    panel = strip(hollow=(0.2,), rows=rows, notes=["1 of 5 failed", *[""] * (rows - 1)])
    figure = draw(panel, width)
    axes = figure.axes[0]
    for text in [axes.xaxis.label, *axes.get_yticklabels(), *axes.texts, *figure.legends[0].get_texts()]:
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
    assert axes.get_window_extent().width > 0.3 * figure.bbox.width


def test_no_run_and_the_same_bytes() -> None:
    nothing = {
        "point": np.zeros(0),
        "row": np.zeros(0, np.int64),
        **dict.fromkeys(("value", "low", "high"), np.full(1, np.nan)),
    }
    labels = {"rows": ["a"], "value_label": "v", "point_label": "one run"}
    assert draw(Panel("strip", "x", "X", "", nothing, labels))
    assert render(strip()) == render(strip())
