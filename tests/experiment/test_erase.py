"""Erasure as an experiment: from a file to rows and a page; what was edited, resumed, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.erasure.eraser import Eraser
from probekit.erasure.scrub import Scrubber
from probekit.errors import ConfigError, DataError, ModelError
from probekit.experiment import erase_steps
from probekit.experiment.cells import Ended
from probekit.experiment.erase_cells import EraseCell
from probekit.experiment.plan import load_plan
from probekit.experiment.run import preview, run_experiment
from probekit.results.measurement import Measurement
from probekit.results.run import Run
from tests.experiment.test_train_and_judge import SUITE
from tests.tiny_models import tiny_folder, tiny_lm_folder

EXPERIMENT = """
[question]
ask = "Is it used?"
[corpus]
agreement = {{ train = 300, dev = 50, test = 100, seed = 3, attractors = [0, 1], constructions = ["simple", "pp"] }}
[[model]]
name = "{model}"
twins = 0
[[analysis]]
kind = "erase"
concepts = ["verb_number"]
control_concepts = ["subject_kind"]
layers = [0, 1]
probes = ["linear"]
suites = ["small.toml"]
methods = ["leace", "random", "random-norm"]
random_draws = 2
neutral = 6
bootstrap = 100
pool = "last"
strength = 10.0
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


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than everything else."""
    monkeypatch.setattr("probekit.report.write.write_page", lambda run: run.page)


def one(rows: list[Measurement], metric: str, **fields: object) -> Measurement:
    """The one row that says this; the concept's name in front of the group is left away."""
    wanted = {"split": "test", "seeds": ()} | fields
    found = [
        row
        for row in rows
        if row.metric == metric
        and all(
            (row.group.removeprefix("concept=verb_number").strip() if key == "group" else getattr(row, key))
            == value
            for key, value in wanted.items()
        )
    ]
    assert len(found) == 1, (metric, fields, len(found))
    return found[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = experiment(
        tmp_path_factory.mktemp("erase"), more='scrub = true\nneighbours = ["number"]',
        probes='probes = ["linear", "mlp"]',
    )  # fmt: skip
    return start(home)


def test_the_probe_loses_what_leace_takes_and_nothing_else(finished: Run) -> None:
    rows = finished.measurements()
    assert not finished.info["failed"]
    for layer in ("0", "1"):
        about = {"layer": layer, "group": "probe=linear"}
        before = one(rows, "probe_accuracy", method="unedited", **about)
        after = one(rows, "probe_accuracy", method="leace of verb_number", **about)
        most = one(rows, "probe_accuracy", control="majority", group="")
        assert before.value > most.value + 0.2, "a positive control: it is there before"
        assert after.value <= most.value + 0.1
        lost = one(rows, "probe_accuracy_lost", method="leace of verb_number", **about)
        assert lost.value == pytest.approx(before.value - after.value)
        assert (lost.reference, lost.family_size) == ("unedited", 2)
        random = one(rows, "probe_accuracy", control="random-erasure", **about)
        assert random.value > after.value + 0.1
        # the irrelevant concept goes by itself: number stays
        kind = "leace of subject_kind"
        assert one(rows, "probe_accuracy", method=kind, **about).value > after.value + 0.1
        neighbour = {"layer": layer, "group": "neighbour=subject_kind probe=linear"}
        kept = one(rows, "probe_accuracy", method="unedited", **neighbour)
        assert one(rows, "probe_accuracy", method=kind, **neighbour).value < kept.value
        assert one(rows, "rank", layer=layer, method="leace of verb_number", split="train").value == 1
        beside = one(rows, "probe_accuracy", layer=layer, group="neighbour=number probe=linear",
                     method="leace of verb_number")  # fmt: skip
        assert beside.value is not None
        table = next(panel for panel in finished.panels() if panel.name.endswith("-neighbours"))
        line = next(line for line in table.labels["rows"] if line[:2] == ["number", layer])
        shown = dict(zip(table.labels["columns"], line, strict=True))
        assert (shown["eraser"], shown["after"]) == ("LEACE of verb_number", beside.value)
        assert None not in (shown["majority"], shown["before"], shown["after random"])
    assert [row for row in rows if row.metric == "encoded_after" and row.group.endswith("probe=mlp")]


def test_behaviour_is_that_of_the_model_under_the_eraser_that_was_kept(finished: Run) -> None:
    rows = finished.measurements()
    model = pk.load_model(str(tiny_lm_folder("gpt2")), device="cpu")
    suite = pk.load_suite(finished.path.parents[2] / "small" / "small.toml")
    names = sorted(path.stem for path in (finished.path / "artifacts" / "erasers").glob("*layer-1*.json"))
    eraser = Eraser.load(
        finished.path / "artifacts" / "erasers" / next(n for n in names if "verb-number.leace" in n)
    )
    assert (eraser.concept, eraser.layer, eraser.fingerprint) == ("verb_number", "1", model.fingerprint)
    with pk.edit(model, 1, eraser):
        judged = pk.judge(model, suite, baselines=())
    outcomes = {cell: finished.outcomes(cell) for cell in finished.cells()}
    kept = outcomes[next(cell for cell in outcomes if "layer-1.verb-number.leace" in cell)]
    assert kept.ids == judged.outcomes.ids
    np.testing.assert_array_equal(kept.predicted, judged.outcomes.predicted)
    np.testing.assert_allclose(kept.margin, judged.outcomes.margin, atol=1e-4)
    # both halves together are the whole suite
    halves = [
        one(rows, "accuracy", layer="1", method="leace of verb_number", group="", split=split)
        for split in ("dev", "test")
    ]
    assert sum(row.n for row in halves) == len(suite.items)
    whole = sum(row.value * row.n for row in halves) / len(suite.items)
    assert whole == pytest.approx(judged.accuracy)


def test_used_is_random_minus_concept_on_the_same_items(finished: Run) -> None:
    rows = finished.measurements()
    for layer in ("0", "1"):
        concept = one(rows, "accuracy", layer=layer, method="leace of verb_number", group="")
        random = one(rows, "accuracy", layer=layer, control="random-erasure", group="")
        draws = [
            row.value
            for row in rows
            if row.metric == "accuracy"
            and row.seeds
            and row.layer == layer
            and row.control == "random-erasure"
        ]
        assert len(draws) == 2
        assert random.value == pytest.approx(np.mean(draws))
        used = one(rows, "used", layer=layer, control="", reference="control=random-erasure")
        assert used.value == pytest.approx(random.value - concept.value)
        assert used.family_size == 2, "Holm over the layers, the scrubbed model apart"
        unedited = one(rows, "accuracy", layer="", method="unedited", group="", corpus="small")
        lost = one(rows, "accuracy_lost", layer=layer, method="leace of verb_number")
        assert lost.value == pytest.approx(unedited.value - concept.value)
    dev = {
        layer: one(
            rows, "used", layer=layer, control="", reference="control=random-erasure", split="dev"
        ).value
        for layer in ("0", "1")
    }
    chosen = one(rows, "used_at_chosen_layer", reference="control=random-erasure")
    assert chosen.layer == max(dev, key=lambda layer: dev[layer])
    references = {row.reference for row in rows if row.metric == "used"}
    assert references == {
        "control=random-erasure", "control=random-norm-erasure", "control=control-concept leace of subject_kind"
    }  # fmt: skip


def test_output_and_size_of_every_eraser(finished: Run) -> None:
    rows = finished.measurements()
    for layer in ("0", "1"):
        assert (
            one(rows, "kl_bits_per_piece", layer=layer, method="leace of verb_number", split="dev").value > 0
        )
        size = {
            row.control: row.value
            for row in rows
            if row.metric == "mean_squared_change" and row.layer == layer
        }
        assert 0 < size[""] < 1
        assert size["random-norm-erasure"] == pytest.approx(size[""], rel=1e-3), "it changes as much"
        assert size["random-erasure"] != pytest.approx(size[""], rel=0.05), "the one of equal rank does not"
    assert one(rows, "perplexity_per_piece", method="unedited", split="dev").value > 1


def test_every_layer_at_once(finished: Run) -> None:
    rows = finished.measurements()
    assert one(rows, "used", layer="all", reference="control=random-erasure").family_size == 1
    folders = sorted((finished.path / "artifacts" / "erasers").glob("*layer-all*"))
    assert len(folders) == 3  # the concept's, and two random ones
    scrubbers = [Scrubber.load(folder) for folder in folders]
    assert {scrubber.layers for scrubber in scrubbers} == {("0", "1")}
    assert [s.erasers["1"].rank for s in scrubbers] == [1, 1, 1]


def test_the_page_and_the_sentence(finished: Run) -> None:
    page = finished.page.read_text()
    assert "encoded, and used for small" in page
    [summary] = finished.info["summary"]
    assert "tells verb_number from the word&#39;s state" in page or "tells verb_number" in summary
    assert "after LEACE of verb_number" in summary
    assert "Scrubbed from every layer" in summary
    kinds = [panel.kind for panel in finished.panels()]
    assert kinds.count("layer-curve") == 4
    panel = next(panel for panel in finished.panels() if panel.name.endswith("-used"))
    assert [one["style"] for one in panel.labels["series"]] == ["task", "baseline", "difference", "control"]
    assert finished.info["seeds"]["erasure"] == [0, 1]


def test_a_masked_model_at_the_place_of_prediction(no_page: None, tmp_path: Path) -> None:
    home = experiment(
        tmp_path, model=tiny_lm_folder("roberta"), more='at = "prediction"', layers="layers = [1]",
        control_concepts="control_concepts = []", methods='methods = ["leace", "inlp", "random", "pca"]',
    )  # fmt: skip
    run = start(home)
    rows = run.measurements()
    assert not run.info["failed"]
    assert {row.control for row in rows} >= {"", "random-erasure", "pca-erasure"}
    used = [row for row in rows if row.metric == "used" and row.split == "test"]
    assert {row.method for row in used} == {"leace of verb_number", "inlp of verb_number"}
    assert any(row.metric == "pseudo_perplexity_per_piece" for row in rows)
    # the edit is in force at the masks alone
    model = pk.load_model(str(tiny_lm_folder("roberta")), device="cpu")
    suite = pk.load_suite(home / "small.toml")
    stem = next((run.path / "artifacts" / "erasers").glob("*verb-number.leace.json")).with_suffix("")
    mask = model.tokenizer.mask_token_id
    with pk.edit(model, 1, Eraser.load(stem), positions=lambda ids: ids == mask):
        judged = pk.judge(model, suite, baselines=())
    kept = run.outcomes(next(cell for cell in run.cells() if "verb-number.leace" in cell))
    np.testing.assert_allclose(kept.margin, judged.outcomes.margin, atol=1e-4)


def test_without_a_suite_only_probes_are_asked_and_no_head_is_needed(no_page: None, tmp_path: Path) -> None:
    home = experiment(
        tmp_path, model=tiny_folder("bert"), suites="suites = []", layers="layers = [1]",
        concepts='concepts = ["verb_number", "upos"]',
        methods='methods = ["leace", "mean", "random"]',
    )  # fmt: skip
    run = start(home)
    assert not run.info["failed"]
    rows = run.measurements()
    assert not [row for row in rows if row.unit in ("item", "sentence")]
    assert len(run.info["summary"]) == 2
    assert all("nothing is said of its use" in summary for summary in run.info["summary"])
    ranks = {
        row.group: row.value
        for row in rows
        if row.metric == "rank" and row.method in ("leace of verb_number", "leace of upos")
    }
    assert ranks["concept=verb_number"] == 1
    assert ranks["concept=upos"] > 4
    # each concept has random erasures of its own rank
    drawn = {
        (row.group, row.value) for row in rows if row.metric == "rank" and row.control == "random-erasure"
    }
    assert drawn >= set(ranks.items())
    assert start(home).path == run.path


def test_judging_without_a_head_is_refused_before_states_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_steps, "states_of", lambda *_, **__: pytest.fail("states were read"))
    with pytest.raises(ModelError, match="has no language-model head"):
        start(experiment(tmp_path, model=tiny_folder("bert")))


def test_a_suite_that_the_model_cannot_read_is_refused_by_its_name(tmp_path: Path) -> None:
    pairs = [{"sentence_good": "кот спит .", "sentence_bad": "кот спят .", "UID": "кот", "pairID": str(k)}
             for k in range(3)]  # fmt: skip
    file = tmp_path / "small" / "unread.jsonl"
    home = experiment(tmp_path, model=tiny_lm_folder("bert"), suites='suites = ["unread.jsonl"]')
    file.write_text("".join(json.dumps(one) + "\n" for one in pairs))
    with pytest.raises(DataError, match=r"judged on no item of suite 'unread' \(.*: 3\); name a suite"):
        start(home)


def test_an_interrupted_run_does_what_is_left(
    no_page: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = experiment(tmp_path, layers="layers = [1]", methods='methods = ["leace", "random"]')
    original, done = erase_steps.do_erase_cell, []

    def interrupted(cell: EraseCell) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(cell.name)
        return original(cell)

    monkeypatch.setattr(erase_steps, "do_erase_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(home)
    again: list[str] = []
    monkeypatch.setattr(
        erase_steps, "do_erase_cell", lambda cell: (again.append(cell.name), original(cell))[1]
    )
    run = start(home)
    assert run.finished
    # unedited, probes, the concept and its control, then two random draws
    assert len(again) == 6 - 3
    assert not set(again) & set(done)


def test_a_cell_that_fails_leaves_the_others(
    no_page: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = experiment(tmp_path, methods='methods = ["leace", "random"]', random_draws="random_draws = 1")
    original = erase_steps.do_erase_cell

    def fails(cell: EraseCell) -> object:
        if cell.layer == "0" and cell.method == "leace" and not cell.role:
            return Ended(cell, "it would not")
        return original(cell)

    monkeypatch.setattr(erase_steps, "do_erase_cell", fails)
    run = start(home)
    assert [failed["reason"] for failed in run.info["failed"]] == ["it would not"]
    used = [row.layer for row in run.measurements() if row.metric == "used" and row.split == "test"]
    assert set(used) == {"1"}


@pytest.mark.parametrize(
    ("key", "line", "message"),
    [
        ("methods", 'methods = ["random"]', "methods has controls only"),
        ("methods", 'methods = ["leece"]', "did you mean 'leace'"),
        ("layers", "layers = []", "layers is empty"),
        ("control_concepts", 'control_concepts = ["verb_number"]', "stands twice"),
        ("concepts", 'concepts = ["sentence_length"]', "a concept to erase is a class of words"),
        ("concepts", 'concepts = ["verb_numbre"]', "did you mean 'verb_number'"),
        ("suites", 'suites = ["agreemnt"]', "did you mean 'agreement'"),
        ("random_draws", "random_draws = 0", "random_draws"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_loaded(
    tmp_path: Path, key: str, line: str, message: str
) -> None:
    home = experiment(tmp_path, model=Path("no-such-model"), **{key: line})
    with pytest.raises(ConfigError, match=message):
        start(home)
    assert not (tmp_path / "runs").exists()


def test_a_corpus_is_needed(tmp_path: Path) -> None:
    home = experiment(tmp_path)
    text = (home / "experiment.toml").read_text()
    head, _, rest = text.partition("[corpus]")
    (home / "experiment.toml").write_text(head + rest[rest.index("[[model]]") :])
    with pytest.raises(ConfigError, match="kind 'erase' reads a corpus"):
        load_plan(home)


def test_what_a_plan_will_do(tmp_path: Path) -> None:
    lines = preview(load_plan(experiment(tmp_path))[0])
    assert any(line.startswith("erase verb_number, subject_kind at 2 layers by leace") for line in lines)
    assert json.dumps(lines)
