"""The experiment files on adaptation: each loads, so does its small variant, and the public data fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.adaptation.strategy import find_strategy
from probekit.experiment.adapt_steps import adaptations_of
from probekit.experiment.corpora import read_planned
from probekit.experiment.plan import load_plan

FILES = {
    "trec_adaptation": ("corpus.trec", ["trec/train_5500.label", "trec/TREC_10.label"], (4907, 545, 500)),
    "cola_adaptation": ("corpus.cola", ["cola/*.tsv"], (8551, 527, 516)),
    "trec_learning_curves": (
        "corpus.trec",
        ["trec/train_5500.label", "trec/TREC_10.label"],
        (4907, 545, 500),
    ),
}


@pytest.mark.parametrize("name", [*FILES, "adaptation"])
def test_the_question_and_what_is_expected_stand_in_the_file_and_its_readme(name: str) -> None:
    plan, folder, _ = load_plan(name)
    assert plan.question.ask
    assert plan.question.expect
    told = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert " ".join(plan.question.expect.split()) in told


@pytest.mark.parametrize("name", ["trec_adaptation", "cola_adaptation"])
def test_eight_strategies_and_more_seeds_for_the_cheap_ones(name: str) -> None:
    [analysis] = load_plan(name)[0].adaptations
    assert len(analysis.strategies) >= 8
    frozen = [one for one in analysis.strategies if find_strategy(one).family == "feature-extraction"]
    assert {analysis.seeds_for(one) for one in frozen} == {5}
    assert analysis.seeds_for("full") == 3


@pytest.mark.parametrize("name", FILES)
def test_the_small_variant_does_less_of_the_same(name: str) -> None:
    [whole] = load_plan(name)[0].adaptations
    small_plan, _, _ = load_plan(f"{name}#small")
    [small] = small_plan.adaptations
    assert small_plan.name == f"{name}-small"
    assert set(small.strategies) <= set(whole.strategies)
    assert max(small.fractions) < max(whole.fractions)
    assert (small.task, small.budget) == (whole.task, whole.budget)


@pytest.mark.real
@pytest.mark.parametrize("name", FILES)
def test_the_public_data_pose_the_problem_that_the_file_tells(name: str, shared_data: Path) -> None:
    key, files, sizes = FILES[name]
    paths = [str(shared_data / file) for file in files]
    plan, _, _ = load_plan(name, [f"{key}={paths}"])
    assert plan.corpus is not None
    problem = adaptations_of(plan)[0].problem(read_planned(plan.corpus))
    assert tuple(len(problem.examples_of(split)) for split in ("train", "dev", "test")) == sizes
