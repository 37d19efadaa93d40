"""Curves: points of several series at one category stay together, and whole numbers have whole ticks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.report.figures.curve import draw_curve
from probekit.results.panel import Panel


def curve(x: Any, n_series: int, **labels: Any) -> Panel:
    value = np.tile(np.linspace(0.2, 0.8, len(x)), (n_series, 1))
    series = [{"name": f"series {i}", "style": "task"} for i in range(n_series)]
    return Panel(
        "curve", "c", "C", "",
        {"x": np.asarray(x, np.float64), "value": value, "low": value - 0.05, "high": value + 0.05},
        {"x_label": "x", "y_label": "y", "series": series, **labels},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n_series", "n_categories", "most"), [(3, 3, 0.15), (2, 5, 0.15), (8, 3, 0.5), (8, 10, 0.56)]
)
def test_points_of_one_category_are_nearer_to_each_other_than_to_the_next(
    n_series: int, n_categories: int, most: float
) -> None:
    ticks = [str(10**n) for n in range(n_categories)]
    figure = draw_curve(curve(range(n_categories), n_series, x_ticks=ticks))
    [axes] = figure.axes
    places = np.array([line.get_xdata() for line in axes.lines if len(line.get_xdata()) == n_categories])
    assert len(places) == n_series
    spread = np.ptp(places, axis=0)
    assert (spread < most).all()
    apart = np.diff(np.sort(places[:, 0])).min() * figure.axes[0].get_position().width * 6.5 / n_categories
    assert apart * 72 > 2.5  # points: half a marker


def test_epochs_have_no_halves() -> None:
    for epochs in (range(1, 18), range(1, 4)):
        figure = draw_curve(curve(list(epochs), 1))
        figure.draw_without_rendering()
        ticks = figure.axes[0].get_xticks()
        assert (ticks == np.round(ticks)).all()
    figure = draw_curve(curve([0.5, 1.0, 1.5, 2.0], 1))
    figure.draw_without_rendering()
    assert (figure.axes[0].get_xticks() % 1).any()
