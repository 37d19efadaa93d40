"""What an experiment file may say of adaptation, and what is told where it says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probekit.errors import ConfigError
from probekit.experiment.plan import check_plan, load_plan
from probekit.experiment.plan_adapt import AdaptPlan


def plan_of(**analysis: Any) -> AdaptPlan:
    given = {"kind": "adapt", "task": "trec", "strategies": ["frozen-linear", "full"], **analysis}
    document = {"corpus": {"trec": "x.label"}, "model": [{"name": "demo:minilm"}], "analysis": [given]}
    [found] = check_plan(document, "file.toml").adaptations
    return found


def test_seeds_of_some_strategies_and_the_order_of_fractions() -> None:
    plan = plan_of(seeds=5, seeds_of={"full": 3}, fractions=[1.0, 0.01, 0.1, 1.0], budget="seconds = 60")
    assert [plan.seeds_for(name) for name in plan.strategies] == [5, 3]
    assert plan.fractions == [0.01, 0.1, 1.0]
    assert plan.budget == "seconds=60"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strategies": ["frozen-lineer"]}, "did you mean 'frozen-linear'"),
        ({"strategies": []}, "strategies"),
        ({"strategies": ["full", "full"]}, "'full' stands twice"),
        ({"budget": "trials"}, "a budget is written trials=N, seconds=S, steps=N or examples=N"),
        ({"budget": "trials=0"}, "above 0"),
        ({"budget": "hours=2"}, "no budget of 'hours'"),
        ({"fractions": [0.0]}, "fractions lie above 0"),
        ({"fractions": [float("nan")]}, "fractions lie above 0"),
        ({"fractions": []}, "fractions"),
        ({"seeds": 0}, "seeds"),
        ({"seeds_of": {"ful": 3}}, "did you mean 'full'"),
        ({"seeds_of": {"full": 0}}, "seeds_of full must be 1 or more"),
        ({"options": {"loro": {"r": 4}}}, "options names 'loro', which is no strategy; did you mean 'lora'?"),
        ({"metric": "acuracy"}, "did you mean 'accuracy'"),
        ({"strategy": "full"}, "unknown key 'analysis.0.strategy'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as problem:
        plan_of(**given)
    assert told in str(problem.value)
    assert str(problem.value).startswith("file.toml: ")


def test_a_corpus_is_needed_and_a_task_file_lies_beside_the_experiment(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    text = '[[model]]\nname = "m"\n[[analysis]]\nkind = "adapt"\ntask = "mine.toml"\nstrategies = ["full"]\n'
    file.write_text(text)
    with pytest.raises(ConfigError, match="'adapt' reads a corpus"):
        load_plan(file)
    file.write_text(text + '[corpus]\ntrec = "a.label"\n')
    assert load_plan(file)[0].adaptations[0].task == str(tmp_path / "mine.toml")
