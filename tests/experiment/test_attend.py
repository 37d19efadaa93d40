"""Attention as an experiment: from a file to rows and pictures; heads ablated, resumed, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError, ModelError
from probekit.experiment import attend_cells
from probekit.experiment.attend_steps import aims_of
from probekit.experiment.kept import Kept
from probekit.experiment.plan import load_plan
from probekit.experiment.run import preview, run_experiment
from probekit.results.run import Run
from tests.experiment.test_train_and_judge import SUITE
from tests.tiny_models import tiny_folder, tiny_lm_folder

EXPERIMENT = """
[question]
ask = "Which heads?"
[corpus]
agreement = {{ train = 5, dev = 30, test = 30, seed = 3, attractors = [0, 1], constructions = ["simple", "pp"] }}
[[model]]
name = "{model}"
label = "tiny"
twins = 1
[[analysis]]
kind = "attend"
relations = ["det"]
directions = ["dependent"]
links = {{ "before the verb to subject" = ["target-1", "subject"] }}
views = ["the keys laugh ."]
suites = ["small.toml"]
heads = 1
random_draws = 2
permutations = 20
bootstrap = 100
{more}
"""


def experiment(folder: Path, *, model: Path | None = None, more: str = "", **changes: str) -> Path:
    home = folder / "small"
    home.mkdir(exist_ok=True)
    (home / "small.toml").write_text(SUITE.replace("items = 1,", "items = 4,"))
    text = EXPERIMENT.format(model=model or tiny_lm_folder("gpt2"), more=more)
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
    return start(experiment(tmp_path_factory.mktemp("attend"), more="trees = true"))


def test_every_part_leaves_rows_and_pictures_of_the_model_by_its_label(finished: Run) -> None:
    assert finished.info["failed"] == []
    rows = finished.measurements()
    assert {row.run for row in rows} == {finished.path.name}
    assert {row.question for row in rows} == {"Which heads?"}
    assert all(row.model.startswith("tiny") for row in rows)
    metrics = {row.metric for row in rows}
    assert {
        "entropy",
        "to_special",
        "accuracy_difference",
        "highest_accuracy",
        "uuas",
        "used",
        "accuracy_lost",
    } <= metrics
    aims = {
        row.group.split(" head=")[0] for row in rows if row.metric == "highest_accuracy" and row.reference
    }
    assert aims == {"relation=det direction=dependent", "relation=before the verb to subject"}
    panels = finished.panels()
    assert {"heatmap", "forest", "attention", "table"} <= {panel.kind for panel in panels}
    assert all("tiny" in panel.name for panel in panels)
    assert len({panel.name for panel in panels}) == len(panels)
    told = " ".join(finished.info["summary"])
    assert str(tiny_lm_folder("gpt2")) not in told
    assert "tiny" in told


def test_behaviour_is_that_of_the_model_without_the_heads_chosen_on_dev(finished: Run) -> None:
    [kept] = [Kept.load(str(file)[:-5]) for file in (finished.path / "cells").glob("*.links.json")]
    [aim] = aims_of(kept.facts)
    assert aim.name == "before the verb to subject"
    chosen = next(row for row in kept.rows if row.metric == "highest_accuracy" and row.reference)
    [(layer, heads)] = aim.heads.items()
    assert (chosen.layer, chosen.group.rpartition("head=")[2]) == (layer, str(heads[0]))
    model = pk.load_model(str(tiny_lm_folder("gpt2")), device="cpu")
    suite = pk.load_suite(finished.path.parents[2] / "small" / "small.toml")
    corpus = pk.generate_agreement(5, 30, 30, seed=3, attractors=[0, 1], constructions=["simple", "pp"])
    means = pk.site_means(model, [one.text for one in corpus.split("dev")], site="heads")
    with pk.edit_all(model, pk.ablate_heads(model, {layer: heads}, "mean", means)):
        judged = pk.judge(model, suite, baselines=())
    name = next(cell for cell in finished.cells() if "without-before-the-verb" in cell)
    outcomes = finished.outcomes(name)
    assert outcomes.ids == judged.outcomes.ids
    np.testing.assert_array_equal(outcomes.predicted, judged.outcomes.predicted)
    np.testing.assert_allclose(outcomes.margin, judged.outcomes.margin, atol=1e-4)
    without = [
        row.value
        for row in finished.measurements()
        if row.metric == "accuracy" and row.group == "heads of=before the verb to subject" and not row.control
    ]
    assert without == [pytest.approx(judged.outcomes.correct.mean())]


def test_a_run_goes_on_where_it_was_stopped_and_finds_the_same(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = experiment(tmp_path, more="trees = true")
    done: list[str] = []

    def stop(cell: attend_cells.AttendCell) -> object:
        if cell.part == "judge" and len(done) > 5:
            raise KeyboardInterrupt
        done.append(cell.name)
        return attend_cells.do_attend_cell(cell)

    monkeypatch.setattr("probekit.experiment.attend_steps.do_attend_cell", stop)
    with pytest.raises(KeyboardInterrupt):
        start(home)
    again: list[str] = []

    def note(cell: attend_cells.AttendCell) -> object:
        again.append(cell.name)
        return attend_cells.do_attend_cell(cell)

    monkeypatch.setattr("probekit.experiment.attend_steps.do_attend_cell", note)
    run = start(home)
    assert run.finished
    assert again
    assert not set(again) & set(done)
    values = [
        [(row.metric, row.group, row.method, row.value) for row in one.measurements()]
        for one in (run, finished)
    ]
    assert values[0] == values[1]


def test_a_cell_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(cell: object, model: object) -> Kept:
        raise ModelError("tiny: no trees today")

    monkeypatch.setitem(attend_cells._PARTS, "trees", refused)
    run = start(experiment(tmp_path, more="trees = true", suites="", views=""))
    assert run.info["failed"] == [{"cell": "tiny-attend.trees", "reason": "tiny: no trees today"}]
    assert {"entropy", "highest_accuracy"} <= {row.metric for row in run.measurements()}


def test_what_is_wrong_is_told_before_a_model_is_read(tmp_path: Path) -> None:
    for changes, error, message in [
        ({"links": 'links = { x = ["target-1", "subjct"] }'}, DataError, "no attribute 'subjct'; did you mean"),
        ({"links": 'links = { x = ["target"] }'}, ConfigError, "link 'x' needs two attributes"),
        ({"relations": "relations = []", "links": ""}, ConfigError, "name relations or links to find them by"),
        ({"suites": 'suites = ["agreemnt"]'}, ConfigError, "did you mean 'agreement'"),
        ({"heads": "heads = 0"}, ConfigError, "heads"),
        ({"views": 'views = ["the keys", " "]'}, ConfigError, "a view needs a text"),
        ({"permutations": "permutations = 19"}, ConfigError, "permutations.*greater than or equal to 20"),
        ({"directions": 'directions = ["up"]'}, ConfigError, "directions"),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            start(experiment(tmp_path, **changes))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no language-model head"):
        start(experiment(tmp_path, model=tiny_folder("gpt2")))
    assert not (tmp_path / "runs" / "small").exists()


def test_what_the_corpus_lacks_is_told_before_a_model_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.experiment.attend_steps._Attending.__init__", None)  # no model comes so far
    alone = {"suites": "", "views": ""}
    for changes, message in [
        ({"relations": 'relations = ["nsbj"]', **alone}, "has no relation 'nsbj'; did you mean 'nsubj'"),
        ({"relations": "min_arcs = 9999", **alone}, "no relation has 9999 words in dev .*--relation none"),
    ]:
        with pytest.raises(DataError, match=message):
            start(experiment(tmp_path, **changes))
    assert not (tmp_path / "runs" / "small").exists()


def test_the_plan_in_words_and_its_seeds(tmp_path: Path) -> None:
    plan, _, _ = load_plan(experiment(tmp_path))
    told = preview(plan)[-1]
    assert told.startswith(
        "attend: every head of every layer against det, before the verb to subject; then judge"
    )
    one, _, _ = load_plan(experiment(tmp_path, more='layers = ["1"]', random_draws="random_draws = 1"))
    assert "every head of 1 layer against" in preview(one)[-1]
    assert "1 draw of others" in preview(one)[-1]
    frequent, _, _ = load_plan(experiment(tmp_path, relations="", links=""))
    assert "against every frequent relation" in preview(frequent)[-1]


def test_facts_become_heads_direction_by_direction() -> None:
    found = [
        {"aim": "det", "layer": "2", "head": 3, "told": "a"},
        {"aim": "det", "layer": "1", "head": 0, "told": "b"},
        {"aim": "det", "layer": "2", "head": 3, "told": "a"},
        {"aim": "obj", "layer": "2", "head": 1, "told": ""},
    ]
    det, obj = aims_of({"found": found})
    assert (det.name, det.heads, det.told) == ("det", {"2": (3,), "1": (0,)}, "a; b")
    assert (obj.name, obj.heads) == ("obj", {"2": (1,)})
    assert aims_of({}) == []
    assert json.loads(json.dumps(found)) == found
