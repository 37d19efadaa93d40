"""Cells and their results: written and read, done or to be tried again, degenerate or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from probekit.adaptation.bill import Bill
from probekit.adaptation.cell import AdaptCell, CellResult, degenerate
from probekit.errors import DataError


def result(dev: Any, gold: Any, **changed: Any) -> CellResult:
    outputs = np.log(np.array(dev, np.float32))
    right = np.array(gold, np.int32)
    settled: dict[str, Any] = {
        "name": "full, seed 0", "strategy": "full", "family": "fine-tuning", "purpose": "run",
        "settings": {"rate": 1e-3}, "trial": 0, "seed": 0, "fraction": 1.0, "model": "m", "dev": outputs,
        "test": outputs, "gold_dev": right, "gold_test": right, "history": ({"epoch": 1, "loss": 0.5},),
        "bill": Bill(alone=True, cpu_train=3.0),
    }  # fmt: skip
    return CellResult(**settled | changed)


def numbers(predicted: list[float], gold: list[float]) -> CellResult:
    outputs = np.array(predicted, np.float32)[:, None]
    right = np.array(gold)
    return replace(result([[0.5, 0.5]], [0]), dev=outputs, test=outputs, gold_dev=right, gold_test=right)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    one = result([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [0, 1, 1])
    one.save(tmp_path / "cell.0")
    again = CellResult.load(tmp_path / "cell.0")
    assert again.predicted("dev").tolist() == [0, 1, 0]
    assert np.array_equal(again.dev, one.dev)
    assert (again.settings, again.history, again.bill) == (one.settings, one.history, one.bill)
    assert np.allclose(again.probabilities("test").sum(axis=1), 1)


def test_a_label_that_cannot_be_predicted_has_no_probability() -> None:
    one = result([[0.9, 0.1]], [0])
    outputs = np.array([[-0.1, -2.0, -np.inf]], np.float32)
    assert replace(one, test=outputs).probabilities("test")[0, 2] == 0


def test_done_is_a_result_or_a_training_that_failed(tmp_path: Path) -> None:
    cell = AdaptCell(name="a", stem=str(tmp_path / "a"), problem="", model={"name": "m"}, strategy="full")
    assert not cell.done
    with pytest.raises(DataError, match="cannot read"):
        cell.result()
    one = result([[0.9, 0.1]], [0])
    for changed, done in (
        ({}, True),
        ({"failed": "NaN"}, True),
        ({"failed": "killed", "retry": True}, False),
    ):
        replace(one, **changed).save(cell.stem)
        assert cell.done is done
        assert cell.result().failed == changed.get("failed", "")
    Path(cell.stem + ".json").write_text("{")
    assert not cell.done
    assert AdaptCell.from_dict(cell.to_dict()) == cell


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (result([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 0, 1]), ""),
        (result([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1]], [0, 0, 1]), "one class predicted for everything"),
        # two of three right, which the most frequent label gives as well
        (result([[0.9, 0.1], [0.1, 0.9], [0.3, 0.7]], [0, 0, 1]), "on dev not above the majority"),
        (numbers([1.0, 2.0, 3.0], [1.1, 2.0, 2.9]), ""),
        (numbers([1.0, 1.0, 1.0], [1.1, 2.0, 2.9]), "one number predicted for everything"),
        (numbers([3.0, 2.0, 1.0], [1.1, 2.0, 2.9]), "on dev not nearer than the mean"),
        (result([[0.9, 0.1]], [0], failed="the loss is nan"), ""),
    ],
)
def test_degenerate_runs(one: CellResult, said: str) -> None:
    assert degenerate(one) == said


def test_no_better_than_the_majority_is_meant_by_the_task_s_metric() -> None:
    """Right for both of the rare class, wrong for two of four of the frequent one: accuracy 4/6, as the majority has,
    Matthews 0.5. Where dev has one class Matthews is not defined, and accuracy decides."""
    yes, no = [0.9, 0.1], [0.1, 0.9]
    found = result([yes, yes, no, no, no, no], [0, 0, 0, 0, 1, 1])
    assert matthews_corrcoef(found.gold_dev, found.predicted("dev")) == pytest.approx(0.5)
    assert degenerate(found) == "on dev not above the majority"
    assert degenerate(found, "mcc") == ""
    assert degenerate(found, "macro_f1") == ""
    against = result([yes, yes, no, yes, yes, yes], [0, 0, 0, 0, 1, 1])
    assert degenerate(against, "mcc") == "on dev not above the majority"
    alone = result([yes, no], [0, 0])
    assert degenerate(alone, "mcc") == degenerate(alone) == "on dev not above the majority"
