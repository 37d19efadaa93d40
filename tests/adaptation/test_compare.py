"""Strategies side by side from one call: tuned on dev, run with every seed, done once, billed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import probekit as pk
from probekit.adaptation import compare
from probekit.adaptation.bill import Bill
from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.compare import compare_strategies, do_plan, problem_of
from probekit.adaptation.plan_cells import ComparePlan
from probekit.adaptation.problem import AdaptProblem
from probekit.adaptation.tuning_budget import TuningBudget
from probekit.errors import ConfigError
from probekit.models.ref import ModelRef
from tests.adaptation.test_cell import result
from tests.adaptation.test_do_cell import toy
from tests.tiny_models import tiny_folder

MODEL = ModelRef(name=str(tiny_folder("bert")), device="cpu")


def test_strategies_side_by_side_are_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "folder": tmp_path / "run", "store": tmp_path / "store", "isolate": False, "least_steps": 20, "seeds": 2,
        "options": {"full": {"batch_size": 8, "rate": 3e-3}}, "keep": tmp_path / "kept",
    }  # fmt: skip
    shown: list[tuple[str, int, int]] = []
    names = ["frozen-linear", "full"]
    found = compare_strategies(MODEL, toy(), names, progress=lambda *told: shown.append(told), **given)
    assert ("trials", 2, 2) in shown
    assert shown[-1] == ("runs", 4, 4)
    scores = [row for row in found.rows if row.metric == "accuracy" and row.method and row.value is not None]
    assert max(row.value or 0 for row in scores) == 1.0
    kept = {folder.name: pk.load_adapted(folder) for folder in (tmp_path / "kept").iterdir()}
    assert set(kept) == set(names)
    assert kept["full"].predict(["the dog", "a cat"]).tolist() == ["the", "a"]

    def never(cell: AdaptCell) -> CellResult:
        raise AssertionError(f"{cell.name} was done before")

    monkeypatch.setattr(compare, "do_cell_here", never)
    again = compare_strategies(MODEL, toy(), names, **given)
    assert again.rows == found.rows
    with pytest.raises(AssertionError, match="seed 2 was done before"):
        compare_strategies(MODEL, toy(), names, **given | {"seeds": 3})


def test_the_setting_is_chosen_on_dev_and_trials_are_in_the_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second setting is better on dev and worse on test: it is chosen, and its trials are paid for."""
    asked: list[AdaptCell] = []

    def played(cell: AdaptCell) -> CellResult:
        asked.append(cell)
        good = [[0.9, 0.1], [0.1, 0.9]]
        bad = [[0.1, 0.9], [0.9, 0.1]]
        second = cell.settings["layer"] == "middle"
        test = result(bad if second else good, [0, 1]).test
        return result(good if second else bad, [0, 1], name=cell.name, strategy=cell.strategy, purpose=cell.purpose,
                      trial=cell.trial, seed=cell.seed, test=test,
                      bill=Bill(alone=False, cpu_train=4.0, cpu_predict=1.0))  # fmt: skip

    monkeypatch.setattr(compare, "do_cell_here", played)
    problem = toy()
    problem.save(tmp_path / "problem")
    plan = ComparePlan(problem=str(tmp_path / "problem"), folder=str(tmp_path), model=MODEL, seeds=2,
                       strategies=("frozen-linear",), budget=TuningBudget("seconds", 100))  # fmt: skip
    results = do_plan(plan, problem, isolate=False)
    assert [(cell.purpose, cell.settings["layer"]) for cell in asked] == [
        ("trial", "last"), ("trial", "middle"), ("run", "middle"), ("run", "middle"),
    ]  # fmt: skip
    runs = [one for one in results if one.purpose == "run"]
    assert {one.bill.cpu_tuning for one in runs if one.bill} == {
        8.0
    }  # fits, and not what was predicted after
    assert {one.bill.trials for one in runs if one.bill} == {2}


def test_what_data_may_be() -> None:
    task, corpus = pk.load_task("number"), pk.generate_corpus(20, 5, 5)
    assert problem_of("number", corpus).ids == problem_of(task, corpus).ids
    assert problem_of("number", corpus, "mcc").metric == "mcc"
    made = toy()
    assert problem_of(made) is made
    texts = (["the dog", "a cat", "the mat", "a key"], [0, 1, 0, 1], ["train", "train", "dev", "test"])
    assert isinstance(problem_of(texts, metric="macro_f1"), AdaptProblem)
    with pytest.raises(ConfigError, match="task 'number' needs a corpus"):
        problem_of("number")
    with pytest.raises(ConfigError, match="got list"):
        problem_of([1, 2])  # type: ignore[arg-type]


def test_what_cannot_be_is_told_before_anything_is_done() -> None:
    for changed, said in (
        ({"strategies": ["frozen-liner"]}, "did you mean 'frozen-linear'"),
        ({"budget": "minutes=3"}, "no budget of 'minutes'"),
    ):
        given: dict[str, Any] = {"strategies": ["full"], **changed}
        with pytest.raises(ConfigError, match=said):
            compare_strategies(MODEL, toy(), isolate=False, **given)
