"""A model beside adapted copies of itself: what was planted in a copy is what is found, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, DataError, ModelError
from probekit.experiment.change_cells import SHUFFLED, Version, some_sentences
from probekit.experiment.change_heads import HeadHits, head_hits
from probekit.experiment.changed import FORGOTTEN, GAINED, KEPT, PARTLY, REARRANGED, Changed
from probekit.models import Model
from tests.tiny_models import tiny_folder, tiny_lm_folder, tiny_model

CORPUS = pk.generate_corpus(40, 12, 40, seed=1)
UPOS = pk.load_task("upos")


@dataclass(frozen=True)
class Turned:
    """Every state turned by one rotation."""

    matrix: torch.Tensor
    key: str = "turned"

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return states @ self.matrix


@dataclass(frozen=True)
class Louder:
    """Every state many times as long: of a random model's even guesses it makes sure and wrong ones."""

    key: str = "louder"

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return states * 20


def rotation(dim: int) -> torch.Tensor:
    drawn = np.random.default_rng(0).normal(size=(dim, dim))
    return torch.from_numpy(np.linalg.qr(drawn)[0].astype(np.float32))


def another(kind: str = "bert", head: bool = False) -> Model:
    """The tiny model again, so that an edit of one is none of the other."""
    return pk.load_model(str(tiny_lm_folder(kind) if head else tiny_folder(kind)), device="cpu")


def compared(after: Any, tasks: Any = (UPOS,), layers: Any = (1, 2), **options: Any) -> Changed:
    return pk.what_changed(tiny_model("bert"), after, CORPUS, tasks, layers=layers, resamples=100, **options)


@pytest.fixture(scope="module")
def turned_and_erased() -> Changed:
    """A copy whose last layer is turned, beside a control in whose last layer the part of speech is erased."""
    turned, erased = another(), another()
    data = pk.extract(erased, CORPUS, layers=[2]).units(UPOS, split="train")
    eraser = pk.Leace().fit(data.X(2), data.y).eraser_
    with pk.edit(turned, layer=2, fn=Turned(rotation(32))), pk.edit(erased, layer=2, fn=eraser):
        return compared(turned, control=erased)


def test_a_rotation_is_re_arranged_and_an_erased_concept_is_forgotten(turned_and_erased: Changed) -> None:
    changed = turned_and_erased
    assert changed.verdict("upos", "2") == REARRANGED
    assert changed.verdict("upos", "2", SHUFFLED) == FORGOTTEN
    for control in ("", SHUFFLED):  # what lies below the edit is as it was
        assert changed.verdict("upos", "1", control) == KEPT
    old, anew = (changed.change("upos", "2", probe) for probe in ("transferred", "re-fitted"))
    assert old is not None
    assert anew is not None
    assert old.value is not None
    assert anew.value is not None
    assert old.value < -0.15
    assert abs(anew.value) < 0.05
    assert old.family_size == 2
    gone = changed.row("accuracy", "task=upos, probe=re-fitted", "2", SHUFFLED)
    majority = changed.row("accuracy", "task=upos", control="majority")
    assert gone is not None
    assert majority is not None
    assert gone.value is not None
    assert majority.value is not None
    assert gone.value < majority.value + 0.1


def test_cka_does_not_see_a_rotation_that_the_drift_sees(turned_and_erased: Changed) -> None:
    rows = {(row.metric, row.layer): row.value for row in turned_and_erased.rows if row.control == ""}
    assert rows["cka", "2"] == pytest.approx(1.0, abs=1e-3)
    assert rows["relative_change", "2"] > 1.0
    assert rows["relative_change", "1"] == 0.0
    told = next(row for row in turned_and_erased.rows if row.metric == "common_shift" and row.layer == "1")
    assert (told.value, told.reason) == (None, "no state moved")


def test_the_sentence_tells_where_what_happened(turned_and_erased: Changed) -> None:
    told = " ".join(turned_and_erased.summary)
    assert "upos: Adapted to the task: re-arranged at layer 2" in told
    assert "Adapted to shuffled labels: forgotten at layer 2" in told
    page = turned_and_erased._repr_html_()
    assert "re-arranged" in page
    assert len(turned_and_erased.table()) == len(turned_and_erased.rows)


def test_pictures_hold_the_paired_change_and_name_the_control(turned_and_erased: Changed) -> None:
    panels = {panel.name.rsplit("changed-", 1)[1]: panel for panel in turned_and_erased.panels}
    assert list(panels) == [
        "what-probes-of-upos-say-told", "upos", "upos-change", "verdicts", "how-far-states-moved-told", "drift", "cka",
    ]  # fmt: skip
    change = panels["upos-change"]
    assert [one["name"] for one in change.labels["series"]] == [
        "fitted anew", "old probe", "shuffled labels: fitted anew", "shuffled labels: old probe",
    ]  # fmt: skip
    low, value, high = (change.arrays[key][1, 1] for key in ("low", "value", "high"))
    assert low < value < high < 0
    lines = panels["verdicts"].labels["rows"]
    assert [(line[1], line[6], line[10]) for line in lines] == [
        ("1", KEPT, KEPT),
        ("2", REARRANGED, FORGOTTEN),
    ]


def test_a_copy_that_is_the_same_changed_in_nothing() -> None:
    changed = compared([another(), another()], relations=["det"])
    assert {changed.verdict("upos", layer) for layer in ("1", "2")} == {KEPT}
    differences = [row for row in changed.rows if row.metric == "accuracy_difference"]
    assert differences
    assert {row.value for row in differences} == {0.0}
    spread = [row.value for row in changed.rows if row.metric.endswith("_sd")]
    assert spread
    assert set(spread) == {0.0}
    seeds = {dict(row.seeds)["adapt"] for row in changed.rows if row.seeds}
    assert seeds == {0, 1}


def test_heads_are_those_of_align_heads_and_chosen_anew_where_the_model_changed() -> None:
    model, directions = tiny_model("bert"), ("dependent", "head")
    found = pk.align_heads(model, CORPUS, "det", twins=0, permutations=20, resamples=100)
    hits = head_hits(model, CORPUS, ["det"], directions)
    for k, result in enumerate(found.results):
        assert hits.sets[k] == result.key
        np.testing.assert_allclose(hits.dev[k], result.dev_accuracy)
        assert hits.chosen(k) == result.chosen
        np.testing.assert_array_equal(hits.test[k][result.chosen], result.head_hits)
        np.testing.assert_array_equal(hits.offset[k], result.offset_hits)
    again = HeadHits.restore(hits.arrays(), hits.words())
    assert again.place == hits.place
    np.testing.assert_array_equal(again.test[1], hits.test[1])


def test_a_head_that_stops_and_another_that_takes_over() -> None:
    def hits(first: Any, second: Any) -> HeadHits:
        test = np.array([first, second], bool)
        cluster = np.arange(test.shape[1])
        return HeadHits(
            (("det", "dependent"),), (("1", 0), ("1", 1)), (test.mean(axis=1),), (test,), (cluster,),
            (np.zeros(test.shape[1], bool),),
        )  # fmt: skip

    on, off = [1] * 20, [0] * 20
    heads = {Version(): hits(on, off), Version("", 0): hits(off, on)}
    changed = Changed(pk_about(), "x", "full", (Version("", 0),), heads=heads)
    by = {
        row.group.split("head=")[1]: row.value for row in changed.rows if row.metric == "accuracy_difference"
    }
    assert by == {"same, number=1.0": -1.0, "anew, number=1.1": 0.0}
    assert "of 1 heads chosen before, 1 is shown to follow the relation less" in " ".join(changed.summary)
    assert "anew is shown to in 0" in " ".join(changed.summary)


def pk_about() -> Any:
    from probekit.results.measurement import About

    return About(corpus="c", model="m")


def test_a_copy_that_is_sure_and_wrong_is_more_surprised() -> None:
    model, same, louder = (another("gpt2", head=True) for _ in range(3))
    suite = pk.load_suite("simple-agreement")
    with pk.edit(louder, layer="final", fn=Louder()):
        changed = pk.what_changed(
            model, louder, CORPUS, control=same, layers=[1], suites=[suite], perplexity=10, resamples=100
        )
    bits = {row.control: row for row in changed.rows if row.metric == "bits_per_piece_difference"}
    assert bits[""].value > 2  # type: ignore[operator]
    assert bits[SHUFFLED].value == 0.0
    assert bits[SHUFFLED].n + bits[SHUFFLED].n_left_out == 10
    rows = [row for row in changed.rows if row.corpus == suite.name and row.metric == "accuracy_difference"]
    assert [row.control for row in rows] == ["", SHUFFLED]
    assert rows[1].value == 0.0
    told = " ".join(changed.summary)
    assert f"Suite {suite.name} ({rows[0].n:,} items): before" in told
    assert "no change shown" in told
    before = pk.perplexity(model, some_sentences(CORPUS.split("test"), 10)).per_piece
    row = changed.row("perplexity_per_piece", "version=before")
    assert row is not None
    assert row.value == pytest.approx(before)


def test_seeds_have_rows_of_their_own_and_their_spread_is_told_apart() -> None:
    from probekit.experiment.change_behaviour import Learned

    gold, cluster = np.zeros(4, np.int32), np.arange(4)
    learned = {
        Version("", 0): Learned(gold, np.array([0, 0, 0, 0]), cluster, majority=0.25),
        Version("", 5): Learned(gold, np.array([0, 0, 1, 1]), cluster, majority=0.25),
    }
    rows = Changed(pk_about(), "x", "full", tuple(learned), learned=learned).rows
    found = {(row.metric, row.control, dict(row.seeds).get("adapt")): row.value for row in rows}
    assert found == {
        ("accuracy", "", None): 0.75, ("accuracy", "", 0): 1.0, ("accuracy", "", 5): 0.5,
        ("accuracy_sd", "", None): pytest.approx(np.sqrt(0.125)), ("accuracy", "majority", None): 0.25,
    }  # fmt: skip


def test_what_cannot_be_compared_is_refused() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="task 'position' gives no classes to words"):
        compared(model, [pk.load_task("position")])
    with pytest.raises(ConfigError, match="no adapted model was given"):
        compared([])
    with pytest.raises(DataError, match="has no relation 'nsbj'; did you mean 'nsubj'"):
        compared(model, relations=["nsbj"])
    with pytest.raises(ConfigError, match=r"other layers or another tokenizer .* an adapted copy of itself"):
        pk.what_changed(model, tiny_model("gpt2"), CORPUS)
    with pytest.raises(ModelError):
        compared(model, (), suites=[pk.load_suite("simple-agreement")])


def test_verdicts_need_the_correction_over_all_tasks_and_layers() -> None:
    """A loss in 6 of 200 sentences: p = 0.03 by itself, not below 0.05 once two more layers are looked at."""
    from probekit.experiment.change_rows import ProbedTask
    from probekit.probing.problem import pose

    acts = pk.extract(tiny_model("bert"), CORPUS, layers=[1])
    problem = pose(acts.units(UPOS), UPOS, control_seeds=())
    gold = problem.gold[problem.of("test")]
    cluster = problem.cluster[problem.of("test")]
    first = np.unique(cluster, return_index=True)[1]
    wrong = gold.copy()
    wrong[first[:6]] = (gold[first[:6]] + 1) % 3
    version = Version("", 0)

    def changed(layers: tuple[str, ...]) -> Changed:
        said = {(version, layer): gold for layer in layers}
        probed = ProbedTask(
            problem, layers, dict.fromkeys(layers, gold), said, said | {(version, "1"): wrong}
        )
        return Changed(pk_about(), "x", "full", (version,), probed=(probed,))

    alone = changed(("1",)).change("upos", "1", "re-fitted")
    assert alone is not None
    assert alone.p == pytest.approx(2 / 64, abs=0.01)
    assert changed(("1",)).verdict("upos", "1") == FORGOTTEN
    assert changed(("1", "2", "3")).verdict("upos", "1") == KEPT
    worse = gold.copy()
    worse[first[:15]] = (gold[first[:15]] + 1) % 3
    for lost_by_old, verdict in ((worse, PARTLY), (wrong, FORGOTTEN)):
        one = ProbedTask(problem, ("1",), {"1": gold}, {(version, "1"): lost_by_old}, {(version, "1"): wrong})
        assert Changed(pk_about(), "x", "full", (version,), probed=(one,)).verdict("upos", "1") == verdict
    back = ProbedTask(problem, ("1",), {"1": wrong}, {(version, "1"): wrong}, {(version, "1"): gold})
    assert Changed(pk_about(), "x", "full", (version,), probed=(back,)).verdict("upos", "1") == GAINED
