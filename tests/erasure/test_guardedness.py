"""Guardedness: fresh probes before and after, paired, beside majority; a concept that only a network finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.erasure.guard import guard
from probekit.erasure.guard_pictures import find
from probekit.erasure.guardedness import Guardedness, guardedness
from probekit.errors import ConfigError, DataError, ModelError
from probekit.maths.resampling import holm, paired_difference
from probekit.results.measurement import About


@dataclass(frozen=True)
class Units:
    """Units with rows, held in memory, as `Activations.units` gives them."""

    states: np.ndarray
    y: np.ndarray
    cluster: np.ndarray
    split: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)

    def X(self, layer: int | str) -> np.ndarray:
        assert str(layer) == "2"
        return self.states

    def select(self, split: str) -> Units:
        kept = self.split == split
        return replace(
            self,
            states=self.states[kept],
            y=self.y[kept],
            cluster=self.cluster[kept],
            split=self.split[kept],
        )


def planted(n: int = 1500, seed: int = 0) -> tuple[Units, Units]:
    """Number shows in dimension 0, and again in whether dimensions 1 and 2 agree in sign; tense in dimension 3."""
    draw = np.random.default_rng(seed)
    number, tense = draw.integers(0, 2, (2, n))
    X = draw.normal(size=(n, 6))
    X[:, 0] += 4.0 * number - 2.0
    sign = np.where(draw.random(n) < 0.5, 1.0, -1.0)
    X[:, 1] += 2.5 * sign
    X[:, 2] += 2.5 * sign * np.where(number == 1, 1.0, -1.0)
    X[:, 3] += 3.0 * tense
    cluster = np.arange(n) // 5
    split = np.where(cluster % 3 < 2, "train", "test")
    words = np.array(["sg", "pl"])[number]
    left_out = {"too long": 3}
    return (
        Units(X.astype(np.float32), words, cluster, split, left_out),
        Units(X.astype(np.float32), np.array(["past", "pres"])[tense], cluster, split),
    )


NUMBER, TENSE = planted()
TRAIN, TEST = NUMBER.select("train"), NUMBER.select("test")
ERASER = pk.Leace(concept="number").fit(TRAIN.X(2), TRAIN.y).eraser_
ABOUT = About(model="tiny", corpus="planted", run="r1")


@pytest.fixture(scope="module")
def found() -> Guardedness:
    return guardedness(
        ERASER, NUMBER, 2, neighbours={"tense": TENSE}, seeds=(0, 1), resamples=200, about=ABOUT
    )


def test_linear_probes_are_guarded_against_and_networks_are_not(found: Guardedness) -> None:
    majority = find(found.rows, "number").value
    values = {
        (probe, when): find(found.rows, "number", probe, when)
        for probe in ("linear", "mlp")
        for when in ("before", "after")
    }
    assert values["linear", "before"].value > 0.95
    assert values["mlp", "before"].value > 0.95
    assert values["linear", "after"].value < majority + 0.05
    assert values["mlp", "after"].value > 0.9  # the interaction is not linear, and stays
    above = find(found.rows, "number", "mlp", "after", reference="control=majority")
    assert above.low > 0.3
    assert above.p_adjusted < 0.01
    chance = find(found.rows, "number", "linear", "after", reference="control=majority")
    assert chance.p_adjusted > 0.05


def test_a_neighbour_is_left_alone(found: Guardedness) -> None:
    row = find(found.rows, "tense", "linear", "after", reference="when=before")
    assert abs(row.value) < 0.03
    assert find(found.rows, "tense", "linear", "after").value > 0.85


def test_rows_are_what_the_outcomes_say(found: Guardedness) -> None:
    test = TEST
    for concept, probe in (("number", "linear"), ("number", "mlp"), ("tense", "mlp")):
        before, after = (found.correct[concept, probe, when] for when in ("before", "after"))
        assert find(found.rows, concept, probe, "after").value == pytest.approx(after.mean())
        row = find(found.rows, concept, probe, "after", reference="when=before")
        twin = paired_difference(after, before, test.cluster, resamples=200)
        assert (row.value, row.low, row.high) == pytest.approx((twin.difference, twin.low, twin.high))
        assert row.n == len(test.y)
    assert set(np.unique(found.correct["number", "mlp", "after"])) <= {0.0, 0.5, 1.0}  # two seeds
    differences = [row for row in found.rows if row.metric == "accuracy_difference"]
    assert {row.family_size for row in differences} == {len(differences)} == {8}
    np.testing.assert_allclose(
        [row.p_adjusted for row in differences], holm(np.array([row.p for row in differences]))
    )
    labels, counts = np.unique(TRAIN.y, return_counts=True)
    assert find(found.rows, "number").value == pytest.approx(np.mean(test.y == labels[counts.argmax()]))
    assert find(found.rows, "number").control == "majority"
    assert find(found.rows, "number").n_left_out == 3
    for row in found.rows:
        assert (row.model, row.corpus, row.run, row.layer, row.method) == (
            "tiny",
            "planted",
            "r1",
            "2",
            "leace",
        )
        assert row.interval


def test_words_and_pictures(found: Guardedness) -> None:
    assert found.concepts == ("number", "tense")
    after = find(found.rows, "number", "linear", "after").value
    assert found.summary.startswith("After leace at layer 2 of tiny, a fresh linear probe finds number in ")
    assert f"{after:.3f}" in found.summary
    assert "neighbouring concept that changed most is tense" in found.summary
    kinds = {panel.kind: panel for panel in found.panels}
    assert set(kinds) == {"sentence", "forest", "table"}
    forest = kinds["forest"]
    assert [len(forest.labels["rows"]), forest.arrays["value"].shape] == [4, (3, 4)]
    assert forest.arrays["value"][1, 0] == after
    assert kinds["table"].labels["rows"][0][:2] == ["number", "linear probe"]
    assert len(found.table()) == len(found.rows)
    assert "<table" in found._repr_html_()
    pk.plot(found)


def test_probes_are_the_house_s_own_trained_on_erased_states() -> None:
    said = guard(ERASER, (TRAIN.X(2), TRAIN.y), (TEST.X(2), TEST.y), C=0.1, seeds=(3,), when=["after"])
    assert set(said) == {("linear", "after"), ("mlp", "after")}
    linear = pk.LinearProbe(C=0.1).fit(ERASER(TRAIN.X(2)), TRAIN.y)
    np.testing.assert_array_equal(said["linear", "after"][0], linear.predict(ERASER(TEST.X(2))))
    assert said["mlp", "after"].shape == (1, len(TEST.y))
    assert set(said["mlp", "after"].ravel()) == {"sg", "pl"}


def test_any_function_of_states_can_be_asked_about() -> None:
    result = guardedness(lambda X: 0 * X, NUMBER, 2, probes=["linear"], resamples=50)
    assert result.concepts == ("the concept",)
    after, majority = find(result.rows, "the concept", "linear", "after"), find(result.rows, "the concept")
    assert (after.value, after.method) == (majority.value, "eraser")


def test_all_right_has_exact_bounds() -> None:
    apart = replace(NUMBER, states=NUMBER.states + 100.0 * (NUMBER.y == "pl")[:, None].astype(np.float32))
    result = guardedness(lambda X: X, apart, 2, probes=["linear"], resamples=50)
    row = find(result.rows, "the concept", "linear", "after")
    assert row.value == 1.0
    assert 0.9 < row.low < 1.0
    assert row.interval.startswith("exact")


def test_about_is_taken_from_stored_activations() -> None:
    acts = SimpleNamespace(
        corpus=SimpleNamespace(name="EWT"),
        model={"name": "bert", "kind": "random"},
        recipe={"site": "mlp"},
    )
    data = SimpleNamespace(**vars(NUMBER), X=NUMBER.X, select=NUMBER.select, activations=acts)
    row = guardedness(ERASER, data, 2, probes=["linear"], resamples=20).rows[0]
    assert (row.corpus, row.model, row.model_kind, row.site) == ("EWT", "bert", "random", "mlp")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"probes": ["lienar"]}, ConfigError, "did you mean 'linear'"),
        ({"neighbours": {"number": TENSE}}, DataError, "named 'number' like the erased concept"),
        ({"data": replace(NUMBER, split=np.full(1500, "train"))}, DataError, "no unit in test"),
        ({"data": replace(NUMBER, y=np.full(1500, "sg"))}, DataError, "every label is 'sg'"),
        ({"data": replace(NUMBER, states=NUMBER.states[:, :4])}, DataError, "width 6; got width 4"),
        ({"eraser": ERASER.bind("m", "f", 5)}, ModelError, "for layer 5, the states are of layer 2"),
    ],
)
def test_refused(change: dict[str, Any], kind: type[Exception], words: str) -> None:
    given = {"eraser": ERASER, "data": NUMBER, "layer": 2, "probes": ["linear"], "resamples": 20} | change
    with pytest.raises(kind, match=words):
        guardedness(**given)


def test_arrays_refused() -> None:
    X, y = TRAIN.X(2), TRAIN.y
    with pytest.raises(DataError, match="train has width 6, test has width 3"):
        guard(ERASER, (X, y), (X[:, :3], y))
    with pytest.raises(DataError, match="of one kind; got NoneType, str"):
        guard(ERASER, (X, np.where(y == "sg", None, y.astype(object))), (X, y))
    with pytest.raises(DataError, match="numbers"):
        guard(ERASER, (X, X[:, :1]), (X, y))
    with pytest.raises(ConfigError, match="no time 'during'"):
        guard(ERASER, (X, y), (X, y), when=["during"])
