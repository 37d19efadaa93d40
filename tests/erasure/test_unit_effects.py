"""Effects of units from changes by hand: sums by cluster, means, order, rows, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.erasure.unit_effects import ROWS, UnitEffects

CHANGE = np.array([[1.0, -3.0, 0.0], [-1.0, 1.0, 0.5], [3.0, 1.0, 0.0]])
BEFORE = np.array([2.0, -4.0, 0.0])
ABOUT: dict[str, Any] = {
    "units": (("1", 4), ("1", 5), ("2", 4)), "how": "set to 0", "prediction": "log-odds of <b>", "unit": "nats",
    "kind": "neuron", "site": "mlp", "model": "m", "resamples": 200,
}  # fmt: skip


def effects(cluster: Any = None) -> UnitEffects:
    return UnitEffects.from_changes(CHANGE, BEFORE, cluster, **ABOUT)


def test_means_do_not_depend_on_clusters() -> None:
    for found in (effects(), effects(np.array([7, 7, 3]))):
        assert found.importance.tolist() == pytest.approx([5 / 3, 5 / 3, 0.5 / 3])
        table = found.table_of_units()
        assert table["effect"].tolist() == pytest.approx([1.0, -1 / 3, 0.5 / 3])
        assert table["neuron"].tolist() == [4, 5, 4]
        assert table["layer"].tolist() == ["1", "1", "2"]
    assert effects(np.array([7, 7, 3])).effect.tolist() == [[3.0, 1.0, 0.0], [0.0, -2.0, 0.5]]


def test_the_relative_change_is_undefined_where_the_prediction_is_0() -> None:
    assert np.isnan(effects().table_of_units()["relative_change"]).all()
    known = UnitEffects.from_changes(CHANGE[:2], BEFORE[:2], **ABOUT)
    by = known.table_of_units().set_index(["layer", "neuron"])["relative_change"]
    assert by["1", 4] == pytest.approx((0.5 + 0.25) / 2)  # (1 / 2 + -1 / -4) / 2
    assert by["1", 5] == pytest.approx((-1.5 - 0.25) / 2)


def test_rows_name_unit_layer_and_interval() -> None:
    rows = effects().rows
    assert rows[0].metric == "prediction"
    assert rows[0].value == pytest.approx(-2 / 3)
    found = {(row.layer, row.group, row.metric): row for row in rows[1:]}
    row = found["1", "neuron=5", "importance"]
    assert row.value == pytest.approx(5 / 3)
    assert row.low is not None
    assert row.low < row.value < (row.high or 0)
    assert row.interval == "cluster bootstrap over texts, 200 resamples, 95% percentile"
    assert row.site == "mlp"
    assert "set to 0" in row.method
    one = UnitEffects.from_changes(CHANGE[:1], BEFORE[:1], **ABOUT)
    assert one.rows[1].low is None
    assert one.rows[1].interval == ""


def test_only_the_units_that_matter_most_have_rows() -> None:
    units = tuple(("1", number) for number in range(50))
    change = np.arange(100.0).reshape(2, 50)
    found = UnitEffects.from_changes(change, np.ones(2), **(ABOUT | {"units": units}))
    assert len(found.rows) == 1 + 2 * ROWS
    assert found.order[0] == 49
    assert len(found.table_of_units()) == 50


def test_layers_by_units_where_they_make_a_grid() -> None:
    units = tuple((layer, number) for layer in ("1", "2") for number in (0, 3))
    found = UnitEffects.from_changes(
        np.array([[1.0, 2.0, 3.0, -4.0]]), np.ones(1), **(ABOUT | {"units": units})
    )
    [heat] = [panel for panel in found.panels if panel.kind == "heatmap"]
    assert heat.arrays["value"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert (heat.labels["rows"], heat.labels["columns"]) == (["1", "2"], ["0", "3"])


def test_pictures_and_html_are_text() -> None:
    found = effects()
    sentence, curve, table = found.panels
    assert sentence.labels["text"] == found.summary
    assert curve.arrays["value"][0].tolist() == pytest.approx([5 / 3, 5 / 3, 0.5 / 3])
    assert table.labels["rows"][0][:2] == ["1", 4]
    page = found._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "neuron 4 of layer 1 matters most" in found.summary
    assert found.table()["metric"].iloc[0] == "prediction"
    assert repr(found).startswith("<UnitEffects of 3 neurons over 3 predictions")
