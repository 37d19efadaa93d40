"""What adaptation changed as an experiment: from a file to rows and pictures; resumed, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError, ModelError
from probekit.experiment.change_cells import SHUFFLED, some_sentences
from probekit.experiment.plan import load_plan
from probekit.experiment.run import preview, run_experiment
from probekit.results.bundle import load_bundle
from probekit.results.run import Run
from tests.tiny_models import tiny_folder, tiny_lm_folder

EXPERIMENT = """
[question]
ask = "What changes?"
[corpus]
generated = {{ train = 24, dev = 12, test = 20, seed = 1 }}
[[model]]
name = "{model}"
label = "tiny"
[[analysis]]
kind = "change"
task = "trec"
on = {{ trec = ["train.label", "TREC_10.label"] }}
options = {{ epochs = 1, rate = 0.01 }}
tasks = ["upos"]
relations = ["det"]
directions = ["dependent"]
suites = ["simple-agreement"]
layers = [0, 2]
perplexity = 10
bootstrap = 100
"""


def questions(folder: Path) -> None:
    """Questions whose kind the first word tells."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 48), ("TREC_10", 16)):
        lines = []
        for _ in range(n):
            noun = rng.choice(["cabinet", "yard", "cat", "dog", "teacher", "farmer", "night"])
            place = f"LOC:city Where is the {noun} {rng.integers(99)} ?"
            lines.append(place if rng.random() < 0.5 else place.replace("LOC:city Where", "HUM:ind Who"))
        (folder / f"{name}.label").write_text("\n".join(lines) + "\n")


def experiment(folder: Path, model: Path | None = None, **changes: str) -> Path:
    home = folder / "small"
    home.mkdir(exist_ok=True)
    questions(home)
    lines = EXPERIMENT.format(model=model or tiny_lm_folder("gpt2")).splitlines()
    for key, new in changes.items():
        lines = [line if not line.startswith(f"{key} =") else new for line in lines]
    (home / "experiment.toml").write_text("\n".join(lines))
    return home


def start(home: Path) -> Run:
    return run_experiment(home, runs=home.parent / "runs")


@pytest.fixture(scope="module", autouse=True)
def no_page() -> object:
    """Drawing takes longer than everything else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("probekit.report.write.write_page", lambda run: run.page)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return start(experiment(tmp_path_factory.mktemp("change")))


def adapted(run: Run, tag: str) -> pk.ModelRef:
    return pk.ModelRef(name=str(run.path / "adapted" / f"tiny-change.{tag}"), device="cpu")


def test_every_part_has_rows_for_the_task_and_for_shuffled_labels(finished: Run) -> None:
    assert finished.info["failed"] == []
    rows = finished.measurements()
    assert {row.run for row in rows} == {finished.path.name}
    assert {row.model for row in rows} == {"tiny"}
    for metric in ("accuracy", "accuracy_difference", "relative_change", "cka", "bits_per_piece_difference"):
        assert {"", SHUFFLED} <= {row.control for row in rows if row.metric == metric}, metric
    assert {row.corpus for row in rows} == {"english-1", "trec", "simple-agreement"}
    assert {row.layer for row in rows if row.metric == "cka"} == {"0", "2"}
    kinds = [panel.kind for panel in finished.panels()]
    assert kinds.count("layer-curve") == 4
    assert kinds.count("forest") == 2
    described = {one["name"]: one["fingerprint"] for one in finished.info["models"]}
    assert set(described) == {"tiny", "tiny#adapted-0", "tiny#shuffled-labels-0"}
    assert len(set(described.values())) == 3


def test_numbers_are_those_of_one_call_on_the_adapted_models(finished: Run) -> None:
    before = pk.load_model(str(tiny_lm_folder("gpt2")), device="cpu")
    changed = pk.what_changed(
        before,
        adapted(finished, "adapted-0").load(),
        pk.generate_corpus(24, 12, 20, seed=1),
        [pk.load_task("upos")],
        control=adapted(finished, f"{SHUFFLED}-0").load(),
        layers=[0, 2],
        relations=["det"],
        directions=["dependent"],
        suites=[pk.load_suite("simple-agreement")],
        perplexity=10,
        resamples=100,
    )
    ours = {
        (r.metric, r.layer, r.control, r.group, r.reference, r.corpus): r for r in finished.measurements()
    }
    assert len(changed.rows) > 40
    for row in changed.rows:
        other = ours[row.metric, row.layer, row.control, row.group, row.reference, row.corpus]
        assert (other.value, other.low, other.p_adjusted) == (row.value, row.low, row.p_adjusted), row


def test_the_adapted_model_is_what_the_estimator_predicts_with(finished: Run) -> None:
    home = finished.path.parents[2] / "small"
    corpus = pk.read_trec([str(home / "train.label"), str(home / "TREC_10.label")])
    units = pk.load_task("trec").units(corpus)
    texts = {
        split: [corpus[int(k)].text for k in units.select(split).sentence] for split in ("train", "test")
    }
    fitted = pk.FineTune(str(tiny_lm_folder("gpt2")), epochs=1, rate=0.01)
    fitted.fit(texts["train"], units.select("train").labels)
    arrays, words = load_bundle(finished.path / "cells" / "tiny-change.adapt.adapted-0")
    said = fitted.predict(texts["test"])
    names = sorted(set(units.labels.tolist()))
    assert [names[code] for code in arrays["predicted"]] == list(said)
    assert words["n_train"] == len(texts["train"])
    assert len(words["history"]) == 1


def test_shuffled_labels_are_the_same_labels_of_other_texts(finished: Run) -> None:
    from probekit.adaptation.problem import AdaptProblem
    from probekit.experiment.change_adapt import with_shuffled_labels

    problem = AdaptProblem.load(finished.path / "cells" / "tiny-change.task")
    shuffled = with_shuffled_labels(problem, 3)
    train = problem.units_of("train")
    assert sorted(shuffled.gold[train]) == sorted(problem.gold[train])
    assert 0.2 < np.mean(shuffled.gold[train] == problem.gold[train]) < 0.8
    for split in ("dev", "test"):
        units = problem.units_of(split)
        np.testing.assert_array_equal(shuffled.gold[units], problem.gold[units])
    assert shuffled.texts == problem.texts


def test_a_missing_cell_is_done_again_and_nothing_else(finished: Run) -> None:
    home = finished.path.parents[2] / "small"
    before = [row.value for row in finished.measurements()]
    info = finished.info
    del info["finished"]
    finished.write_info(info)
    places = [*(finished.path / "cells").iterdir(), *(finished.path / "adapted").rglob("*.safetensors")]
    times = {file: file.stat().st_mtime_ns for file in places}
    (finished.path / "cells" / f"tiny-change.probe.upos.2.{SHUFFLED}-0.json").unlink()
    again = start(home)
    assert again.path == finished.path
    assert [row.value for row in again.measurements()] == before
    changed = {file.name for file, time in times.items() if file.stat().st_mtime_ns != time}
    assert {name for name in changed if ".task." not in name and ".problem." not in name} == {
        f"tiny-change.probe.upos.2.{SHUFFLED}-0.json", f"tiny-change.probe.upos.2.{SHUFFLED}-0.safetensors",
    }  # fmt: skip


def test_a_model_without_a_head_is_told_and_a_control_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*given: object) -> None:
        raise ModelError("the loss is nan at step 1")

    monkeypatch.setattr("probekit.experiment.change_adapt.with_shuffled_labels", diverged)
    given = {"relations": "", "directions": "", "layers": "layers = [1]", "tasks": ""}
    run = start(experiment(tmp_path, tiny_folder("bert"), **given))
    assert run.info["failed"] == [
        {"cell": f"tiny-change.adapt.{SHUFFLED}-0", "reason": "the loss is nan at step 1"}
    ]
    told = " ".join(run.info["summary"])
    assert "tiny has no language-model head, so there is no simple-agreement and no perplexity." in told
    rows = run.measurements()
    assert {row.metric for row in rows} == {"accuracy", "relative_change", "cosine", "common_shift", "cka"}
    assert SHUFFLED not in {row.control for row in rows}


def test_what_is_wrong_is_told_before_a_model_is_read(tmp_path: Path) -> None:
    for changes, error, message in [
        ({"task": 'task = "terc"'}, ConfigError, "did you mean 'trec'"),
        ({"tasks": 'tasks = ["position"]'}, ConfigError, "task 'position' gives numbers"),
        ({"relations": 'relations = ["nsbj"]'}, DataError, "has no relation 'nsbj'; did you mean 'nsubj'"),
        ({"bootstrap": 'strategy = "fulll"'}, ConfigError, "no strategy 'fulll'; did you mean 'full'"),
        (
            {"bootstrap": 'strategy = "frozen-linear"'},
            ConfigError,
            "so nothing changes; name one that trains it",
        ),
        ({"bootstrap": "seeds = [1, 1]"}, ConfigError, "seed 1 stands twice"),
        ({"options": "options = { seed = 1 }"}, ConfigError, "options has a seed"),
        ({"on": ""}, DataError, "english-1"),
        ({"suites": 'suites = ["cola-acceptability"]'}, ConfigError, "needs its data, which are not part"),
    ]:
        with pytest.raises(error, match=message):
            start(experiment(tmp_path, **changes))
    assert not (tmp_path / "runs" / "small").exists()


def test_an_option_that_the_strategy_has_not_ends_the_run_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="strategy 'full' has no option 'epoch'"):
        start(experiment(tmp_path, options="options = { epoch = 1 }"))


def test_the_plan_in_words(tmp_path: Path) -> None:
    plan, _, _ = load_plan(experiment(tmp_path))
    assert preview(plan)[-1] == (
        "change: full on trec, 1 seed and as many on shuffled labels; before and after: probe upos, compare states, "
        "heads against det, judge on simple-agreement (36 items)"
    )


def test_some_sentences_are_the_same_ones_in_any_order() -> None:
    corpus = pk.generate_corpus(30, 10, 4)
    some = some_sentences(corpus, 6)
    assert some.sizes == {"train": 6, "dev": 6, "test": 4}
    turned = pk.Corpus(tuple(reversed(corpus.sentences)), corpus.name)
    assert {one.id for one in some_sentences(turned, 6)} == {one.id for one in some}
    assert some_sentences(corpus, 0) is corpus
