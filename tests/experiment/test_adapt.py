"""Adaptation as an experiment: from a file to rows and pictures; resumed, refused, failed in part, kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.do_cell import do_cell_here
from probekit.errors import ConfigError, DataError
from probekit.experiment.adapt_steps import saved_in
from probekit.experiment.plan import load_plan
from probekit.experiment.predicted import predict_files
from probekit.experiment.run import preview, run_experiment
from probekit.results.run import Run
from tests.tiny_models import tiny_folder

EXPERIMENT = """
[question]
ask = "Which way is best?"
[corpus]
trec = ["q-train.label", "q-dev.label", "q-test.label"]
[[model]]
name = "{model}"
label = "tiny"
twins = 0
[[analysis]]
kind = "adapt"
task = "trec"
strategies = ["frozen-linear", "full"]
seeds = 2
seeds_of = {{ lora = 5 }}
budget = "trials=2"
least_steps = 0
bootstrap = 100
{more}
[analysis.options.full]
epochs = 1
"""


ASKED = {"LOC": "where is the", "NUM": "how far is the", "HUM": "who saw the"}
SIZES = {"train": 8, "dev": 5, "test": 6}


def questions(split: str) -> list[tuple[str, str]]:
    """Texts with their labels; no text is in two splits."""
    nouns = ["cat", "dog", "key", "mat", "cabinet", "night", "run", "bark", "sit", "sleep"]
    return [
        (f"{ASKED[label]} {noun} {split}", label) for noun in nouns[: SIZES[split]] for label in sorted(ASKED)
    ]


def experiment(folder: Path, *, more: str = "", **changes: str) -> Path:
    home = folder / "small"
    home.mkdir(exist_ok=True)
    for split in SIZES:
        lines = [f"{label}:other {text}" for text, label in questions(split)]
        (home / f"q-{split}.label").write_text("\n".join(lines) + "\n")
    text = EXPERIMENT.format(model=tiny_folder("gpt2"), more=more)
    for old, new in changes.items():
        lines = [line if not line.startswith(f"{old} =") else new for line in text.splitlines()]
        text = "\n".join(lines)
    (home / "experiment.toml").write_text(text)
    return home


def start(home: Path, **options: Any) -> Run:
    return run_experiment(home, runs=home.parent / "runs", **options)


@pytest.fixture(scope="module", autouse=True)
def in_this_process() -> Iterator[list[str]]:
    """A process of its own for each cell costs seconds; drawing takes longer than everything else."""
    done: list[str] = []

    def do(cells: list[AdaptCell], **given: Any) -> Iterator[CellResult]:
        for cell in cells:
            if not cell.done:
                done.append(cell.name)
            yield cell.result() if cell.done else do_cell_here(cell)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probekit.adaptation.compare.do_adapt_cells", do)
        patch.setattr("probekit.report.write.write_page", lambda run: run.page)
        yield done


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return start(experiment(tmp_path_factory.mktemp("adapt"), more="save = true"))


def test_every_strategy_has_rows_under_the_model_s_label(finished: Run) -> None:
    assert finished.info["failed"] == []
    rows = finished.measurements()
    assert {row.run for row in rows} == {finished.path.name}
    assert {row.model for row in rows} == {"tiny"}
    assert {"frozen-linear", "full"} <= {row.method for row in rows}
    assert finished.info["seeds"]["adaptation"] == [0, 1]
    [model] = finished.info["models"]
    assert model["name"] == "tiny"
    panels = finished.panels()
    assert panels
    assert panels[0].title == "Adapting tiny"
    assert finished.info["summary"]


def test_the_score_is_that_of_the_estimator_fitted_by_hand(finished: Run) -> None:
    texts, labels = {}, {}
    for split in SIZES:
        texts[split], labels[split] = zip(*questions(split), strict=True)
    right = []
    for seed in (0, 1):
        clf = pk.FineTune(str(tiny_folder("gpt2")), epochs=1, seed=seed)
        clf.fit(texts["train"], labels["train"], texts["dev"], labels["dev"])
        right.append((clf.predict(texts["test"]) == np.array(labels["test"])).mean())
    [row] = [
        row
        for row in finished.measurements()
        if row.metric == "accuracy" and row.method == "full" and row.group == "task=trec" and row.split == "test"
    ]  # fmt: skip
    assert row.value == pytest.approx(np.mean(right))


def test_a_second_run_does_a_missing_cell_alone(tmp_path: Path, in_this_process: list[str]) -> None:
    home = experiment(tmp_path, strategies='strategies = ["frozen-linear"]')
    run = start(home)
    before = [
        (row.metric, row.method, row.value) for row in run.measurements() if "seconds" not in row.metric
    ]
    info = run.info
    del info["finished"]
    run.write_info(info)
    in_this_process.clear()
    assert start(home).path == run.path
    assert in_this_process == []
    info = run.info
    del info["finished"]
    run.write_info(info)
    next((run.path / "cells").glob("*/*seed-1*.json")).unlink()
    again = start(home)
    assert in_this_process == ["frozen-linear, seed 1"]
    after = [
        (row.metric, row.method, row.value) for row in again.measurements() if "seconds" not in row.metric
    ]
    assert after == before


def test_a_strategy_that_cannot_be_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    more = "[analysis.options.frozen-linear]\nlayer = 17\n"
    home = experiment(tmp_path, seeds="seeds = 1")
    text = (home / "experiment.toml").read_text()
    (home / "experiment.toml").write_text(text + "\n" + more)
    run = start(home)
    failed = [one["cell"] for one in run.info["failed"]]
    assert failed == ["tiny-adapt-trec: frozen-linear, seed 0"]
    assert "17" in run.info["failed"][0]["reason"]
    assert "full" in {row.method for row in run.measurements() if row.value is not None}
    assert "finished" in run.info


def test_an_option_that_a_strategy_has_not_stops_before_anything_runs(tmp_path: Path) -> None:
    home = experiment(tmp_path, seeds="seeds = 1")
    text = (home / "experiment.toml").read_text()
    (home / "experiment.toml").write_text(text + "\n[analysis.options.frozen-linear]\nlayre = 1\n")
    with pytest.raises(ConfigError, match=r"'frozen-linear' has no option 'layre'; did you mean 'layer'"):
        start(home)
    assert not (tmp_path / "runs").exists()


def test_kept_classifiers_predict_files(finished: Run, tmp_path: Path) -> None:
    kept = saved_in(finished.path)
    assert [folder.name for folder in kept] == ["frozen-linear", "full"]
    (tmp_path / "some.txt").write_text("where is the cat\nwho saw the dog\n")
    for folder in kept:
        found = predict_files(folder, [tmp_path / "some.txt"])
        assert [one.text for one in found] == ["where is the cat", "who saw the dog"]
        assert all(
            one.label in ASKED and one.probability is not None and 0 < one.probability <= 1 for one in found
        )


def test_what_is_wrong_is_told_before_a_model_is_read(tmp_path: Path) -> None:
    for changes, error, message in [
        ({"task": 'task = "upso"'}, ConfigError, "did you mean 'upos'"),
        ({"task": 'task = "sst"'}, DataError, "sst"),
        ({"task": 'task = "trec"\nmetric = "r2"'}, ConfigError, "metric 'r2' does not fit task 'trec'"),
        ({"trec": 'trec = ["q-train.label"]'}, DataError, "test"),
    ]:
        with pytest.raises(error, match=message):
            start(experiment(tmp_path, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "runs" / "small").exists()


def test_a_dry_run_says_what_it_would_cost(tmp_path: Path) -> None:
    plan, _, _ = load_plan(experiment(tmp_path, more="fractions = [0.5, 1.0]"))
    lines = preview(plan)
    assert any(
        line == "adapt to trec by frozen-linear, full: 8 runs, tuned on dev within trials=2" for line in lines
    )
    assert any(line.startswith("  full: about ") for line in lines)
    assert any("by the clock" in line and "--jobs 2" in line for line in lines)
