"""Outcomes: kept whole, refused when they do not fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probekit.errors import DataError, StoreError
from probekit.results.outcomes import Outcomes


def outcomes(**changes: object) -> Outcomes:
    fields: dict[str, object] = {
        "ids": ("s1:1", "s1:2", "s2:1"), "cluster": [0, 0, 1], "gold": [0, 1, 1], "predicted": [0, -1, 1],
        "labels": ("NOUN", "</b>"), "left_out": {"truncated": 2},
    }  # fmt: skip
    return Outcomes(**{**fields, **changes})  # type: ignore[arg-type]


def test_round_trip(tmp_path: Path) -> None:
    before = outcomes()
    before.save(tmp_path / "cell.1")
    after = Outcomes.load(tmp_path / "cell.1")
    assert (after.ids, after.labels, after.left_out) == (before.ids, before.labels, before.left_out)
    for name in ("cluster", "gold", "predicted", "margin"):
        one, two = getattr(before, name), getattr(after, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    assert after.correct.tolist() == [1, 0, 1]
    assert after.n_left_out == 2


def test_numbers_round_trip(tmp_path: Path) -> None:
    outcomes(labels=(), gold=[0.5, 1, 2], predicted=[0.1, 1, 3]).save(tmp_path / "n")
    after = Outcomes.load(tmp_path / "n")
    assert after.kind == "number"
    assert after.gold.tolist() == [0.5, 1, 2]


def test_ids_of_many_cells_lie_once(tmp_path: Path) -> None:
    for cell in "abc":
        outcomes().save(tmp_path / cell)
    outcomes(ids=("x", "y", "z")).save(tmp_path / "d")
    assert len(list(tmp_path.glob("units-*.json"))) == 2


def test_empty(tmp_path: Path) -> None:
    none = Outcomes((), np.empty(0), np.empty(0), np.empty(0), labels=("A",))
    none.save(tmp_path / "none")
    assert len(Outcomes.load(tmp_path / "none")) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ("a", "a", "b")}, "same id twice"),
        ({"cluster": [0, 0]}, "cluster has shape"),
        ({"gold": [0, 1, 2]}, "outside"),
        ({"gold": [0, 1, -1]}, "outside"),
        ({"predicted": [0, -2, 1]}, "outside"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        outcomes(**change)


def test_arrays_are_frozen_copies() -> None:
    gold = np.array([0, 1, 1], dtype=np.int32)
    made = outcomes(gold=gold)
    gold[0] = 1
    assert made.gold[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.gold[0] = 1


def test_damage_is_found(tmp_path: Path) -> None:
    outcomes().save(tmp_path / "a")
    file = tmp_path / "a.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match=r"a\.safetensors"):
        Outcomes.load(tmp_path / "a")
    file.unlink()
    with pytest.raises(DataError):
        Outcomes.load(tmp_path / "a")
