"""From what is asked to cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probekit.adaptation.bill import Bill
from probekit.adaptation.plan_cells import ComparePlan
from probekit.adaptation.problem import AdaptProblem
from probekit.adaptation.tuning_budget import Choice, TuningBudget
from probekit.errors import ConfigError
from probekit.models.ref import ModelRef
from tests.adaptation.test_cell import result


@pytest.fixture
def problem(tmp_path: Path) -> str:
    stem = tmp_path / "problem"
    AdaptProblem.of_examples(["a", "b", "c", "d"], [0, 1, 0, 1], ["train", "train", "dev", "test"]).save(stem)
    return str(stem)


def planned(problem: str, **changed: Any) -> ComparePlan:
    settled: dict[str, Any] = {
        "problem": problem, "folder": str(Path(problem).parent / "cells"), "model": ModelRef(name="m"),
        "strategies": ("frozen-linear", "full"), "seeds": 2,
    }  # fmt: skip
    return ComparePlan(**settled | changed)


def test_one_setting_is_not_tuned_and_options_are_not_either(problem: str) -> None:
    plan = planned(problem)
    assert [(cell.strategy, cell.trial) for cell in plan.trials()] == [
        ("frozen-linear", 0),
        ("frozen-linear", 1),
    ]
    assert (
        plan.trials(
            [result([[0.9, 0.1]], [0], strategy="frozen-linear", purpose="trial", trial=n) for n in (0, 1)]
        )
        == []
    )
    fixed = planned(problem, options={"frozen-linear": {"layer": "1"}})
    assert fixed.settings_of("frozen-linear") == [{"layer": "1"}]
    assert fixed.trials() == []
    assert planned(problem, budget=TuningBudget("trials", 1)).trials() == []


def test_seconds_are_spent_one_trial_after_the_other(problem: str) -> None:
    plan = planned(problem, budget=TuningBudget("seconds", 10))
    [first] = plan.trials()
    assert first.trial == 0
    done = result(
        [[0.9, 0.1]], [0], strategy="frozen-linear", purpose="trial", bill=Bill(alone=False, cpu_train=9.0)
    )
    assert [cell.trial for cell in plan.trials([done])] == [1]
    assert plan.trials([replace(done, bill=Bill(alone=False, cpu_train=9.0, cpu_read_train=2.0))]) == []


def test_runs_are_every_seed_and_share_and_the_first_is_billed_last(problem: str) -> None:
    plan = planned(problem, fractions=(0.1, 1.0), seeds_of={"full": 1})
    cells = plan.runs({"frozen-linear": Choice(1), "full": Choice(0)})
    told = [(cell.strategy, cell.fraction, cell.seed, cell.data_seed, cell.billed) for cell in cells]
    assert told == [
        ("frozen-linear", 1.0, 1, 1, False), ("frozen-linear", 0.1, 0, 0, False), ("frozen-linear", 0.1, 1, 1, False),
        ("full", 0.1, 0, 0, False), ("frozen-linear", 1.0, 0, 0, True), ("full", 1.0, 0, 0, True),
    ]  # fmt: skip
    assert {cell.settings["layer"] for cell in cells if cell.strategy == "frozen-linear"} == {"middle"}
    assert len({cell.stem for cell in cells}) == len({cell.name for cell in cells}) == len(cells)
    assert cells[1].name == "frozen-linear, seed 0, 10 % of the data"


def test_a_cell_of_other_settings_model_or_data_is_another_file(problem: str, tmp_path: Path) -> None:
    chosen = {"frozen-linear": Choice(0), "full": Choice(0)}

    def stems(plan: ComparePlan) -> set[str]:
        return {Path(cell.stem).name for cell in plan.runs(chosen)}

    one = stems(planned(problem))
    assert one == stems(planned(problem, store="elsewhere", keep="kept"))
    assert one < stems(planned(problem, seeds=3))
    assert not one & stems(planned(problem, model=ModelRef(name="n")))
    assert len(one & stems(planned(problem, options={"full": {"rate": 0.1}}))) == 2
    other = tmp_path / "other"
    AdaptProblem.of_examples(["a", "b", "c", "e"], [0, 1, 0, 1], ["train", "train", "dev", "test"]).save(
        other
    )
    assert not one & stems(planned(str(other)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"strategies": ("frozen-liner",)}, "did you mean 'frozen-linear'"),
        ({"strategies": ()}, "no strategies to compare"),
        ({"strategies": ("full", "full")}, "stands twice"),
        ({"seeds": 0}, "needs one seed at least"),
        ({"seeds_of": {"lora": 2}}, "seeds_of names 'lora', which is not compared"),
        ({"options": {"ful": {}}}, "did you mean 'full'"),
        ({"fractions": (0.0,)}, "fractions lie above 0"),
    ],
)
def test_what_cannot_be_is_told(problem: str, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(problem, **changed)


def test_a_model_trained_anew_under_the_same_name_is_another(problem: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    stems = []
    for weights in ("one", "one", "two"):
        (folder / "model.safetensors").write_text(weights)
        plan = planned(problem, model=ModelRef(name=str(folder)))
        stems.append([cell.stem for cell in plan.trials()])
    assert stems[0] == stems[1] != stems[2]


def test_the_task_s_metric_chooses_the_epoch_of_what_is_fine_tuned(problem: str) -> None:
    """Frozen heads have no such setting, and accuracy is the estimator's own choice."""
    chosen = {"frozen-linear": Choice(0), "full": Choice(0)}

    def metrics(plan: ComparePlan) -> dict[str, str]:
        return {cell.strategy: cell.metric for cell in plan.runs(chosen)}

    assert metrics(planned(problem)) == {"frozen-linear": "", "full": ""}
    assert metrics(planned(problem, metric="mcc")) == {"frozen-linear": "", "full": "mcc"}
    stems = [
        {cell.stem for cell in plan.runs(chosen)}
        for plan in (planned(problem), planned(problem, metric="mcc"))
    ]
    assert len(stems[0] & stems[1]) == 2
    assert {Path(stem).name.partition("-seed")[0] for stem in stems[0] & stems[1]} == {"frozen-linear"}
