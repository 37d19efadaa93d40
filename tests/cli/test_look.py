"""`probekit look`: options become a plan; exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.results.run import Run
from tests.cli.test_attend import no_page  # noqa: F401 - used by name
from tests.cli.test_extract import run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder


def test_every_option_reaches_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_treebank(tmp_path / "tiny")
    command = (
        "look", "--data", data, "--model", tiny_folder("bert"), "--task", "upos", "--method", "pca", "--layers", "0,1",
        "--similar-to", "self", "--measure", "rsa", "--neighbours", "walk", "--neuron", "1:3", "--texts", 2,
        "--no-statistics", "--sample", 40, "--split", "dev", "--device", "cpu", "--runs", tmp_path / "runs",
        "--html", tmp_path / "page.html",
    )  # fmt: skip
    assert run(*command, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    found = Run(told["run"])
    [analysis] = found.info["plan"]["analysis"]
    wanted = {
        "kind": "look", "tasks": ["upos"], "methods": ["pca"], "layers": ["0", "1"], "similar_to": ["self"],
        "measures": ["rsa"], "neighbours": ["walk"], "neurons": ["1:3"], "texts": 2, "statistics": False,
        "sample": 40, "split": "dev", "site": "hidden", "neuron_site": "mlp", "activity": False,
    }  # fmt: skip
    assert {key: analysis[key] for key in wanted} == wanted
    assert {panel.kind for panel in found.panels()} >= {"scatter", "heatmap", "table", "shaded-text"}
    assert (tmp_path / "page.html").read_bytes() == found.page.read_bytes()


def test_text_without_splits_is_looked_at_as_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.txt").write_text(
        "The keys are here.\nA dog barks.\nThe cats sleep well.\nThe dogs sleep.\n"
    )
    command = ("look", "--data", tmp_path / "some.txt", "--model", tiny_folder("bert"), "--no-statistics",
               "--neighbours", "dogs", "--runs", tmp_path / "runs")  # fmt: skip
    assert run(*command) == 0
    assert "dogs" in capsys.readouterr().err


def test_what_is_wrong_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_treebank(tmp_path / "tiny")
    command = (
        "look",
        "--data",
        data,
        "--model",
        tiny_folder("bert"),
        "--runs",
        tmp_path / "runs",
        "--no-statistics",
    )
    for more, message in [
        ((), "nothing is asked"),
        (("--task", "upso"), "did you mean 'upos'"),
        (("--neuron", "3"), "is no LAYER:UNIT, such as '3:17'"),
        (("--neighbours", "xyzzy"), "'xyzzy' is no word of the 24 sentences"),
        (("--task", "upos", "--layers", "7"), "has no layer '7'"),
    ]:
        assert run(*command, *more) in (1, 2)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
