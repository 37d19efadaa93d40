"""What the panels of a comparison hold: the numbers of its rows, and nothing that was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from probekit.adaptation.comparison import Comparison
from probekit.results.panel import Panel

from .made_results import bill, problem, runs

GIVEN = problem(100, 60)
RECORDS = tuple({"epoch": epoch, "loss": 1 / epoch, "dev_accuracy": 0.5 + epoch / 10} for epoch in (1, 2, 3))
RESULTS = [
    *(replace(run, bill=bill(100.0, 90_000_000)) for run in runs(GIVEN, "full", 0.9, history=RECORDS)),
    *(replace(run, bill=bill(1.0, 9_000, read=10.0)) for run in
      runs(GIVEN, "knn", 0.6, family="feature-extraction")),
    *(replace(run, bill=bill(120.0, 200_000)) for run in runs(GIVEN, "ia3", 0.5, [0, 1], history=RECORDS[:2])),
]  # fmt: skip
FOUND = Comparison(RESULTS, GIVEN, resamples=100, swaps=199)


def panel(ending: str) -> Panel:
    (one,) = [one for one in FOUND.panels if one.name.endswith(ending)]
    return one


def test_a_strip_holds_every_run() -> None:
    found = panel("-runs")
    assert found.labels["rows"] == ["full", "knn", "ia3"]
    gold = GIVEN.gold[GIVEN.units_of("test")]
    right = [(run.predicted("test") == gold).mean() for run in RESULTS]
    np.testing.assert_allclose(found.arrays["point"], right)
    np.testing.assert_array_equal(found.arrays["row"], [0, 0, 0, 1, 1, 1, 2, 2])


def test_differences_are_those_of_the_best_on_dev() -> None:
    found = panel("-differences")
    assert [row.rstrip(" *") for row in found.labels["rows"]] == ["full − knn", "full − ia3"]
    by_name = {(one.a, one.b): one for one in FOUND.differences if one.metric == "accuracy"}
    one = by_name["full", "knn"]
    np.testing.assert_allclose(found.arrays["low"][:, 0], [one.items.low, one.total.low])
    assert found.arrays["value"][0, 0] == one.value


def test_fronts_hold_what_one_more_task_costs() -> None:
    time, size = panel("-front-time"), panel("-front-bytes")
    assert time.labels["names"] == ["full", "knn", "ia3"]
    np.testing.assert_array_equal(time.arrays["x"], [100.0, 11.0, 120.0])  # the frozen one with its reading
    np.testing.assert_array_equal(size.arrays["x"], [90_000_000, 9_000, 200_000])
    assert time.arrays["front"].tolist() == [True, True, False]
    assert time.labels["groups"] == ["feature extraction", "fine-tuning"]
    assert time.arrays["group"].tolist() == [1, 0, 1]


def test_curves_end_where_a_strategy_did() -> None:
    found = panel("-epochs-loss")
    assert [one["name"] for one in found.labels["series"]] == ["full", "ia3"]
    assert found.labels["x_ticks"] == ["1", "2", "3"]
    np.testing.assert_allclose(found.arrays["value"], [[1, 1 / 2, 1 / 3], [1, 1 / 2, np.nan]])
    assert panel("-epochs-dev-accuracy").labels["y_label"] == "accuracy on dev"


def test_the_tables_have_every_strategy_and_the_majority() -> None:
    assert [row[0] for row in panel("-scores").labels["rows"]] == ["full", "knn", "ia3", "majority class"]
    assert [row[0] for row in panel("-times").labels["rows"]] == ["full", "knn", "ia3"]
    assert panel("-sizes").labels["rows"][1][4] == "9 kB"
    assert [row[-1] for row in panel("-tried").labels["rows"]] == ["not tuned"] * 3
