"""probekit results, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from probekit.cli import cli
from probekit.errors import ConfigError, DataError
from probekit.results.measurement import Measurement
from probekit.results.outcomes import Outcomes
from probekit.results.run import Run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for experiment, rate in (("first", 0.6), ("second", 0.9)):
        run = Run(tmp_path / "runs" / experiment / "20260101T0-a")
        words = {
            "question": "Where?\x1b[31m",
            "summary": ["In layer 3."],
            "failed": [{"cell": "c", "reason": "r"}],
        }
        run.write_info({"name": experiment, "finished": "2026-01-01", **words})
        run.add_measurements(
            Measurement(metric="accuracy", layer=str(i), value=0.5, low=0.4, high=0.6, n=9) for i in range(50)
        )
        gold = np.arange(100) % 2
        guess = np.where(rng.random(100) < rate, gold, 1 - gold)
        ids = tuple(f"s{i}" for i in range(100))
        run.add_outcomes("layer-3", Outcomes(ids, np.arange(100), gold, guess, labels=("A", "B")))
    return tmp_path / "runs"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["results", *arguments])


def test_list(runs: Path) -> None:
    (runs / "second" / "20260101T0-a" / "run.json").write_text("{")
    found = call("list")
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0].split() == ["experiment", "run", "state", "question"]
    assert [line.split()[2] for line in found.stdout.splitlines()[1:]] == ["finished", "damaged"]
    assert [one["experiment"] for one in json.loads(call("list", "--json").stdout)] == ["first", "second"]
    assert "no runs" in call("list", "--root", "nowhere").stderr


def test_show() -> None:
    found = call("show", "first")
    assert "asked: Where?␛[31m" in found.stdout
    assert "found: In layer 3." in found.stdout
    assert "[0.400, 0.600]" in found.stdout
    assert "10 more rows" in found.stderr
    assert len(call("show", "first", "--all").stdout.splitlines()) == len(found.stdout.splitlines()) + 10
    document = json.loads(call("show", "first", "--json").stdout)
    assert len(document["measurements"]) == 50


def test_compare() -> None:
    found = call("compare", "first", "second")
    assert found.stdout.splitlines()[1].startswith("layer-3")
    (row,) = json.loads(call("compare", "first", "second", "--json").stdout)
    assert row["value"] > 0.1
    assert row["family_size"] == 1
    assert isinstance(call("compare", "first", "second", "--metric", "f1").exception, ConfigError)


@pytest.mark.parametrize(
    ("how", "start"), [("csv", "run,question"), ("jsonl", "{"), ("latex", "\\begin{table}")]
)
def test_export(how: str, start: str, tmp_path: Path) -> None:
    found = call("export", "first", "--format", how)
    assert found.stdout.startswith(start)
    assert call("export", "first", "--format", how, "-o", "out/file").exit_code == 0
    assert (tmp_path / "out" / "file").read_text() == found.stdout


def test_export_of_one_metric() -> None:
    assert len(json.loads(call("export", "first", "--metric", "accuracy", "--json").stdout)) == 50
    found = call("export", "first", "--metric", "acuracy")
    assert isinstance(found.exception, ConfigError)
    assert "did you mean 'accuracy'" in str(found.exception)


def test_unknown_names(runs: Path) -> None:
    assert isinstance(call("show", "frist").exception, ConfigError)
    (runs / "first" / "20260101T0-a" / "measurements.jsonl").write_text("x\n")
    assert isinstance(call("show", "first").exception, DataError)
