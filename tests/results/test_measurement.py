"""Rows: NaN becomes null with a reason, and everything else comes back as it went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.results.files import append_jsonl, read_jsonl
from probekit.results.measurement import Measurement, tidy

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.none() | st.floats()
rows = st.builds(
    Measurement, metric=texts, model=texts, group=texts, value=numbers, low=numbers, p=numbers,
    n=st.integers(0, 10**9), reason=texts, seeds=st.lists(st.tuples(texts, st.integers(0, 99)), max_size=2).map(dict),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=4))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, found: list[Measurement]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    append_jsonl(path, [row.to_dict() for row in found])
    assert [Measurement.from_dict(row) for row in read_jsonl(path)] == found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), None])
def test_no_value_is_null_with_a_reason(value: float | None) -> None:
    assert Measurement(metric="f1", value=value).value is None
    assert Measurement(metric="f1", value=value).reason == "not defined"
    assert Measurement(metric="f1", value=value, reason="not in test").reason == "not in test"


def test_numpy_scalars_become_plain_numbers() -> None:
    row = Measurement(metric="f1", value=np.float32(0.5), n=np.int64(3), seeds={"probe": np.int32(1)})  # type: ignore[arg-type]
    assert type(row.value) is float
    assert type(row.n) is int
    assert row.seeds == (("probe", 1),)


def test_a_surrogate_is_refused_when_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="surrogate"):
        append_jsonl(tmp_path / "rows.jsonl", [Measurement(metric="f1", group="\ud800").to_dict()])
    assert not (tmp_path / "rows.jsonl").exists()


def test_unknown_key_has_a_hint() -> None:
    with pytest.raises(DataError, match="did you mean 'layer'"):
        Measurement.from_dict({"metric": "f1", "layr": "3"})
    with pytest.raises(DataError, match="without a metric"):
        Measurement.from_dict({"layer": "3"})


def test_tidy() -> None:
    table = tidy(
        [Measurement(metric="f1", value=0.5, seeds={"probe": 1, "control": 0}), Measurement(metric="f1")]
    )
    assert table["seeds"].tolist() == ["control=0 probe=1", ""]
    assert table["value"].isna().tolist() == [False, True]
    assert list(tidy([]).columns) == list(table.columns)
