"""One cell, done in this process: what is learned, what is measured, and what becomes of failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

import probekit as pk
from probekit.adaptation import do_cell
from probekit.adaptation.cell import AdaptCell, CellResult, degenerate
from probekit.adaptation.do_cell import do_cell_here, make_estimator, settings_of, training_examples
from probekit.adaptation.problem import AdaptProblem
from probekit.adaptation.strategy import find_strategy
from tests.tiny_models import tiny_folder

NOUNS = ("dog", "cat", "mat", "teacher", "farmer", "night", "key", "cabinet")


def toy(**changed: Any) -> AdaptProblem:
    """Which of two words a text begins with: any strategy learns that."""
    texts = [f"{first} {noun}" for noun in NOUNS for first in ("the", "a")] * 2
    splits = ["train"] * 16 + ["dev"] * 8 + ["test"] * 8
    return AdaptProblem.of_examples(texts, ["the", "a"] * 16, splits, **changed)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROBEKIT_STORE", str(tmp_path / "store"))
    return tmp_path


def cell_of(place: Path, problem: AdaptProblem, strategy: str, **changed: Any) -> AdaptCell:
    problem.save(place / "problem")
    settled: dict[str, Any] = {
        "name": strategy, "stem": str(place / "cell"), "problem": str(place / "problem"),
        "model": {"name": str(tiny_folder("bert")), "device": "cpu"}, "strategy": strategy,
    }  # fmt: skip
    return AdaptCell(**settled | changed)


def right(result: CellResult) -> float:
    return float((result.predicted("test") == result.gold_test).mean())


def test_a_frozen_strategy_learns_and_its_reading_is_billed_apart(place: Path) -> None:
    result = do_cell_here(cell_of(place, toy(), "frozen-linear", billed=True), isolated=True)
    assert right(result) == 1.0
    assert degenerate(result) == ""
    bill = result.bill
    assert bill is not None
    assert bill.alone
    assert (bill.n_train, bill.n_predicted) == (16, 8)
    for value in (bill.cpu_train, bill.cpu_predict, bill.cpu_read_train, bill.cpu_load, bill.peak_mb):
        assert value is not None
        assert value >= 0
    assert bill.cpu_read_train > 0  # type: ignore[operator]
    assert bill.flops_train == pytest.approx(2 * 8 * bill.flops_predict, rel=0.2)  # type: ignore[operator]
    # the bill's own store is gone, and the user's was not touched
    assert not (place / "store").exists()
    again = CellResult.load(place / "cell")
    assert np.array_equal(again.test, result.test)
    assert again.bill == bill


def test_what_the_store_holds_is_not_read_again(place: Path) -> None:
    cell = cell_of(place, toy(), "frozen-linear")
    first, second = do_cell_here(cell), do_cell_here(cell)
    assert first.bill is not None
    assert second.bill is not None
    assert first.bill.cpu_read_train is not None
    assert second.bill.cpu_read_train is None
    assert np.array_equal(first.test, second.test)


def test_a_tuned_strategy_learns_and_its_arithmetic_is_estimated(place: Path) -> None:
    result = do_cell_here(
        cell_of(place, toy(), "full", billed=True, least_steps=30, settings={"rate": 3e-3, "batch_size": 8})
    )
    assert right(result) == 1.0
    assert result.settings["epochs"] == 15.0
    assert len(result.history) == 15
    bill = result.bill
    assert bill is not None
    assert not bill.alone
    assert bill.cpu_read_train is None
    # three passes over 16 texts in each of 15 epochs
    assert bill.flops_train == pytest.approx(3 * 15 * 16 * bill.flops_predict, rel=0.2)  # type: ignore[operator]
    assert result.model_kind == "pretrained"


def test_words_without_a_label_are_never_scored(place: Path) -> None:
    problem = AdaptProblem.of(pk.load_task("number"), pk.generate_corpus(40, 8, 8))
    result = do_cell_here(cell_of(place, problem, "frozen-linear"))
    assert not result.failed
    assert result.test.shape == (len(problem.units_of("test")), 2)
    assert np.allclose(np.exp(result.test).sum(axis=1), 1, atol=1e-5)


def test_a_label_that_the_share_has_not_is_never_predicted(place: Path) -> None:
    problem = AdaptProblem.of_examples(
        ["the dog", "a cat", "the mat", "a key", "the key"], ["x", "y", "x", "y", "z"],
        ["train", "train", "dev", "test", "test"],
    )  # fmt: skip
    result = do_cell_here(cell_of(place, problem, "frozen-linear"))
    assert (result.test[:, 2] == -np.inf).all()
    assert result.gold_test.tolist() == [1, 2]


def test_numbers(place: Path) -> None:
    texts = [" ".join(["dogs"] * n) for n in (1, 2, 3, 4, 5, 6, 2, 5, 3, 4)]
    numbers = [float(text.count("d")) for text in texts]
    problem = AdaptProblem.of_examples(texts, numbers, ["train"] * 6 + ["dev"] * 2 + ["test"] * 2)
    result = do_cell_here(cell_of(place, problem, "frozen-linear"))
    assert result.numeric
    assert result.test.shape == (2, 1)


@pytest.mark.parametrize(
    ("strategy", "settings", "said", "retry"),
    [
        ("full", {"rate": 1e30, "clip": 1e30}, "no number", False),
        ("full", {"rnak": 3}, "has no option 'rnak'", True),
        ("continued", {}, "language-model head", True),
    ],
)
def test_failures_are_results(
    place: Path, strategy: str, settings: dict[str, Any], said: str, retry: bool
) -> None:
    cell = cell_of(place, toy(), strategy, settings=settings)
    result = do_cell_here(cell)
    assert said in result.failed
    assert "\n" not in result.failed
    assert result.retry is retry
    assert cell.done is not retry
    assert result.test.shape == (0, 2)
    assert result.bill is not None
    assert result.bill.cpu_train is not None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory; use a smaller batch_size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of memory ("),
        (RuntimeError("\nshapes differ\nat line 3"), "RuntimeError: shapes differ"),
    ],
)  # fmt: skip
def test_what_nobody_foresaw_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(do_cell, "_done", fails)
    result = do_cell_here(cell_of(place, toy(), "full"))
    assert result.failed.startswith(said)
    assert "\n" not in result.failed
    assert result.retry


def test_steps_and_examples_are_bounded(place: Path) -> None:
    full = find_strategy("full")
    cell = cell_of(place, toy(), "full", least_steps=100)
    assert settings_of(cell, full, 3200) == {**full.defaults}
    assert settings_of(cell, full, 320)["epochs"] == 10.0
    asked = cell_of(place, toy(), "full", least_steps=100, settings={"epochs": 1})
    assert settings_of(asked, full, 320)["epochs"] == 1
    bounded = cell_of(place, toy(), "full", least_steps=100, steps=5, settings={"batch_size": 16})
    assert settings_of(bounded, full, 320)["epochs"] == 0.25
    assert "epochs" not in settings_of(cell, find_strategy("frozen-linear"), 10)
    assert len(training_examples(cell_of(place, toy(), "full", examples=4), toy())) == 4
    assert len(training_examples(cell_of(place, toy(), "full", examples=400, fraction=0.5), toy())) == 8


def test_the_metric_of_the_cell_chooses_the_epoch_where_dev_defines_it(place: Path) -> None:
    texts = [f"{first} {noun}" for noun in NOUNS for first in ("the", "a")]
    labels = ["the", "a"] * 8
    splits = ["train"] * 10 + ["dev", "dev", "dev", "test", "dev", "test"]
    problem = AdaptProblem.of_examples(texts, labels, splits)
    settings = {"rate": 1e-9, "batch_size": 8, "epochs": 1}
    plain = do_cell_here(cell_of(place, problem, "full", settings=settings))
    by_mcc = do_cell_here(cell_of(place, problem, "full", settings=settings, metric="mcc"))
    assert (plain.failed, by_mcc.failed) == ("", "")
    assert plain.history[0]["dev_score"] == plain.history[0]["dev_accuracy"]
    gold, predicted = by_mcc.gold_dev, by_mcc.predicted("dev")
    assert by_mcc.history[0]["dev_score"] == pytest.approx(matthews_corrcoef(gold, predicted))
    assert by_mcc.history[0]["dev_score"] != by_mcc.history[0]["dev_accuracy"]
    assert (plain.settings.get("metric"), by_mcc.settings["metric"]) == (None, "mcc")
    one = AdaptProblem.of_examples(texts, labels, ["train", "train"] * 5 + ["dev", "test"] * 3)
    undefined = do_cell_here(cell_of(place, one, "full", settings=settings, metric="mcc"))
    assert undefined.failed == ""
    assert "metric" not in undefined.settings


def test_runs_have_checkpoints_and_bills_have_none(place: Path) -> None:
    """A bill of the second half of a run would be a wrong one: such a run begins anew."""
    full = find_strategy("full")
    settings = {"rate": 1e-3, "batch_size": 8, "options": {}}
    cell = cell_of(place, toy(), "full")
    assert make_estimator(cell, full, settings, None).checkpoint == cell.stem + ".checkpoint"
    billed = make_estimator(cell_of(place, toy(), "full", billed=True, seed=3), full, settings, None)
    assert billed.checkpoint is None
    assert (billed.batch_size, billed.seed, billed.options) == (8, 3, None)
    mixed = make_estimator(cell, find_strategy("lora"), {"rate": 1e-3, "r": 4, "options": {"alpha": 8}}, None)
    assert (mixed.rate, mixed.options) == (1e-3, {"r": 4, "alpha": 8})


def test_what_trials_cost_is_their_fits() -> None:
    """Neither the reading of texts, which falls to whoever comes first, nor the answers to test."""
    from probekit.adaptation.bill import Bill
    from probekit.adaptation.do_cell import with_tuning
    from tests.adaptation.test_cell import result

    bill = Bill(alone=False, cpu_train=2.0, cpu_predict=5.0, cpu_read_train=7.0)
    trial = result([[0.9, 0.1]], [0], purpose="trial", bill=bill)
    run = with_tuning(result([[0.9, 0.1]], [0], bill=Bill(alone=True)), [trial, trial])
    assert run.bill is not None
    assert (run.bill.cpu_tuning, run.bill.trials) == (4.0, 2)
