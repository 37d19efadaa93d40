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
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder, tiny_model, write_tiny

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
        "neurons": "",
    }
    run = start(experiment(tmp_path, more="layers = [0, 1]", **given))  # type: ignore[arg-type]
    failed = {one["cell"]: one["reason"] for one in run.info["failed"]}
    assert set(failed) == {"tiny-look.similarity.such-model"}
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


def test_words_whose_file_names_would_be_equal_have_a_table_each(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text(
        "Dogs bark ;\nCats bark !\nDogs sleep ;\nCats sleep !\n猫 東\n", "utf-8"
    )
    given = dict.fromkeys(("similar_to", "activity", "neurons", "tasks", "sample"), "")
    home = experiment(
        tmp_path,
        neighbours='neighbours = [";", "!", "猫", ";"]\nlayers = [1]',
        generated='text = "../some.txt"',
        **given,  # type: ignore[arg-type]
    )
    run = start(home)
    assert run.info["failed"] == []
    titles = [panel.title for panel in run.panels() if panel.kind == "table"]
    assert titles == [f"Nearest neighbours of {word!r}" for word in (";", "!", "猫")]
    asked = {row.group.partition(",")[0] for row in run.measurements() if row.control == ""}
    assert len(asked) == 3, asked
    assert all(one.startswith("occurrence=") for one in asked)
    cells = sorted((run.path / "cells").glob("*neighbours.*[0-9a-f].json"))
    kept = [cell.name for cell in cells if "panel" not in cell.name]
    assert len(kept) == 3
    info = run.info
    del info["finished"]
    run.write_info(info)
    (run.path / "cells" / kept[0]).unlink()
    again = start(home)
    assert again.path == run.path
    assert [panel.title for panel in again.panels() if panel.kind == "table"] == titles


def test_pictures_are_of_the_split_and_captions_say_where_all_are_read(tmp_path: Path) -> None:
    given = {
        "similar_to": "",
        "activity": "",
        "neurons": "",
        "statistics": "",
        "neighbours": "",
        "sample": "",
    }
    more = 'senses = ["upos"]\nsplit = "dev"\nlayers = [1]\nstatistics = ["outliers"]'
    run = start(experiment(tmp_path, more=more, **given))  # type: ignore[arg-type]
    assert run.info["failed"] == []
    corpus = pk.generate_corpus(20, 20, 20, seed=1)
    acts = pk.extract(tiny_model("bert"), corpus, layers=[1])
    units = acts.units(pk.load_task("upos"), split="dev")
    planes = next(panel for panel in run.panels() if panel.kind == "scatter")
    assert len(planes.labels["names"]) == len(units.ids) < acts.n_rows
    found = pk.sense_separation(acts, pk.load_task("upos"), split="dev", resamples=100)
    ours = [row.value for row in run.measurements() if row.metric == "sense_auc" and not row.control]
    assert ours == pytest.approx([r.value for r in found.rows if r.metric == "sense_auc" and not r.control])
    captions = [panel.caption for panel in run.panels() if panel.kind != "sentence"]
    said = [caption for caption in captions if caption.endswith("All splits.")]
    assert len(said) == 2 if len(captions) == 4 else said
    assert "All splits" not in planes.caption
    part = next(panel for panel in run.panels() if panel.title == "Geometry of tiny")
    assert (
        "of the split 'dev'; statistics, similarity and neighbours are over all splits" in part.labels["text"]
    )


def test_labels_are_looked_at_without_a_train_part(tmp_path: Path) -> None:
    given = dict.fromkeys(("similar_to", "activity", "neurons", "neighbours"), "")
    data = write_treebank(tmp_path / "data")
    (data / "tiny-ud-train.conllu").unlink()
    given["generated"] = f'conllu = "{data}/*.conllu"'
    more = 'senses = ["upos"]\nlayers = [1]'
    run = start(experiment(tmp_path, more=more, **given))  # type: ignore[arg-type]
    assert run.info["failed"] == []
    assert {"stress", "sense_auc"} <= {row.metric for row in run.measurements()}


def test_a_model_of_another_depth_is_compared_by_its_own_layers(tmp_path: Path) -> None:
    flat = write_tiny("bert", tmp_path / "flat", layers=1)
    given = {"tasks": "", "activity": "", "neurons": "", "neighbours": "", "sample": ""}
    given["similar_to"] = f'similar_to = ["{flat}", "self"]'
    run = start(experiment(tmp_path, more="layers = [1, 'final']", **given))  # type: ignore[arg-type]
    assert run.info["failed"] == []
    maps = [panel for panel in run.panels() if panel.kind == "heatmap"]
    assert [panel.labels["rows"] for panel in maps] == [["1", "2"]] * 2
    assert [panel.labels["columns"] for panel in maps] == [["1"], ["1", "2"]]
    given["similar_to"] = f'similar_to = ["{flat}"]'
    run = start(experiment(tmp_path, more="layers = [1, 2]", **given))  # type: ignore[arg-type]
    assert [panel.labels["columns"] for panel in run.panels() if panel.kind == "heatmap"] == [["0", "1"]]


def test_neurons_are_pooled_as_asked(tmp_path: Path) -> None:
    given = {"similar_to": "", "activity": "", "tasks": "", "neighbours": "", "sample": ""}
    run = start(experiment(tmp_path, more='pool = "last"', **given))  # type: ignore[arg-type]
    shaded = next(panel for panel in run.panels() if panel.kind == "shaded-text")
    corpus = pk.generate_corpus(20, 20, 20, seed=1).split("test")
    shown = pk.Corpus(corpus.sentences[:3], corpus.name, text_form=corpus.text_form)
    last, mean = (pk.activation_text(tiny_model("bert"), shown, 1, 3, pool=pool) for pool in ("last", "mean"))
    assert not np.allclose(last.values, mean.values)
    np.testing.assert_allclose(shaded.arrays["value"], last.values[:, 0], atol=1e-6)


def test_neurons_that_are_not_there_are_refused_before_a_text_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("a text was read")

    monkeypatch.setattr("probekit.activations.extract.extract", read)
    for changes, message in [
        ({"neurons": 'neurons = ["1:64"]'}, "layer 1 has no neuron 64 at 'mlp': they are numbered 0 to 63"),
        ({"neurons": 'neurons = ["7:3"]'}, "has no layer '7'"),
        ({"neurons": 'neurons = ["0:3"]'}, "layer '0' is no block and has no site 'mlp'"),
        ({"neurons": "layers = [0]"}, r"none of the layers asked for \(0\) has the site 'mlp' .*: 1, 2"),
    ]:
        with pytest.raises(ConfigError, match=message):
            start(experiment(tmp_path, **changes))  # type: ignore[arg-type]


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
