"""`probekit probe`: options become a plan; exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli import probe
from probekit.errors import ConfigError
from probekit.experiment.plan import Plan
from probekit.results.run import Run
from tests.cli.test_extract import run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder


def test_every_option_reaches_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_treebank(tmp_path / "tiny")
    command = (
        "probe", "upos", "--data", data / "*.conllu", "--format", "conllu", "--model", tiny_folder("bert"),
        "--layers", "0, 2", "--probe", "linear", "--strengths", "0.1,1", "--pool", "first", "--twins", 2,
        "--control-seeds", 2, "--length", "window", "--device", "cpu", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert run(*command, "--json") == 0
    found = Run(json.loads(capsys.readouterr().out)["run"])
    plan = found.info["plan"]
    assert plan["corpus"]["length"] == "window"
    assert plan["model"][0]["twins"] == 2
    assert plan["analysis"][0]["pool"] == "first"
    assert plan["analysis"][0]["seeds"]["control"] == 2
    assert {row.layer for row in found.measurements() if row.layer} == {"0", "2"}
    assert run(*command) == 0
    shown = capsys.readouterr()
    assert shown.out == f"report {found.page}\n"
    assert "this run is finished" in shown.err
    assert run("results", "list", "--root", tmp_path / "runs", "--json") == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert listed["state"] == "finished"


def test_place_and_site_reach_the_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plans: list[Plan] = []

    def remember(plan: Plan, given: object) -> None:
        plans.append(plan)
        raise ConfigError("far enough")

    monkeypatch.setattr(probe, "do_plan", remember)
    command = ("probe", "verb_number", "--data", write_treebank(tmp_path), "--model", "somebody/some-model")
    assert run(*command) == run(*command, "--at", "prediction", "--site", "mlp") == 2
    assert [(one.probes[0].at, one.probes[0].site) for one in plans] == [
        ("word", "hidden"),
        ("prediction", "mlp"),
    ]
    assert run(*command, "--at", "predictions") == run(*command, "--site", "mpl") == 2
    assert len(plans) == 2


def test_a_layer_that_does_not_exist_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_treebank(tmp_path / "tiny")
    command = ("probe", "upos", "--data", data, "--model", tiny_folder("bert"), "--runs", tmp_path / "runs")
    assert run(*command, "--layers", "0,7") == 2
    assert "has no layer '7'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    for command, missing in [(("probe",), "TASK"), (("probe", "upos", "--data", "x"), "--model"),
                             (("probe", "upos", "--model", "x"), "--data")]:  # fmt: skip
        assert run(*command) == 2
        assert missing in capsys.readouterr().err
