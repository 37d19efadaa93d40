"""A run that trains two models and judges them: rows, pages, resume, claims, failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.errors import ConfigError, ModelError
from probekit.experiment import judge_steps
from probekit.experiment.judge_cells import JudgeCell
from probekit.experiment.plan import load_plan
from probekit.experiment.run import preview, run_experiment
from probekit.results.run import Run
from tests.tiny_models import write_tiny

TRAINING = """
steps = 4
save_seconds = 1000.0
evaluate = "end"
checkpoints = [2]
[corpus.agreement]
train = 80
dev = 12
test = 1
constructions = {{ simple = 0.6, pp = 0.4 }}
[tokenizer]
kind = "words"
[objective]
kind = "{objective}"
[model]
family = "{family}"
layers = 1
width = 16
heads = 2
positions = 40
[batches]
pieces = 256
length = 40
pack = false
"""
EXPERIMENT = """
[question]
ask = "Does it agree?"
[[model]]
name = "causal"
train = "causal.toml"
twins = 1
[[model]]
name = "masked"
train = "masked.toml"
twins = 1
[[analysis]]
kind = "judge"
suites = ["small.toml"]
layers = [1]
checkpoints = true
bootstrap = 100
[[claim]]
says = "it is right sometimes"
where = { model = "causal", corpus = "small", metric = "accuracy", group = "", control = "", layer = "" }
at_least = 0.0
[[claim]]
says = "it is always right, and more"
where = { model = "masked", corpus = "small", metric = "accuracy", group = "", control = "", layer = "" }
at_least = 1.1
"""
SUITE = """
name = "small"
question = "Does the verb agree?"
generated = { items = 1, attractors = [0, 1], constructions = ["simple", "pp"] }
[[anchor]]
texts = { good = "the keys | laugh | .", bad = "the keys | laughs | ." }
scores = { "2;good" = 2.0, "2;bad" = 5.0 }
expect = true
[[anchor]]
texts = { good = "the keys | laughs | .", bad = "the keys | laugh | ." }
scores = { "2;good" = 5.0, "2;bad" = 2.0 }
expect = false
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    for objective, family in (("causal", "gpt2"), ("masked", "roberta-prelayernorm")):
        text = TRAINING.format(objective=objective, family=family)
        (folder / f"{objective}.toml").write_text(text)
    (folder / "small.toml").write_text(SUITE)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    return folder


def start(experiment: Path, **options: object) -> Run:
    return run_experiment(experiment, runs=experiment.parent / "runs", **options)  # type: ignore[arg-type]


def test_from_a_file_to_a_page(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(experiment)
    rows = run.measurements()
    assert not run.info["failed"]
    assert {row.model for row in rows} == {"causal", "masked"}
    assert {row.model_kind for row in rows if not row.control} == {"self-trained"}
    of_all = {
        (row.model, row.control)
        for row in rows
        if row.metric == "accuracy" and not row.group and not row.layer
    }
    reasons = {row.reason for row in rows if row.control in ("unigram", "ngram") and row.value is None}
    assert reasons <= {"every item was left out"}, "the training text is found again"
    assert {("causal", control) for control in ("", "unigram", "ngram", "random-twin", "majority")} <= of_all
    assert any(row.metric == "accuracy" and row.layer == "1" for row in rows)
    assert any(row.metric == "masked-piece perplexity" for row in rows)
    # claims: one holds, one cannot, both are told
    assert [told.startswith("claim holds") for told in run.info["claims"]] == [True, False]
    assert run.info["claims_not_held"] == ["it is always right, and more"]
    # four steps teach nothing, and that is said
    assert any("did not leave the unigram plateau" in sentence for sentence in run.info["summary"])
    page = run.page.read_text()
    assert "What was claimed" in page
    assert "Loss of causal" in page
    # the trained models are found again, and a run that is done is only reported
    trained = sorted(
        folder.name.rpartition("-")[0] for folder in (experiment.parent / "runs" / "models").iterdir()
    )
    assert trained == ["causal", "masked"]
    stamp = run.page.stat().st_mtime_ns
    assert start(experiment).path == run.path
    assert run.page.stat().st_mtime_ns == stamp


def test_an_interrupted_run_judges_what_is_left(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, done = judge_steps.do_judge_cell, []

    def interrupted(cell: JudgeCell) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(cell.name)
        return original(cell)

    monkeypatch.setattr(judge_steps, "do_judge_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(experiment)
    again: list[str] = []
    monkeypatch.setattr(
        judge_steps, "do_judge_cell", lambda cell: (again.append(cell.name), original(cell))[1]
    )
    run = start(experiment)
    assert run.finished
    assert len(again) == 8 - 3  # four cells of each of two models
    assert not set(again) & set(done)


def test_a_model_without_a_head_among_others_is_a_failure(experiment: Path) -> None:
    from tests.tiny_models import tiny_folder

    text = (experiment / "experiment.toml").read_text()
    text = text.replace('name = "masked"\ntrain = "masked.toml"', f'name = "{tiny_folder("bert")}"', 1)
    (experiment / "experiment.toml").write_text(text.replace("checkpoints = true", ""))
    run = start(experiment)
    assert run.finished
    reasons = {failed["reason"] for failed in run.info["failed"] if "bert" in failed["cell"]}
    assert any("has no language-model head" in reason for reason in reasons)
    alone = (
        text[: text.index("[[model]]")] + text[text.index('[[model]]\nname = "/') : text.index("[[claim]]")]
    )
    (experiment / "experiment.toml").write_text(
        alone.replace("checkpoints = true", "").replace("layers = [1]", "")
    )
    with pytest.raises(ModelError, match="has no language-model head"):
        start(experiment, fresh=True)


def test_what_a_plan_will_do(experiment: Path) -> None:
    lines = preview(load_plan(experiment)[0])
    assert any(line.startswith("train causal as") for line in lines)
    assert any(line.startswith("judge on small: ") for line in lines)
    assert json.dumps(lines)


def test_two_suites_of_one_name_are_refused(tmp_path: Path) -> None:
    suites = '["simple-agreement", { suite = "simple-agreement", append = " !" }]'
    for kind, rest in (("judge", ""), ("erase", 'concepts = ["number"]')):
        file = tmp_path / f"{kind}.toml"
        file.write_text(
            f'[corpus.generated]\ntrain = 20\n[[model]]\nname = "demo:minilm"\n[[analysis]]\nkind = "{kind}"\n'
            f"suites = {suites}\n{rest}\n",
            encoding="utf-8",
        )
        with pytest.raises(ConfigError, match="two suites of one analysis are called 'simple-agreement"):
            preview(load_plan(file)[0])


def test_two_models_that_results_would_call_alike_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_tiny("gpt2", tmp_path / folder / "m", layers=1, dim=16, head=True)
    file = tmp_path / "alike.toml"
    models = '[[model]]\nname = "./a/m"\ntwins = 0\n[[model]]\nname = "./b/m"\ntwins = 0\n'
    analysis = '[[analysis]]\nkind = "judge"\nsuites = ["simple-agreement"]\n'
    file.write_text(models + analysis, encoding="utf-8")
    with pytest.raises(
        ConfigError, match="two models would be called 'm' in results; give one of them a label"
    ):
        preview(load_plan(file)[0])
    file.write_text(models + 'label = "second"\n' + analysis, encoding="utf-8")
    run = run_experiment(file, runs=tmp_path / "runs")
    assert {row.model for row in run.measurements()} == {"m", "second"}
