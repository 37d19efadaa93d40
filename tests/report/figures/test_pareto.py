"""Fronts: points where cost and score are, names that cover nothing, steps through the front."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from probekit.maths.pareto import pareto_front
from probekit.report.figures.style import COLUMN, PAGE, style
from probekit.report.plot import plot, render
from probekit.results.panel import Panel

NAMES = [
    "frozen-linear",
    "scalar-mix",
    "attention-pooling",
    "centroid",
    "full",
    "top-k",
    "lora",
    "ia3",
    "houlsby",
]
COST = np.array([2.3, 14, 40, 0.6, 240, 110, 160, 150, 165])
SCORE = np.array([0.888, 0.94, 0.93, 0.78, 0.968, 0.962, 0.955, 0.91, 0.95])


def pareto(cost: np.ndarray = COST, score: np.ndarray = SCORE, **labels: Any) -> Panel:
    n = len(cost)
    arrays = {"x": cost, "y": score, "low": score - 0.017, "high": score + 0.016, "front": pareto_front(cost, score),
              "group": (np.arange(n) >= 4).astype(np.int64)}  # fmt: skip
    told = {"names": NAMES[:n], "x_label": "CPU seconds", "y_label": "accuracy on test (500 sentences)",
            "groups": ["feature extraction", "fine-tuning"], "x_scale": "log", **labels}  # fmt: skip
    return Panel("pareto", "front", "Front", "", arrays, told)


def draw(panel: Panel, width: float = PAGE) -> Any:
    (figure,) = plot(panel, width=width)
    with style():
        figure.draw_without_rendering()
    return figure


def test_points_are_the_panel_s_numbers_and_those_on_the_front_are_filled() -> None:
    axes = draw(pareto()).axes[0]
    found = {}
    for box in axes.containers:
        line = box.lines[0]
        filled = line.get_markerfacecolor() != "white"
        found |= {(float(x), float(y)): filled for x, y in zip(*line.get_data(), strict=True)}
    front = pareto_front(COST, SCORE)
    assert found == {(float(x), float(y)): bool(own) for x, y, own in zip(COST, SCORE, front, strict=True)}


def test_the_steps_hold_the_best_score_up_to_the_next_cost() -> None:
    axes = draw(pareto(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.7, 0.6]), x_scale="linear")).axes[0]
    x, y = next(line.get_data() for line in axes.get_lines() if len(line.get_xdata()) == 4)
    np.testing.assert_allclose(x, [1, 2, 2, axes.get_xlim()[1]])
    np.testing.assert_allclose(y, [0.5, 0.5, 0.7, 0.7])


@pytest.mark.parametrize("width", [PAGE, COLUMN])
def test_names_cover_no_other_name_and_lie_inside(width: float) -> None:
    figure = draw(pareto(), width)
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert sorted(boxes) == sorted(NAMES)
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        assert not a.overlaps(b), (one, other)
    inside = axes.get_window_extent()
    for name, box in boxes.items():
        assert box.x0 >= inside.x0 - 2, name
        assert box.x1 <= inside.x1 + 2, name
    for text in figure.legends[0].get_texts():
        assert 0 <= text.get_window_extent().x0 < text.get_window_extent().x1 <= figure.bbox.x1 + 1


def test_costs_of_one_size_need_no_log_scale() -> None:
    assert draw(pareto()).axes[0].get_xscale() == "log"
    assert draw(pareto(np.linspace(100, 150, 9))).axes[0].get_xscale() == "linear"


def test_a_far_baseline_is_left_out_and_a_near_one_named() -> None:
    far, near = (
        draw(pareto(reference={"value": value, "name": "majority"})).axes[0] for value in (0.1, 0.75)
    )
    assert "majority" not in [text.get_text() for text in far.texts]
    assert "majority" in [text.get_text() for text in near.texts]


def test_one_point_missing_ones_and_the_same_bytes() -> None:
    missing = pareto(np.where(COST == 40, np.nan, COST), x_scale="linear")
    assert "attention-pooling" not in [text.get_text() for text in draw(missing).axes[0].texts]
    assert draw(pareto(COST[:1], SCORE[:1]))
    assert draw(pareto(COST[:0], SCORE[:0]))
    assert render(pareto()) == render(pareto())
