"""Similarity of layers from the store: joined by word, equal to the plain measures, and clear where undefined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.geometry.joined_rows import join_rows
from probekit.geometry.layer_similarity import similarity
from probekit.geometry.similarity_measures import MEASURES
from probekit.maths.cca import pwcca, svcca
from probekit.maths.cka import cka
from probekit.maths.procrustes import procrustes
from probekit.maths.rsa import rsa
from probekit.results.formats import format_range
from tests.geometry.made import made

Array = np.ndarray[Any, Any]
SIZES = [3, 5, 4, 2, 6, 4, 5, 3, 4, 4, 5, 3, 4, 6, 2]
OWN = np.repeat(np.arange(len(SIZES)), SIZES)
PLAIN = {
    "cka": lambda X, Y: cka(X, Y, clusters=OWN),
    "cka-kernel": lambda X, Y: cka(X, Y, clusters=OWN, kernel="rbf"),
    "svcca": svcca,
    "pwcca": pwcca,
    "rsa": rsa,
    "procrustes": procrustes,
}


def layers(seed: int = 0, names: str = "012") -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(len(OWN), 6)).astype(np.float32) + 1
    return {k: (X := X + 0.7 * rng.normal(size=X.shape).astype(np.float32)) for k in names}


@pytest.mark.parametrize("measure", MEASURES)
def test_equals_the_plain_measure_for_every_pair(measure: Any) -> None:
    stored = layers()
    found = similarity(made(stored, SIZES), measure=measure, permutations=3)
    for i, one in enumerate(stored.values()):
        for j, other in enumerate(stored.values()):
            assert found.value[i, j] == pytest.approx(PLAIN[measure](one, other), abs=2e-5)
            if i < j:
                assert found.low[i, j] < found.value[i, j] < found.high[i, j]
    assert found.null.shape == (3, 3, 3)
    at = (found.p[0, 1], found.p_adjusted[0, 1])
    assert at == (0.25, 0.25)  # neighbouring layers are nearer than any of three shuffles


@pytest.mark.parametrize("measure", MEASURES)
def test_two_models_are_joined_by_sentence_and_word_not_by_position(measure: Any) -> None:
    stored, others = layers(0, "01"), layers(1, "ab")
    others["a"] = stored["1"][:, ::-1] * 2
    order = np.random.default_rng(0).permutation(len(OWN))
    one, other = made(stored, SIZES, name="one"), made(others, SIZES, name="other", order=order)
    found = similarity(one, other, measure, permutations=2)
    for i, a in enumerate(stored.values()):
        for j, b in enumerate(others.values()):
            assert found.value[i, j] == pytest.approx(PLAIN[measure](a, b), abs=2e-5)
    assert found.value[1, 0] == pytest.approx(0 if found.distance else 1, abs=1e-5)
    assert found.other_layers == ("a", "b")


def test_words_that_one_side_lacks_are_left_out_and_counted() -> None:
    stored = layers()
    one = made(stored, SIZES, name="one")
    other = made(stored, SIZES, name="other")
    kept = np.flatnonzero(~np.isin(np.arange(len(OWN)), [0, 7, 20]))
    other.stored = {k: X[kept] for k, X in other.stored.items()}
    other.index.sentence, other.index.number = other.index.sentence[kept], other.index.number[kept]
    other.n_rows = len(kept)
    joined = join_rows(one, other)
    assert (len(joined), joined.left_out) == (len(OWN) - 3, 3)
    assert similarity(one, other, permutations=0).value.diagonal() == pytest.approx([1, 1, 1])
    assert {row.n_left_out for row in similarity(one, other, permutations=0).rows} == {3}


def test_unrelated_models_are_0_within_the_interval_and_biased_ones_are_not() -> None:
    one, other = made(layers(0), SIZES, name="one"), made(layers(9), SIZES, name="other")
    found = similarity(one, other, permutations=19)
    assert ((found.low < 0) & (found.high > 0)).mean() >= 7 / 9
    assert found.p_adjusted.min() > 0.05
    biased = similarity(one, other, estimator="biased", permutations=19)
    assert (biased.value > 0.03).all()
    assert np.abs(biased.null_mean - biased.value).max() < 0.1  # which shuffled sentences show


def test_unrelated_sides_with_sentences_that_lie_together_are_found_alike_no_more_often_than_stated() -> None:
    hits = {"clustered": 0, "biased": 0}
    for seed in range(50):
        rng = np.random.default_rng(seed)
        sizes = (1 + rng.poisson(4, size=40)).tolist()
        own = np.repeat(np.arange(40), sizes)
        sides = [rng.normal(size=(40, 6))[own] + rng.normal(size=(len(own), 6)) for _ in "ab"]
        one, other = (made({"0": X}, sizes, name=name) for X, name in zip(sides, "ab", strict=True))
        for name in hits:
            found = similarity(one, other, estimator=name, permutations=19, interval=False)
            hits[name] += found.p[0, 0] <= 0.05
    assert hits["clustered"] <= 7  # more at a true 5 % happen in 0.3 % of such tests
    assert hits["biased"] > 8  # which sees that both have the same sentences


def test_shuffling_keeps_sentences_whole() -> None:
    joined = join_rows(made(layers(), SIZES))
    order = joined.shuffled(0, 0)
    assert sorted(order) == list(range(len(OWN)))
    blocks = np.flatnonzero(np.diff(OWN[order]) != 0)
    assert len(blocks) == len(SIZES) - 1
    assert (joined.shuffled(0, 1) != order).any()


def test_a_sample_holds_whole_sentences() -> None:
    joined = join_rows(made(layers(), SIZES)).sample(20, seed=0)
    assert len(joined) <= 20
    assert joined.of == len(OWN)
    kept = OWN[joined.a]
    assert all((kept == k).sum() == SIZES[k] for k in set(kept))
    assert len(join_rows(made(layers(), SIZES)).sample(1, seed=0)) > 1  # one sentence at least


def test_two_layers_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import probekit.geometry.compared_layers as module

    kept = []
    plain = module._Sides.get

    def watched(self: Any, key: Any) -> Any:
        side = plain(self, key)
        kept.append(len(self.ready))
        return side

    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    monkeypatch.setattr(module._Sides, "get", watched)
    acts = made(layers(), SIZES)
    value = similarity(acts, permutations=0).value
    assert max(kept) == 2
    monkeypatch.undo()
    np.testing.assert_array_equal(similarity(acts, permutations=0).value, value)


@pytest.mark.parametrize("measure", MEASURES)
def test_identical_vectors_have_no_value_and_a_reason(measure: Any) -> None:
    stored = layers()
    stored["1"] = np.ones_like(stored["1"])
    found = similarity(made(stored, SIZES), measure=measure, permutations=2)
    assert np.isnan(found.value[1]).all()
    assert np.isfinite(found.value[0, 2])
    rows = [row for row in found.rows if row.layer == "0" and "other_layer=1" in row.group]
    assert rows
    assert all(row.value is None for row in rows)
    assert rows[0].reason == "layer 1 of made: all 60 rows are identical: there is nothing to compare"
    assert "not defined" in found.panels[1].caption
    assert "NaN" not in found._repr_html_()
    assert "nan" not in found.summary


def test_too_few_rows_have_a_reason() -> None:
    tiny = {k: X[:7] for k, X in layers().items()}
    found = similarity(made(tiny, [3, 4]))
    assert np.isnan(found.value).all()
    assert "7 rows of 2 sentences are too few for CKA (clustered)" in found.summary
    found = similarity(made(tiny, [3, 4]), measure="pwcca")
    assert "too few for canonical correlations of 6 and 6 dimensions" in found.summary
    one = similarity(
        made(tiny, [7]), measure="procrustes"
    )  # one sentence: a value, no interval, no shuffling
    assert np.isfinite(one.value).all()
    assert np.isnan(one.low[0, 1])
    assert len(one.null) == 0


def test_bad_input_is_refused() -> None:
    acts = made(layers(), SIZES)
    with pytest.raises(ConfigError, match="unknown measure 'ckaa'; did you mean 'cka'"):
        similarity(acts, measure="ckaa")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no option 'estimater'; did you mean 'estimator'"):
        similarity(acts, estimater="biased")
    with pytest.raises(ConfigError, match="layer '9' is not stored here"):
        similarity(acts, layers=[9])
    with pytest.raises(ConfigError, match="extract alike"):
        similarity(acts, made(layers(), SIZES, name="b", unit="sentence"))
    with pytest.raises(ConfigError, match="pieces of two models cannot be joined"):
        similarity(made(layers(), SIZES, unit="piece"), made(layers(), SIZES, name="b", unit="piece"))
    other = made(layers(), SIZES, name="b")
    other.index.ids = tuple(f"x{k}" for k in range(len(SIZES)))
    with pytest.raises(DataError, match="no word in common: their sentence ids differ"):
        similarity(acts, other)
    words = [[f"v{j}" for j in range(size)] for size in SIZES]
    with pytest.raises(DataError, match="15 sentence ids stand for different words on both sides"):
        similarity(acts, made(layers(), SIZES, name="b", words=words))


def test_a_layer_with_nan_has_no_value_and_a_reason() -> None:
    bad = layers()
    bad["1"][4, 2] = np.nan
    found = similarity(made(bad, SIZES), permutations=2)
    assert np.isnan(found.value).tolist() == [[False, True, False], [True, True, True], [False, True, False]]
    why = found.reasons["0", "1"]
    assert why.startswith("layer 1 of made: 1 row holds a value that is not a finite number, first row 4")


def test_rows_pictures_and_words() -> None:
    one, other = made(layers(0), SIZES, name="one"), made(layers(0), SIZES, name="other")
    found = similarity(one, other, permutations=4)
    assert len(found.rows) == 2 * 9
    row = found.rows[0]
    assert row.group == "other_layer=0, other_model=other"
    assert (row.metric, row.split, row.n, row.family_size) == ("cka", "all", 60, 9)
    assert (
        row.interval == "jackknife over 15 sentences on Fisher's z scale, t interval, 95%" or row.value == 1
    )
    assert [panel.kind for panel in found.panels] == ["sentence", "heatmap", "layer-curve"]
    alone = similarity(one, permutations=4)
    assert len(alone.rows) == 2 * 3
    assert found.table().shape[0] == 18
    assert "linear CKA".upper() in alone.summary.upper()
    for panel in [*found.panels[1:], *alone.panels[1:]]:
        pk.plot(panel)


def test_a_model_and_its_random_twin() -> None:
    corpus = pk.generate_corpus(8, 1, 1)
    model = pk.load_model("demo:minilm")
    acts = pk.extract(model, corpus, layers=[0, 6])
    twin = pk.extract(pk.random_twin(model, seed=1), corpus, layers=[6])
    own = pk.similarity(acts, permutations=0)
    found = pk.similarity(acts, twin, permutations=3)
    assert own.value[0, 1] > found.value[1, 0]
    assert np.abs(found.null_mean).max() < 0.05
    again = pk.similarity(acts, twin, permutations=3)
    np.testing.assert_array_equal(found.value, again.value)
    np.testing.assert_array_equal(found.null, again.null)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_layer_is_exactly_as_itself_and_maps_of_a_measure_share_their_colours(measure: Any) -> None:
    found = similarity(made(layers(), SIZES), measure=measure, permutations=0)
    distance = measure == "procrustes"
    assert found.value.diagonal().tolist() == [0.0 if distance else 1.0] * 3
    assert next(p for p in found.panels if p.kind == "heatmap").labels["range"] == [0, 2 if distance else 1]


def test_one_layer_and_one_pair_read_well() -> None:
    alone = similarity(made(layers(), SIZES), layers=[1], permutations=3).summary
    assert alone.endswith("one layer, which is as itself; name two or more layers, or another model.")
    assert "–" not in alone
    stored = {"0": layers()["0"]}
    pair = similarity(
        made(stored, SIZES, name="one"), made(layers(1), SIZES, name="b"), other_layers=[2]
    ).summary
    assert ": layers 0 and 2 (" in pair
    assert "most alike" not in pair


def test_nulls_near_nothing_are_told_as_such() -> None:
    assert [format_range(-0.0014, -0.0002), format_range(0.0001, 0.2)] == [
        "within 0.002 of 0",
        "about 0 to 0.200",
    ]
    found = replace(similarity(made(layers(), SIZES), permutations=2), null=np.full((2, 3, 3), -0.0002))
    assert found.summary.endswith("with sentences shuffled within 0.001 of 0.")


def test_sentences_of_equal_text_are_one_sentence() -> None:
    rng = np.random.default_rng(0)
    words = [["a", "b", "c"]] * 12 + [[f"{k}", "x", "y"] for k in range(10)]
    X, Y = (
        np.concatenate([np.tile(rng.normal(size=(3, 4)), (12, 1)), rng.normal(size=(30, 4))]) for _ in "ab"
    )
    found = similarity(made({"0": X, "1": Y}, [3] * 22, words=words), permutations=3)
    assert (found.sentences, found.copies, found.n) == (11, 11, 66)
    assert found.interval.startswith("jackknife over 11 sentences")
    assert "66 words of 11 sentences and 11 copies of them" in found.summary
    assert join_rows(made({"0": X}, [3] * 22, words=words)).sample(20, seed=1).copies in (0, 11)
