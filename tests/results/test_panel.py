"""Panels: validated by kind, kept whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probekit.errors import DataError
from probekit.results.panel import Panel, distinct

CURVE: dict[str, Any] = {
    "layers": ["0", "1"], "x_label": "layer", "y_label": "accuracy", "series": [{"name": "upos", "style": "task"}],
}  # fmt: skip
VALUE = np.array([[0.5, np.nan]])
MAP: dict[str, Any] = {
    "rows": ["a"], "columns": ["0", "1"], "row_label": "label", "column_label": "layer", "value_label": "F1",
}  # fmt: skip
ONE: dict[str, Any] = {"value": VALUE, "low": VALUE, "high": VALUE}
STEPS: dict[str, Any] = {"x_label": "step", "y_label": "loss", "series": CURVE["series"]}
ROWS: dict[str, Any] = {"rows": ["a", "b"], "value_label": "accuracy", "series": CURVE["series"]}
ASCENDING = np.array([0.0, 1.0])
HEADS = {"tokens": ["a", "b", "c"], "layers": ["1"], "heads": ["0", "1"]}
WEIGHTS = {"weights": np.full((1, 2, 3, 3), 1 / 3)}


def test_round_trip(tmp_path: Path) -> None:
    before = Panel(
        "layer-curve", "a.b-1", "Title", "Caption.", {"value": VALUE, "low": VALUE, "high": VALUE}, CURVE
    )
    before.save(tmp_path / "01-a.b-1")
    after = Panel.load(tmp_path / "01-a.b-1")
    assert (after.kind, after.name, after.title, after.caption, after.labels) == (
        before.kind, before.name, before.title, before.caption, CURVE,
    )  # fmt: skip
    np.testing.assert_array_equal(after.arrays["value"], VALUE)


TWO = dict.fromkeys(("value", "low", "high"), np.zeros(2))
RUNS = {"point": np.zeros(2), "row": np.array([0, 1]), **TWO}
STRIP = {"rows": ["a", "b"], "value_label": "v", "point_label": "run"}
PRICED = {
    **dict.fromkeys(("x", "y", "low", "high"), np.ones(2)),
    "group": np.zeros(2, int),
    "front": np.ones(2, bool),
}
FRONT = {"names": ["a", "b"], "x_label": "cost", "y_label": "score", "groups": ["all"]}


@pytest.mark.parametrize(
    ("kind", "arrays", "labels", "message"),
    [
        ("layer-curv", {}, {}, "did you mean 'layer-curve'"),
        ("layer-curve", {"value": VALUE, "low": VALUE}, CURVE, "lacks the array 'high'"),
        ("layer-curve", {"value": VALUE.T, "low": VALUE, "high": VALUE}, CURVE, r"ask for \(1, 2\)"),
        ("layer-curve", {}, {**CURVE, "series": [{"name": "x", "style": "bold"}]}, "one style of"),
        ("heatmap", {"value": VALUE}, {"rows": ["a"]}, "lacks the label 'columns'"),
        ("heatmap", {"value": VALUE, "n": np.zeros(3)}, MAP, "'n' has shape"),
        ("confusion", {"counts": np.zeros((2, 3))}, {"classes": ["a", "b"]}, r"ask for \(2, 2\)"),
        ("table", {}, {"columns": ["a"], "rows": [[1, 2]], "formats": ["int"]}, "2 cells under 1 columns"),
        ("table", {}, {"columns": ["a"], "rows": [], "formats": ["float"]}, "one format of"),
        ("sentence", {}, {}, "lacks the label 'text'"),
        ("curve", ONE, STEPS, "lacks the array 'x'"),
        ("curve", {**ONE, "x": ASCENDING[::-1]}, STEPS, r"x must ascend; got \[1.0, 0.0\]"),
        ("curve", {**ONE, "x": ASCENDING * np.nan}, STEPS, "x must ascend"),
        ("curve", {**ONE, "x": np.arange(3.0)}, STEPS, r"ask for \(1, 3\)"),
        ("curve", {**ONE, "x": ASCENDING}, {**STEPS, "x_scale": "logg"}, "did you mean 'log'"),
        ("curve", {**ONE, "x": ASCENDING - 1}, {**STEPS, "x_scale": "log"}, "must not be negative; got -1"),
        ("curve", {**ONE, "x": ASCENDING}, {**STEPS, "x_ticks": ["0"]}, r"got 1 names for x = \[0.0, 1.0\]"),
        (
            "curve",
            {**ONE, "x": ASCENDING + 1},
            {**STEPS, "x_ticks": ["a", "b"]},
            "x_ticks name points at 0, 1",
        ),
        (
            "curve",
            {**ONE, "x": ASCENDING},
            {"x_label": "step", "y_label": "loss"},
            "lacks the label 'series'",
        ),
        ("forest", ONE, {**ROWS, "rows": ["a"]}, r"ask for \(1, 1\)"),
        ("forest", {"value": VALUE, "low": VALUE}, ROWS, "lacks the array 'high'"),
        ("forest", ONE, {"rows": ["a", "b"]}, "lacks the label 'value_label'"),
        ("strip", {**RUNS, "row": np.array([0, 2])}, STRIP, r"row holds 0..2, there are 2"),
        (
            "strip",
            {**RUNS, "value": np.zeros(3)},
            STRIP,
            r"'value' has shape \(3,\), its labels ask for \(2,\)",
        ),
        ("strip", {**RUNS, "hollow": np.zeros(1)}, STRIP, r"ask for \(2,\)"),
        ("strip", RUNS, {**STRIP, "notes": [""]}, "1 notes where 2 are needed"),
        ("strip", RUNS, {"rows": ["a", "b"], "value_label": "v"}, "lacks the label 'point_label'"),
        (
            "pareto",
            {**PRICED, "x": np.array([0.0, 1.0])},
            {**FRONT, "x_scale": "log"},
            "must be above 0; got 0",
        ),
        ("pareto", {**PRICED, "group": np.array([0, 1])}, FRONT, r"group holds 0..1, there are 1"),
        ("pareto", PRICED, {**FRONT, "x_scale": "lin"}, "did you mean 'linear'"),
        ("pareto", PRICED, {**FRONT, "names": ["a"]}, r"ask for \(1,\)"),
        ("attention", {"weights": np.zeros((1, 2, 3, 2))}, HEADS, r"ask for \(1, 2, 3, 3\)"),
        ("attention", WEIGHTS, {**HEADS, "chosen": [1, 0]}, r"chosen \[1, 0\] of 1 layers and 2 heads"),
        ("attention", WEIGHTS, {**HEADS, "special": [0, 3]}, r"special \[0, 3\] of 3 tokens"),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, arrays: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Panel(kind, "p", "T", arrays=arrays, labels=labels)


def test_curves_and_forests_that_fit_are_taken() -> None:
    ticks = {**STEPS, "x_ticks": ["none", "one"]}
    assert Panel("curve", "p", "T", arrays={**ONE, "x": ASCENDING}, labels=ticks).kind == "curve"
    assert Panel("curve", "p", "T", arrays={**ONE, "x": ASCENDING}, labels={**STEPS, "x_scale": "log"})
    assert Panel("forest", "p", "T", arrays=ONE, labels=ROWS).kind == "forest"


def test_strips_and_fronts_that_fit_are_taken_and_kept(tmp_path: Path) -> None:
    for kind, arrays, labels in (("strip", RUNS, STRIP), ("pareto", PRICED, FRONT)):
        Panel(kind, "p", "T", arrays=arrays, labels=labels).save(tmp_path / kind)
        found = Panel.load(tmp_path / kind)
        assert (found.kind, found.labels) == (kind, labels)
        assert found.arrays.keys() == arrays.keys()


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", ".hidden", "x" * 101, "ä"])
def test_names_are_slugs(name: str) -> None:
    with pytest.raises(DataError, match="slug"):
        Panel("sentence", name, "T", labels={"text": ""})


def test_panels_of_one_name_are_told_apart() -> None:
    panels = [Panel("sentence", name, "T", labels={"text": name}) for name in ("x", "x-2", "x", "y", "x")]
    assert [panel.name for panel in distinct(panels)] == ["x", "x-2", "x-3", "y", "x-4"]
    assert [panel.labels["text"] for panel in distinct(panels)] == ["x", "x-2", "x", "y", "x"]
