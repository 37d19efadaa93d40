"""`probekit run`: options, exit codes, and what stands on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_extract import run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder

FILE = """
[question]
ask = "Is it there?"
[corpus]
conllu = "tiny-ud-*.conllu"
[[model]]
name = "{model}"
twins = 1
[[analysis]]
kind = "probe"
tasks = {tasks}
layers = [0]
strengths = [1.0]
seeds = {{ control = 1 }}
bootstrap = 100
"""

Write = Callable[..., Path]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    write_treebank(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)

    def write(tasks: str = '["upos"]') -> Path:
        file = tmp_path / "tiny" / "experiment.toml"
        file.write_text(FILE.format(tasks=tasks, model=tiny_folder("bert")), encoding="utf-8")
        return file

    return write


def test_dry_run_says_plan_and_cost_and_writes_nothing(
    experiment: Write, tmp_path: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = experiment()
    before = sorted(tmp_path.rglob("*"))
    assert run("run", file, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "60 train, 20 dev, 24 test sentences" in out
    assert "about" in out
    assert run("run", "tiny", "--dry-run", "--json", "--set", "model.0.twins=2", "--device", "cpu") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["plan"]["model"][0]["twins"] == 2
    assert document["plan"]["model"][0]["device"] == "cpu"
    assert any("2 random twins" in line for line in document["cost"])
    assert sorted(tmp_path.rglob("*")) == before
    assert list(own_store.iterdir()) == []


def test_run_then_report_it(experiment: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = experiment()
    assert run("run", file) == 0
    shown = capsys.readouterr()
    page = Path(shown.out.removeprefix("report ").strip())
    assert page.is_file()
    assert "On the test part of tiny-ud" in shown.err
    assert run("run", file, "--json") == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert Path(document["report"]) == page
    assert document["failed"] == []
    assert "this run is finished" in shown.err


def test_failed_cells_are_named(experiment: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", experiment('["upos", "number"]'), "--json") == 3  # the treebank has no features
    shown = capsys.readouterr()
    [failed] = json.loads(shown.out)["failed"]
    assert failed["cell"].endswith("number")
    assert "no value for feats.Number" in failed["reason"]
    assert "failed: " in shown.err


def test_a_repaired_store_mends_failed_cells(
    experiment: Write, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = experiment()
    assert run("extract", "--data", "tiny", "--model", tiny_folder("bert"), "--layers", "0") == 0
    [shard] = own_store.glob("*/shard-00000.safetensors")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    capsys.readouterr()
    assert run("run", file, "--json") == 3
    assert "damaged" in json.loads(capsys.readouterr().out)["failed"][0]["reason"]
    assert run("store", "verify") == 4
    assert run("run", file) == 0  # cells that failed are tried again
    assert "continuing" in capsys.readouterr().err


def test_overrides_are_checked(experiment: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = experiment()
    for override, message in [
        ("model.0.twins", "expected KEY=VALUE"),
        ("..=1", "expected KEY=VALUE"),
        ("model.-1.twins=1", "no such place"),
        ("model.0.twin=1", "did you mean 'twins'?"),
        ("corpus.conllu=absent-*.conllu", "no file matches this pattern"),
    ]:
        assert run("run", file, "--set", override) == (1 if "absent" in override else 2)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
