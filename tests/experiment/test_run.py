"""A run from its file to its page: complete, resumable, the same twice, and honest about what failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from probekit.errors import ConfigError, DataError, ModelError
from probekit.experiment import cells, probe_steps
from probekit.experiment.run import run_experiment
from probekit.results.run import Run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder

FILE = """
[question]
ask = "Is part of speech there?"
expect = "Yes."
[corpus]
conllu = "tiny-ud-*.conllu"
[[model]]
name = "{model}"
twins = 2
[[analysis]]
kind = "probe"
tasks = {tasks}
strengths = [0.1, 1.0]
seeds = {{ control = 2, probe = 2 }}
bootstrap = 100
"""

Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    write_treebank(tmp_path / "tiny")

    def run(tasks: str = '["upos"]', model: str = "", **options: object) -> Run:
        file = tmp_path / "tiny" / "experiment.toml"
        file.write_text(FILE.format(tasks=tasks, model=model or tiny_folder("bert")), encoding="utf-8")
        return run_experiment(file, runs=tmp_path / "runs", **options)  # type: ignore[arg-type]

    return run


def test_a_run_holds_everything(start: Start) -> None:
    run = start()
    info = run.info
    assert info["finished"]
    assert info["failed"] == []
    assert [m["kind"] for m in info["models"]] == ["pretrained", "random", "random"]
    assert info["corpora"][0]["sizes"] == {"train": 60, "dev": 20, "test": 24}
    assert info["peak_anonymous_mb"] > 50
    assert info["file"].startswith("\n[question]")
    assert {row.layer for row in run.measurements() if row.layer} == {"0", "1", "2"}
    assert {row.control for row in run.measurements()} >= {
        "",
        "word-type",
        "shuffled",
        "random-twin",
        "majority",
    }
    assert all(row.run == run.path.name and row.question for row in run.measurements())
    assert len(run.cells()) == 3
    page = run.page.read_text(encoding="utf-8")
    assert "Is part of speech there?" in page
    assert info["summary"][0][:20] in page
    assert (run.path.parent / "latest").resolve() == run.path.resolve()


def test_the_same_command_reports_a_finished_run_and_fresh_gives_the_same_numbers(start: Start) -> None:
    first = start()
    stamp = (first.path / "run.json").stat().st_mtime_ns
    again = start()
    assert again.path == first.path
    assert (first.path / "run.json").stat().st_mtime_ns == stamp
    fresh = start(fresh=True)
    assert fresh.path != first.path
    strip = [
        [{**row.to_dict(), "run": "", "seconds": None} for row in run.measurements()]
        for run in (first, fresh)
    ]
    assert strip[0] == strip[1]


def test_an_interrupted_run_goes_on_where_it_stopped(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = start()
    done: list[str] = []
    original = cells.do_cell

    def interrupted(cell: cells.Cell) -> cells.Ended:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(cell.name)
        return original(cell)

    monkeypatch.setattr(probe_steps, "do_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(fresh=True)
    counted: list[str] = []
    monkeypatch.setattr(probe_steps, "do_cell", lambda cell: (counted.append(cell.name), original(cell))[1])
    run = start()
    assert run.path != whole.path
    assert len(counted) == 1  # two of three layers lay there
    assert run.finished
    values = [[row.value for row in r.measurements()] for r in (whole, run)]
    assert values[0] == values[1]


def test_cells_side_by_side_give_the_same_predictions(start: Start) -> None:
    alone = start()
    beside = start(fresh=True, jobs=2)
    assert [r.value for r in alone.measurements()] == pytest.approx(
        [r.value for r in beside.measurements()], nan_ok=True
    )


def test_a_failed_task_is_named_and_the_others_go_on(start: Start) -> None:
    run = start(tasks='["upos", "number"]')  # the treebank has no features
    assert [failed["cell"].endswith("number") for failed in run.info["failed"]] == [True]
    assert run.finished
    assert run.measurements()
    assert "number" in run.page.read_text(encoding="utf-8")


def test_the_only_task_failing_is_an_error(start: Start) -> None:
    with pytest.raises(DataError, match="number"):
        start(tasks='["number"]')


def test_unknown_task_and_model_are_said_before_anything_runs(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'upos'"):
        start(tasks='["upso"]')
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ModelError):
        start(model="no/such-model")


def test_changed_text_or_weights_are_another_run(start: Start, tmp_path: Path) -> None:
    first = start()
    write_treebank(tmp_path / "tiny", seed=1)
    second = start()
    third = start(model=str(tiny_folder("gpt2")))
    assert len({run.path for run in (first, second, third)}) == 3
    assert {row.layer for row in third.measurements() if row.layer} == {"0", "1", "2", "final"}


def test_the_page_is_rebuilt_byte_for_byte(start: Start) -> None:
    from probekit.report.page import build_page

    run = start()
    assert build_page(Run(run.path)) == run.page.read_bytes()
    json.loads((run.path / "run.json").read_text())
