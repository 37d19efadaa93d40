"""`probekit erase`: options become a plan; exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.results.run import Run
from tests.cli.test_extract import run
from tests.experiment.corpora import write_treebank
from tests.experiment.test_train_and_judge import SUITE
from tests.tiny_models import tiny_folder, tiny_lm_folder


def test_every_option_reaches_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.report.write.write_page", lambda run: run.page)
    data = write_treebank(tmp_path / "tiny")
    (tmp_path / "small.toml").write_text(SUITE)
    command = (
        "erase", "upos", "--data", data / "*.conllu", "--format", "conllu", "--model", tiny_lm_folder("gpt2"),
        "--method", "leace, random", "--layers", "1", "--judge", tmp_path / "small.toml", "--random-draws", 1,
        "--neutral", 5, "--scrub", "--probe", "linear", "--strength", 0.5, "--bos", "without", "--at", "prediction",
        "--device", "cpu", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert run(*command, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    found = Run(told["run"])
    [analysis] = found.info["plan"]["analysis"]
    wanted = {
        "kind": "erase", "concepts": ["upos"], "methods": ["leace", "random"], "layers": ["1"], "scrub": True,
        "random_draws": 1, "neutral": 5, "probes": ["linear"], "strength": 0.5, "bos": "without", "at": "prediction",
    }  # fmt: skip
    assert {key: analysis[key] for key in wanted} == wanted
    assert {row.layer for row in found.measurements() if row.metric == "used"} == {"1", "all"}
    assert "tells upos from the state that predicts the word" in told["summary"][0]
    assert run(*command) == 0
    shown = capsys.readouterr()
    assert shown.out == f"report {found.page}\n"
    assert "this run is finished" in shown.err


def test_without_a_suite_an_encoder_is_asked_by_probes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.report.write.write_page", lambda run: run.page)
    data = write_treebank(tmp_path / "tiny")
    command = ("erase", "upos", "--data", data, "--model", tiny_folder("bert"), "--layers", "0", "--probe", "linear",
               "--runs", tmp_path / "runs")  # fmt: skip
    assert run(*command) == 0
    assert "nothing is said of its use" in capsys.readouterr().err


def test_what_is_wrong_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_treebank(tmp_path / "tiny")
    command = ("erase", "upos", "--data", data, "--model", tiny_folder("bert"), "--runs", tmp_path / "runs")
    for more, message in [
        (("--method", "leece"), "did you mean 'leace'"),
        (("--method", "random"), "methods has controls only"),
        (("--judge", "agreemnt"), "did you mean 'agreement'"),
        (("--layers", "7"), "has no layer '7'"),
        (("--judge", "agreement"), "has no language-model head"),
    ]:
        assert run(*command, *more) in (1, 2)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    for missing in ("--data", "--model"):
        place = command.index(missing)
        assert run(*command[:place], *command[place + 2 :]) == 2
        assert missing in capsys.readouterr().err
