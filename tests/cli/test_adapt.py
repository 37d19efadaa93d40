"""`probekit adapt`: options become a plan; exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.results.run import Run
from tests.cli.test_extract import run
from tests.experiment.test_adapt import experiment, in_this_process  # noqa: F401 - a fixture, used by name
from tests.tiny_models import tiny_folder


@pytest.fixture
def command(tmp_path: Path) -> tuple[object, ...]:
    data = experiment(tmp_path)
    files = [part for split in ("train", "dev", "test") for part in ("--data", data / f"q-{split}.label")]
    return (
        "adapt",
        "trec",
        *files,
        "--model",
        tiny_folder("gpt2"),
        "--device",
        "cpu",
        "--runs",
        tmp_path / "runs",
    )


def test_every_option_reaches_the_run(
    command: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (
        "--strategy", "centroid, full", "--seeds", 2, "--seeds-of", "full=1", "--budget", "examples=6",
        "--fractions", "0.5,1", "--option", "full.epochs=1", "--option", "full.rate=1e-3", "--metric", "macro_f1",
        "--least-steps", 0, "--save",
    )  # fmt: skip
    assert run(*command, *more, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    found = Run(told["run"])
    [analysis] = found.info["plan"]["analysis"]
    wanted = {
        "kind": "adapt", "task": "trec", "strategies": ["centroid", "full"], "seeds": 2, "seeds_of": {"full": 1},
        "budget": "examples=6", "fractions": [0.5, 1.0], "options": {"full": {"epochs": 1, "rate": 1e-3}},
        "metric": "macro_f1", "least_steps": 0, "save": True,
    }  # fmt: skip
    assert {key: analysis[key] for key in wanted} == wanted
    assert {"centroid", "full"} <= {row.method for row in found.measurements()}
    kept = sorted((found.path / "artifacts").glob("*/*/adapted.json"))
    assert [file.parent.name for file in kept] == ["centroid", "full"]
    (tmp_path / "some.txt").write_text("where is the cat\nwho saw the dog\n")
    assert run("predict", kept[0].parent, "--data", tmp_path / "some.txt") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["where is the cat", "who saw the dog"]
    assert run("predict", kept[0].parent, "--data", tmp_path / "some.txt", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["label"] for one in document["predictions"]] == [line.split("\t")[0] for line in lines]
    assert all(0 < one["probability"] <= 1 for one in document["predictions"])


def test_dry_run_says_plan_and_cost_and_writes_nothing(
    command: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--strategy", "frozen-linear", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "adapt to trec by frozen-linear: 3 runs, tuned on dev within trials=2" in out
    assert "frozen-linear: about" in out
    assert run(*command, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["analysis"][0]["strategies"] == [
        "frozen-linear",
        "full",
    ]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--strategy", "frozen-lineer"), "did you mean 'frozen-linear'"),
        (("--strategy", ""), "strategies"),
        (("--budget", "hours=2"), "no budget of 'hours'"),
        (("--fractions", "half"), "numbers separated by commas; got 'half'"),
        (("--seeds-of", "full"), "STRATEGY=N, such as full=3; got 'full'"),
        (("--option", "epochs"), "STRATEGY.KEY=VALUE, such as lora.rank=4; got 'epochs'"),
        (("--option", "full=3"), "got 'full=3'"),
        (("--metric", "r2"), "metric 'r2' does not fit task 'trec'"),
    ],
)
def test_what_is_wrong_is_told(
    command: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, str], message: str
) -> None:  # fmt: skip
    assert run(*command, *more) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_a_classifier_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.txt").write_text("where is the cat\n")
    assert run("predict", tmp_path, "--data", tmp_path / "some.txt") == 1
    assert "holds no saved classifier" in capsys.readouterr().err
