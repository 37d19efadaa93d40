"""probekit report, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from probekit.cli import cli
from probekit.errors import ConfigError, DataError
from probekit.results.measurement import Measurement
from probekit.results.run import Run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for experiment, name in (("quick", "20260101T0-a"), ("quick", "20260102T0-b"), ("slow", "20260101T0-c")):
        run = Run(tmp_path / "runs" / experiment / name)
        run.write_info({"name": experiment, "finished": "2026-01-01" if experiment == "quick" else ""})
        run.add_measurements([Measurement(metric="accuracy", value=0.5)])
    return tmp_path / "runs"


def test_an_experiment_s_latest_run(runs: Path) -> None:
    found = CliRunner().invoke(cli, ["report", "quick"])
    assert found.exit_code == 0
    page = runs / "quick" / "20260102T0-b" / "report" / "index.html"
    assert found.stdout == f"{page}\n"
    assert page.read_text().startswith("<!doctype html>")


def test_several_runs_into_a_folder(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, ["report", "quick", "slow", "-o", "out", "--json"])
    assert json.loads(found.stdout)["pages"] == [
        str(tmp_path / "out" / name / "index.html") for name in ("quick-20260102T0-b", "slow-20260101T0-c")
    ]
    assert "not finished" in found.stderr


def test_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert CliRunner().invoke(cli, ["report", "quick", "--open"]).exit_code == 0
    assert opened[0].startswith("file://")


def test_an_unknown_run() -> None:
    found = CliRunner().invoke(cli, ["report", "quik"])
    assert isinstance(found.exception, ConfigError)
    assert "did you mean 'quick'" in str(found.exception)


def test_a_damaged_run(runs: Path) -> None:
    (runs / "slow" / "20260101T0-c" / "run.json").write_text("{")
    assert isinstance(CliRunner().invoke(cli, ["report", "slow"]).exception, DataError)
