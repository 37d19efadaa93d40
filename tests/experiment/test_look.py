"""A look at states as an experiment: from a file to rows and pictures; resumed, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.experiment import look_cells
from probekit.experiment.look_cells import find_occurrence
from probekit.experiment.plan import load_plan
from probekit.experiment.run import preview, run_experiment
from probekit.results.run import Run
from tests.tiny_models import tiny_folder

EXPERIMENT = """
[question]
ask = "How do states lie?"
[corpus]
generated = {{ train = 20, dev = 20, test = 20, seed = 1 }}
[[model]]
name = "{model}"
label = "tiny"
twins = 1
[[analysis]]
kind = "look"
tasks = ["upos"]
similar_to = ["self", "twin"]
neighbours = ["the"]
neurons = ["1:3", "1:0"]
statistics = false
activity = true
texts = 3
sample = 60
bootstrap = 100
{more}
"""


def experiment(folder: Path, *, model: Path | None = None, more: str = "", **changes: str) -> Path:
    home = folder / "small"
    home.mkdir(exist_ok=True)
    text = EXPERIMENT.format(model=model or tiny_folder("bert"), more=more)
    for old, new in changes.items():
        lines = [line if not line.startswith(f"{old} =") else new for line in text.splitlines()]
        text = "\n".join(lines)
    (home / "experiment.toml").write_text(text)
    return home


def start(home: Path, **options: object) -> Run:
    return run_experiment(home, runs=home.parent / "runs", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def no_page() -> object:
    """Drawing takes longer than everything else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probekit.report.write.write_page", lambda run: run.page)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return start(experiment(tmp_path_factory.mktemp("look")))


def test_every_part_leaves_rows_and_pictures_of_the_model_by_its_label(finished: Run) -> None:
    assert finished.info["failed"] == []
    rows = finished.measurements()
    assert {row.run for row in rows} == {finished.path.name}
    assert {row.question for row in rows} == {"How do states lie?"}
    assert all(row.model.startswith("tiny") for row in rows), {row.model for row in rows}
    panels = finished.panels()
    assert {"scatter", "heatmap", "shaded-text", "table"} <= {panel.kind for panel in panels}
    assert all("tiny" in panel.name for panel in panels)
    shaded = [panel for panel in panels if panel.kind == "shaded-text"]
    assert [panel.title.split(" over")[0] for panel in shaded] == [
        "Neuron 3 of layer 1",
        "Neuron 0 of layer 1",
    ]
    assert len(shaded[0].labels["lines"]) == 3
    assert str(tiny_folder("bert")) not in " ".join(finished.info["summary"])


def test_numbers_are_those_of_the_functions(finished: Run) -> None:
    corpus = pk.generate_corpus(20, 20, 20, seed=1)
    model = pk.load_model(str(tiny_folder("bert")), device="cpu")
    acts = pk.extract(model, corpus)
    found = pk.similarity(acts)
    scatter = next(panel for panel in finished.panels() if panel.kind == "scatter")
    planes = pk.project(acts, pk.load_task("upos"), split="test", points=60)
    np.testing.assert_allclose(scatter.arrays["xy"], planes.xy, atol=1e-5)
    maps = [panel.arrays["value"] for panel in finished.panels() if panel.kind == "heatmap"]
    ours = [value for value in maps if value.shape == found.value.shape]
    assert any(np.allclose(value, found.value, atol=1e-5) for value in ours)


def test_a_second_run_is_the_first_and_a_missing_cell_is_done_again(tmp_path: Path) -> None:
    given = {"similar_to": "", "activity": "", "neurons": ""}
    home = experiment(tmp_path, **given)  # type: ignore[arg-type]
    run = start(home)
    before = [row.value for row in run.measurements()]
    info = run.info
    del info["finished"]
    run.write_info(info)
    cell = next((run.path / "cells").glob("*project.upos.pca.json"))
    times = {file.name: file.stat().st_mtime_ns for file in (run.path / "cells").iterdir()}
    cell.unlink()
    again = start(home)
    assert again.path == run.path
    assert [row.value for row in again.measurements()] == before
    changed = {
        file.name
        for file in (run.path / "cells").iterdir()
        if file.stat().st_mtime_ns != times.get(file.name)
    }
    assert changed
    assert all("project" in name for name in changed)


def test_a_cell_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    given = {
        "similar_to": 'similar_to = ["no/such-model"]',
        "activity": "",
        "neurons": 'neurons = ["1:99999"]',
    }
    run = start(experiment(tmp_path, more="layers = [0, 1]", **given))  # type: ignore[arg-type]
    failed = {one["cell"]: one["reason"] for one in run.info["failed"]}
    assert set(failed) == {"tiny-look.similarity.such-model", "tiny-look.text.1"}
    assert "99999" in failed["tiny-look.text.1"]
    assert [row for row in run.measurements() if row.metric == "stress"]


def test_what_is_wrong_is_told_before_a_model_is_read(tmp_path: Path) -> None:
    for changes, error, message in [
        ({"neurons": 'neurons = ["3"]'}, ConfigError, "neuron '3' is no LAYER:UNIT, such as '3:17'"),
        ({"tasks": 'tasks = ["upso"]'}, ConfigError, "did you mean 'upos'"),
        ({"tasks": 'tasks = ["sentence_length"]'}, ConfigError, "labels each sentence"),
        ({"similar_to": "measures = ['ckaa']"}, ConfigError, "measures"),
        ({"tasks": "", "neurons": "selective = true"}, ConfigError, "needs tasks whose labels"),
    ]:
        with pytest.raises(error, match=message):
            start(experiment(tmp_path, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "runs" / "small").exists()


def test_the_plan_in_words(tmp_path: Path) -> None:
    plan, _, _ = load_plan(experiment(tmp_path))
    assert preview(plan)[-1] == (
        "look at states: pca of upos; cka with self, twin; neighbours of the; activity of neurons; neurons 1:3, 1:0"
    )


def test_an_occurrence_is_a_place_or_the_first_of_a_word() -> None:
    corpus = pk.generate_corpus(0, 0, 3)
    first, word = corpus[0], corpus[0].words[1]
    assert find_occurrence(corpus, f"{first.id}:2") == f"{first.id}:2"
    assert find_occurrence(corpus, word.upper()) == f"{first.id}:2"
    with pytest.raises(DataError, match="'xyzzy' is no word of the 3 sentences"):
        find_occurrence(corpus, "xyzzy")
    assert set(look_cells.PARTS) >= {
        "project",
        "similarity",
        "senses",
        "neighbours",
        "activity",
        "selective",
        "text",
    }


def test_states_of_all_layers_are_read_once_where_two_analyses_want_them(
    tmp_path: Path, own_store: Path
) -> None:
    given = {"similar_to": "", "activity": "", "neurons": "", "neighbours": ""}
    second = "layers = [1]\n[[analysis]]\nkind = 'look'\nsimilar_to=['self']\nstatistics = false"
    run = start(experiment(tmp_path, more=second, **given))  # type: ignore[arg-type]
    assert run.info["failed"] == []
    planes = next(panel for panel in run.panels() if panel.kind == "scatter")
    assert planes.labels["planes"] == ["layer 1"]
    similar = next(panel for panel in run.panels() if panel.kind == "heatmap")
    assert similar.arrays["value"].shape == (3, 3)
    assert len([place for place in own_store.iterdir() if place.is_dir() and len(place.name) == 64]) == 1
