"""Probing at the place of prediction and at other sites, in runs: rows say where, twins read the same places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.experiment.plan import check_plan
from probekit.experiment.run import preview, run_plan
from probekit.probing.layer import probe_layer
from probekit.probing.problem import pose
from probekit.results.run import Run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder, tiny_lm_folder

Start = Callable[..., Run]
PROBE = {"kind": "probe", "strengths": [0.1, 1.0], "seeds": {"control": 1}, "bootstrap": 100}


def plan_of(folder: Path, model: Path, *analyses: dict[str, object], twins: int = 1):  # type: ignore[no-untyped-def]
    return check_plan(
        {
            "name": "places",
            "corpus": {"conllu": str(folder / "*.conllu")},
            "model": [{"name": str(model), "twins": twins, "device": "cpu"}],
            "analysis": [PROBE | {"tasks": ["upos"]} | one for one in analyses],
        },
        "test",
    )


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Runs without a page, which takes most of the time; its panels are there."""
    monkeypatch.setattr("probekit.report.write.write_page", lambda run: None)
    folder = write_treebank(tmp_path / "tiny")

    def run(*analyses: dict[str, object], model: Path | None = None, **options: object) -> Run:
        plan = plan_of(folder, model or tiny_lm_folder("gpt2"), *analyses)
        return run_plan(plan, runs=tmp_path / "runs", **options)  # type: ignore[arg-type]

    return run


def test_words_and_their_places_of_prediction_in_one_run(start: Start) -> None:
    run = start({}, {"at": "prediction"}, {"at": "prediction", "site": "mlp", "layers": [1, 2]})
    assert run.info["failed"] == []
    rows = [row for row in run.measurements() if row.metric == "accuracy" and row.split == "test"]
    assert {row.site for row in rows} == {"hidden", "hidden at prediction", "mlp at prediction"}
    assert {(row.site, row.group) for row in rows if " " not in row.group} == {
        ("hidden", "task=upos"),
        ("hidden at prediction", "task=upos@prediction"),
        ("mlp at prediction", "task=upos@mlp@prediction"),
    }
    assert {row.layer for row in rows if row.site == "mlp at prediction" and row.layer} == {"1", "2"}
    assert {row.layer for row in rows if row.site == "hidden at prediction" and row.layer} == {
        "0", "1", "2", "final",
    }  # fmt: skip
    score = {
        (row.site, row.layer, row.control): row.value or 0.0
        for row in rows
        if row.layer and " " not in row.group
    }
    # after "the" a noun follows, after a noun a verb: what comes next can be told, though it has not been read
    majority = 0.35
    assert score["hidden at prediction", "2", ""] > majority + 0.2
    assert score["hidden", "2", ""] > 0.9
    assert any(control == "random-twin" for site, _, control in score if site == "hidden at prediction")
    names = [panel.name for panel in run.panels()]
    for where in ("", "-prediction", "-mlp-prediction"):
        assert f"gpt2-upos{where}-linear" in {name.partition("-linear")[0] + "-linear" for name in names}


def test_the_numbers_are_those_of_the_calls_in_python(start: Start, tmp_path: Path) -> None:
    run = start({"at": "prediction", "layers": [2]})
    [accuracy] = [
        row.value
        for row in run.measurements()
        if (row.metric, row.layer, row.control, row.split) == ("accuracy", "2", "", "test")
        and row.group == "task=upos@prediction"
    ]
    corpus = pk.read_conllu(sorted((tmp_path / "tiny").glob("*.conllu")))
    model = pk.load_model(str(tiny_lm_folder("gpt2")), device="cpu")
    task = pk.load_task("upos")
    data = pk.prediction_units(model, corpus, task, layers=[2])
    problem = pose(data, task, control_seeds=range(1))
    result = probe_layer(pk.LinearProbe(), problem, data.activations, "2", strengths=(0.1, 1.0))
    gold = problem.gold[problem.of("test")]
    assert accuracy == pytest.approx(float(np.mean(result.test[0] == gold)))
    [cell] = run.cells()
    assert run.outcomes(cell).ids == tuple(data.select("test").ids)
    assert run.info["left_out"] == []


def test_a_masked_model_and_a_second_call(start: Start, tmp_path: Path) -> None:
    analysis = {"at": "prediction", "layers": [1, 2]}
    run = start(analysis, model=tiny_lm_folder("bert"))
    assert run.info["failed"] == []
    assert {row.site for row in run.measurements()} == {"hidden at prediction"}
    said: list[str] = []
    again = start(analysis, model=tiny_lm_folder("bert"), say=said.append)
    assert again.path == run.path
    assert any("this run is finished" in line for line in said)


def test_a_model_that_predicts_nothing_is_told(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no language-model head"):
        start({"at": "prediction"}, model=tiny_folder("bert"))
    with pytest.raises(ModelError, match="encoder-decoder; use at='word'"):
        start({"at": "prediction"}, model=tiny_lm_folder("t5"))
    run = start({"layers": [1]}, {"at": "prediction", "layers": [1]}, model=tiny_folder("bert"))
    [failed] = run.info["failed"]
    assert "no language-model head" in failed["reason"]
    assert {row.site for row in run.measurements()} == {"hidden"}


def test_sentences_are_not_predicted(start: Start) -> None:
    with pytest.raises(
        ConfigError, match="task 'sentence_length' labels each sentence, and a model predicts words"
    ):
        start({"at": "prediction", "tasks": ["sentence_length"]})
    with pytest.raises(ConfigError, match="at"):
        start({"at": "predictions"})


def test_what_it_costs_is_said_first(tmp_path: Path) -> None:
    folder = write_treebank(tmp_path / "tiny")
    analyses = ({}, {"at": "prediction"}, {"site": "heads", "layers": [1]})
    for kind in ("gpt2", "bert"):
        lines = "\n".join(preview(plan_of(folder, tiny_lm_folder(kind), *analyses)))
        assert "extract words (mean), " in lines
        assert "extract places of prediction (upos), " in lines
        assert "extract words (mean) at heads, 1 layers" in lines
        assert "probe upos@prediction (linear)" in lines
    odd = plan_of(folder, tiny_lm_folder("gpt2"), {}, {"at": "prediction", "tasks": ["tense"]})
    assert "places of prediction (tense)" in "\n".join(preview(odd))  # a task among others without a unit
