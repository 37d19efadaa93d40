"""Separation of senses: planted senses, forms that give senses away, copies of texts, twins, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.data.task import Task
from probekit.errors import DataError, StoreError
from probekit.geometry.senses import sense_separation
from probekit.maths.ranks import auc
from tests.geometry.planted_rows import Planted, labelled, planted
from tests.tiny_models import tiny_model

SENSE = Task(name="sense", question="?", label="sense", where="upos != _")
FEW = {"permutations": 99, "resamples": 60}


def play(n: int = 20, *, strength: float = 3.0, forms: bool = False, seed: int = 0) -> Planted:
    """Two senses; at layer 0 nothing (or the form alone), at layer 1 the sense, at layer 2 noise."""
    rng = np.random.default_rng(seed)
    senses = [i % 2 for i in range(n)]
    words = ["plays" if forms and s else "play" for s in senses]
    corpus = labelled(
        [f"they {w} here {i}" for i, w in enumerate(words)], [["_", "xy"[s], "_", "_"] for s in senses]
    )
    noise = rng.normal(size=(3, n, 8))

    def vector(layer: str, s: int, w: int) -> np.ndarray:
        i = int(layer)
        known = senses[s] if i == 1 or (i == 0 and forms) else 0
        return noise[i, s] + strength * (np.eye(8)[0] + np.eye(8)[1 + known])

    return planted(corpus, vector)


def test_planted_senses_are_found_at_their_layer_and_nowhere_else() -> None:
    found = sense_separation(play(), SENSE, permutations=199, resamples=100)
    assert found.best is not None
    assert found.best.layer == "1"
    tests = {r.layer: r for r in found.rows if r.reference == "permutation" and r.group == "pairs=all"}
    assert tests["1"].p_adjusted is not None
    assert tests["1"].p_adjusted <= 0.015
    assert tests["0"].p_adjusted > 0.05
    assert tests["2"].p_adjusted > 0.05
    assert all(row.family_size == 3 for row in tests.values())
    over_zero = next(
        r for r in found.rows if (r.reference, r.layer, r.group) == ("layer=0", "1", "pairs=all")
    )
    assert over_zero.low is not None
    assert over_zero.low > 0
    assert "at layer 1" in found.summary


def test_numbers_equal_a_plain_loop() -> None:
    acts = play()
    found = sense_separation(acts, SENSE, layers=[1], **FEW)
    data = acts.units(SENSE)
    X, y = data.X(1).astype(float), data.y
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    cosines, same = [], []
    for i in range(len(X)):
        for j in range(i + 1, len(X)):
            cosines.append(round(float(X[i] @ X[j]), 6))
            same.append(int(y[i] == y[j]))
    cosines, same = np.array(cosines), np.array(same)
    rows = {r.metric: r for r in found.rows if r.group == "pairs=all" and not r.control and not r.reference}
    assert rows["sense_auc"].value == pytest.approx(auc(cosines, same))
    assert rows["sense_separation"].value == pytest.approx(
        cosines[same == 1].mean() - cosines[same == 0].mean()
    )
    assert rows["sense_auc"].low < rows["sense_auc"].value < rows["sense_auc"].high
    near = X @ X.T - 2 * np.eye(len(X))
    assert rows["nearest_same_sense"].value == pytest.approx((y[near.argmax(axis=1)] == y).mean())
    chance = next(r for r in found.rows if r.control == "random-neighbour")
    assert chance.value == pytest.approx(9 / 19)


def test_a_sense_that_the_form_gives_away_is_none_among_pairs_of_one_form() -> None:
    """Layer 0 knows the form alone: over all pairs it seems to know senses; of one form there are no two senses."""
    found = sense_separation(play(strength=8.0, forms=True), SENSE, layers=[0], **FEW)
    assert found.part("0").found.area > 0.9
    assert found.part("0", "same form").reason == "no pairs of different senses in same form pairs"
    unscored = [r for r in found.rows if r.group == "pairs=same form"]
    assert [(r.value, r.reason) for r in unscored] == [(None, found.part("0", "same form").reason)]


def test_copies_of_a_text_are_not_compared() -> None:
    """Each text twice: copies are identical and of one sense, which alone would look like separation."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(12, 6))
    corpus = labelled([f"play {i // 2}" for i in range(24)], [["xy"[(i // 2) % 2], "_"] for i in range(24)])
    found = sense_separation(
        planted(corpus, lambda layer, s, w: noise[s // 2]), SENSE, layers=[1], permutations=199, resamples=60
    )
    assert found.part("1").n == 24 * 23 // 2 - 12
    naive = np.corrcoef(noise)
    assert naive.max() == pytest.approx(1.0)
    test = next(r for r in found.rows if r.reference == "permutation")
    assert test.p is not None
    assert 0.3 < found.part("1").found.area < 0.7
    assert len(np.unique(found.words.cluster)) == 12  # copies are resampled together


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    from scipy.stats import binom

    small = 0
    for seed in range(30):
        found = sense_separation(
            play(12, strength=0.0, seed=seed), SENSE, layers=[1], permutations=39, resamples=2, seed=seed
        )
        small += next(r.p for r in found.rows if r.reference == "permutation") <= 0.1
    assert small <= binom.ppf(0.9995, 30, 0.1)


def test_twins_stand_beside_and_must_be_of_the_same_corpus() -> None:
    acts = play()
    twin = Planted(acts.entry, acts.corpus).plant(
        lambda layer, s, w: np.random.default_rng([s, w]).normal(size=8)
    )
    found = sense_separation(acts, SENSE, layers=[1], twins=[twin], **FEW)
    rows = [r for r in found.rows if r.control == "random-twin" and r.metric == "sense_auc"]
    assert {r.group for r in rows} == {"pairs=all", "pairs=same form"}
    assert all(r.model_kind == "random" and ("twin", 1) in r.seeds for r in rows)
    less = next(r for r in found.rows if r.reference == "random-twin 1" and r.group == "pairs=all")
    assert less.value == pytest.approx(found.part("1").found.area - found.part("1", "all", 1).found.area)
    assert less.low > 0
    assert [one["style"] for one in found.panels[1].labels["series"]] == ["task", "control", "twin"]
    with pytest.raises(StoreError, match="of another corpus"):
        sense_separation(acts, SENSE, twins=[play(22)])


def test_identical_vectors_are_told_and_not_scored() -> None:
    corpus = labelled([f"play {i}" for i in range(8)], [["xy"[i % 2], "_"] for i in range(8)])
    found = sense_separation(planted(corpus, lambda layer, s, w: np.ones(4) * (layer != "2")), SENSE, **FEW)
    reasons = {(r.layer, r.reason) for r in found.rows}
    assert reasons == {("0", "all cosines are equal"), ("1", "all cosines are equal"), ("2", "a vector is 0")}
    assert all(r.value is None for r in found.rows)
    assert "no sense can be told from another" in found.summary
    assert np.isnan(found.panels[1].arrays["value"]).all()


@pytest.mark.parametrize(
    ("senses", "said"),
    [
        (["x"], "1 occurrence of 'sense': there is nothing to compare it with"),
        (["x", "x", "x"], r"all 3 occurrences have one label \('x'\); separation needs two or more"),
        (["x", "y"], "no two occurrences of one label stand in different sentences"),
    ],
)
def test_too_little_to_compare(senses: list[str], said: str) -> None:
    corpus = labelled([f"play {i}" for i in range(len(senses))], [[s, "_"] for s in senses])
    with pytest.raises(DataError, match=said):
        sense_separation(planted(corpus, lambda layer, s, w: np.eye(4)[s]), SENSE)


def test_a_layer_that_knows_words_and_no_context_has_one_vector_per_form() -> None:
    """Rotary positions: layer 0 gives every occurrence of a form the same vector."""
    corpus = labelled(["they play here", "we play there", "you play it", "I play"], [
        ["_", "x", "_"], ["_", "y", "_"], ["_", "x", "_"], ["_", "y"],
    ])  # fmt: skip
    found = sense_separation(pk.extract(tiny_model("llama"), corpus), SENSE, layers=[0, 1], **FEW)
    assert found.part("0").reason == "all cosines are equal"
    assert found.part("1").found is not None


@pytest.mark.real
def test_play_is_separated_by_minilm_at_layer_3_and_not_at_layer_0(shared_data: object) -> None:
    from pathlib import Path

    corpus = pk.read_contexts(Path(str(shared_data)) / "play_contexts/play_contexts.tsv", senses="play")
    acts = pk.extract(pk.load_model("demo:minilm"), corpus, layers=[0, 3])
    found = sense_separation(acts, permutations=99, resamples=50)
    assert found.part("3").found.area == pytest.approx(0.678, abs=0.01)
    assert found.part("0").found.area == pytest.approx(0.514, abs=0.01)
