"""Activity of neurons: planted dead and always-on units are found; statistics and highest words equal a slow twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError
from probekit.geometry.activity import NeuronActivity
from probekit.geometry.word_numbers import inside_quotes
from probekit.report.plot import plot, render
from tests.geometry.planted import ALWAYS, CONSTANT, DEAD, DEPTH, planted_corpus, planted_model
from tests.tiny_models import tiny_model


@pytest.fixture(scope="module")
def found() -> NeuronActivity:
    return pk.neuron_activity(planted_model(), planted_corpus(), twins=2, top=4)


def test_planted_units_are_found(found: NeuronActivity) -> None:
    kinds = found.units(1).set_index("neuron")["kind"]
    assert kinds[DEAD] == "dead"
    assert kinds[ALWAYS] == "always on"
    assert kinds[CONSTANT] == "always on, constant"
    here, twins = found.counts("constant")
    assert (here, twins) == (1, 0.0)
    assert found.counts("always on")[0] >= 3
    assert found.counts("always on")[1] is not None


def test_statistics_are_those_of_extracted_words(found: NeuronActivity) -> None:
    acts = pk.extract(planted_model(), planted_corpus(), site="mlp", dtype="float32")
    for layer in found.layers:
        X = acts.rows(layer).astype(np.float64)
        one = found.statistics[layer]
        np.testing.assert_allclose(one.mean, X.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(one.spread, X.std(axis=0), atol=1e-5)
        np.testing.assert_allclose(one.high, X.max(axis=0), atol=1e-5)
        near = np.abs(X).min(axis=0) > 1e-6  # beside 0 the last digit decides on which side a value lies
        np.testing.assert_allclose(one.share_on[near], (X > 0).mean(axis=0)[near])
        for row, share in zip(one.quantiles, (0.05, 0.25, 0.5, 0.75, 0.95), strict=True):
            exact = np.quantile(X, share, axis=0, method="inverted_cdf")
            assert (np.abs(row - exact) <= np.abs(exact) / 16 + 2e-3).all()


def test_highest_words_of_the_depth_neuron_are_deep_and_of_different_sentences(found: NeuronActivity) -> None:
    top = found.top(1, DEPTH)
    assert list(top.columns) == ["activation", "before", "word", "after", "sentence", "number"]
    assert len(top) == 4 == top["sentence"].nunique()
    assert (np.diff(top["activation"]) <= 0).all()
    best = top.iloc[0]
    words = found.corpus[best["sentence"]].words
    assert words[best["number"] - 1] == best["word"] == "("
    assert words[: best["number"]].count("(") - words[: best["number"]].count(")") == 4  # as deep as it gets
    assert best["before"].split() == list(words[max(0, best["number"] - 7) : best["number"] - 1])
    sentences = found.top_sentences(1, DEPTH)
    assert [one.id for one in sentences] == top["sentence"].tolist()
    text = pk.activation_text(planted_model(), sentences, 1, DEPTH)
    assert np.nanmax(text.values) == pytest.approx(best["activation"], abs=1e-5)


def test_equal_texts_are_one_sentence() -> None:
    sentences = [Sentence.from_text(str(i), "the dog barks") for i in range(5)] + [
        Sentence.from_text("x", "a cat sat")
    ]
    found = pk.neuron_activity(tiny_model("bert"), Corpus(sentences), [1], twins=0, top=4)
    assert all(len(found.top(1, unit)) == 2 for unit in range(found.dim))


def test_rows_and_panels(found: NeuronActivity) -> None:
    table = found.table()
    assert set(table["metric"]) == {"share_dead", "share_always_on", "share_constant", "mean_share_on"}
    assert (table["control"] == "random-twin").sum() == 2 * (table["control"] == "").sum()
    assert table["value"].between(0, 1).all()
    assert {panel.kind for panel in found.panels} == {"sentence", "heatmap", "layer-curve", "table"}
    often = next(panel for panel in found.panels if panel.kind == "heatmap")
    np.testing.assert_allclose(often.arrays["value"].sum(axis=1), 1.0)
    assert len(plot(found)) == 2
    assert "are dead" in found.summary
    assert "2 random twins" in found.summary
    assert "<table" in found._repr_html_()


def test_a_distribution_is_a_curve_that_ends_at_one(found: NeuronActivity) -> None:
    for unit in (DEPTH, CONSTANT):
        panel = found.distribution(1, unit)
        value = panel.arrays["value"][0]
        assert (np.diff(value) >= 0).all()
        assert value[-1] == 1.0
        assert render(panel).startswith(b"<?xml")


def test_words_that_cannot_be_read_are_counted() -> None:
    found = pk.neuron_activity(tiny_model("bert"), ["the dog ☺ ☃ barks"], [1], twins=0)
    assert found.left_out == {"unknown piece": 2}
    assert found.n_words == 3
    assert (found.table()["n_left_out"] == 2).all()


def test_what_is_not_there_gets_a_clear_line(found: NeuronActivity) -> None:
    with pytest.raises(ConfigError, match="layer '9' was not read"):
        found.top(9, 0)
    with pytest.raises(ConfigError, match="has no unit 128 at 'mlp': they are numbered 0 to 127"):
        found.top(1, 128)
    with pytest.raises(ConfigError, match="did you mean 'dead'"):
        found.counts("daed")
    for twins, line in ((-1, "from 0 on"), ("x", "got str"), ([3], "got int")):
        with pytest.raises(ConfigError, match=line):
            pk.neuron_activity(planted_model(), "a b", twins=twins)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="top must be a whole number above 0"):
        pk.neuron_activity(planted_model(), "a b", top=0)


@pytest.mark.parametrize("kind", ["t5", "bart", "llama", "modernbert"])
@pytest.mark.parametrize("site", ["mlp", "heads"])
def test_families_and_sites(kind: str, site: str) -> None:
    model = tiny_model(kind)
    found = pk.neuron_activity(model, ["the dog barks at night", "a cat sat"], site=site, top=1)
    assert found.layers == model.resolve_layers("all", site)
    assert found.dim == model.site_dim(site)
    assert found.n_words == 8
    assert len(found.units()) == len(found.layers) * found.dim


@pytest.mark.real
def test_a_neuron_of_a_model_of_novels_is_on_inside_quotes(shared_data: Path) -> None:
    """Found on other text (docs/geometry.md); these lines were written for this test."""
    folder = shared_data.parent / "models" / "novels-causal"
    if not folder.is_dir():
        pytest.skip("the language model of novels is not beside this checkout (../shared/models)")
    text = [
        'She turned to him . " I never said that you should go , " she cried , and went out of the room .',
        'The old man laughed . " Come and see what they have done to my garden , " said he to the boy .',
    ]
    found = pk.activation_text(pk.load_model(str(folder)), text, 3, 136)
    inside = np.concatenate([inside_quotes(one) for one in found.corpus]) > 0
    assert found.values[inside, 0].mean() > 5 * abs(found.values[~inside, 0].mean())
