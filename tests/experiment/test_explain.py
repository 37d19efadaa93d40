"""Explanations of single texts: numbers as the classifier gives them, words that matter, attention, safe HTML."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.errors import ConfigError
from probekit.experiment.explain import explain
from probekit.results.views.scripts import views_missing
from tests.experiment.stand_ins import Counting, CountingPairs, Measuring, Tagging
from tests.tiny_models import tiny_folder

TEXTS = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"]
LABELS = ["pl", "sg", "pl", "sg"]


def test_a_text_in_all_its_forms() -> None:
    found = explain(Counting(), "keys miss a")
    assert found.label == "pl"
    assert found.probabilities == {"pl": 0.8, "sg": pytest.approx(0.2)}
    by = {(row.metric, row.group): row for row in found.rows}
    assert by["probability", "label=sg"].value == pytest.approx(0.2)
    assert by["importance", "word=2"].value == pytest.approx(0.8 - 0.5)
    assert len(found.table()) == len(found.rows) == 5
    assert found.summary == (
        "The text is classified as pl with probability 0.800; next comes sg with 0.200. The word 'miss' matters most: "
        "without it the probability of pl falls by 0.300. One text is an illustration, no evidence."
    )
    assert [panel.kind for panel in found.panels] == ["sentence", "table", "shaded-text"]
    assert found.panels[2].arrays["value"] == pytest.approx(found.importance.texts[0].importance)
    assert found.attention == ()
    assert found.note == "No attention is shown: there is no Transformer behind this classifier."
    assert "no Transformer" in found._repr_html_()
    assert len(pk.plot(found)) == 1


def test_another_label_than_the_predicted_one() -> None:
    found = explain(Counting(), "keys miss a", label="sg")
    assert found.label == "pl"
    assert found.importance.texts[0].importance[1] == pytest.approx(0.2 - 0.5)
    assert "without it the probability of sg rises by 0.300" in found.summary
    with pytest.raises(ConfigError, match="no class 'x'; known: pl, sg"):
        explain(Counting(), "keys", label="x")


def test_words_pairs_and_numbers() -> None:
    tagged = explain(Tagging(), "a long word", word=3)
    assert tagged.summary.startswith("Word 3 ('word') is classified as pl with probability 0.500")
    assert "The word 'long' matters most: without it the probability of pl falls by -" not in tagged.summary
    assert [row.group for row in tagged.rows][2:5] == [
        "word=1, label=pl", "word=2, label=pl", "word=3, label=pl",
    ]  # fmt: skip
    assert [panel.kind for panel in tagged.panels] == ["sentence", "table", "table", "shaded-text"]
    assert tagged.panels[-1].caption.endswith("Not left out: 1 word: what is predicted.")
    with pytest.raises(ConfigError, match="no word 4; the text has words 1 to 3"):
        explain(Tagging(), "a long word", word=4)
    pair = explain(CountingPairs(), ("keys rust", "a cat sits"))
    assert [row.group for row in pair.rows if row.metric == "importance"] == [
        "text=first, word=1", "text=first, word=2", "text=second, word=1", "text=second, word=2",
        "text=second, word=3",
    ]  # fmt: skip
    assert [row.value for row in pair.rows if row.group == "text=second, word=3"] == [
        pytest.approx(0.5 - 0.8)
    ]
    number = explain(Measuring(), "four five")
    assert number.label == 8**0.5
    assert number.rows[0].metric == "number"
    assert [panel.kind for panel in number.panels] == ["sentence", "shaded-text"]
    alone = explain(Counting(), "keys")
    assert "No word could be left out." in alone.summary
    assert alone.rows[-1].reason == "nothing left to read without it"


def test_what_is_typed_stays_text() -> None:
    class Named(Counting):
        classes_ = np.array(["<i>pl</i>", "s&g"])

    typed = '<script>alert(1)</script> "s" & <b onmouseover=x>'
    html = explain(Named(), typed)._repr_html_()
    assert "<script" not in html
    assert "<i>" not in html
    assert "<b " not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;i&gt;pl&lt;/i&gt;" in html


def test_many_classes_have_few_bars() -> None:
    class Many(Counting):
        classes_ = np.array([f"c{number}" for number in range(14)])

        def predict_proba(self, X: Any) -> Any:
            return np.tile(np.arange(1, 15) / 105, (len(X), 1))

    found = explain(Many(), "a text")
    html = found._repr_html_()
    assert html.count("height: .8em") == 10
    assert "... and 4 classes more, 0.095 together" in html
    assert list(found.probabilities)[:2] == ["c13", "c12"]
    assert "Without any one of its words the probability of c13 stays as it is." in found.summary


@pytest.mark.parametrize(
    ("kind", "strategy"), [("bert", "full"), ("gpt2", "full"), ("bert", "lora"), ("bert", "pfeiffer")]
)
def test_a_tuned_model_shows_the_attention_it_has_now(kind: str, strategy: str) -> None:
    tuned = FineTune(str(tiny_folder(kind)), strategy, epochs=4, rate=1e-2).fit(TEXTS, LABELS)
    found = explain(tuned, "the dogs bark")
    assert np.array(list(found.probabilities.values())).sum() == pytest.approx(1)
    own = tuned.predict_proba(["the dogs bark"])[0]
    assert found.probabilities["sg"] == pytest.approx(own[1])
    [view] = found.attention
    untuned = pk.attention_view(pk.load_model(str(tiny_folder(kind))), "the dogs bark")
    moved = np.abs(view.panel.arrays["weights"] - untuned.panel.arrays["weights"]).max()
    assert moved > 1e-4
    assert found.panels[-1].kind == "attention"
    if not views_missing():
        assert "<iframe" in found._repr_html_()


def test_a_frozen_model_shows_its_own_attention_to_each_text_of_a_pair() -> None:
    """It reads them one by one, so a view of both together would show what was never read."""
    frozen = FeatureExtract(str(tiny_folder("bert"))).fit([("a b", "c"), ("d", "e f")] * 2, ["x", "y"] * 2)
    found = explain(frozen, ("the dogs bark", "a cat"), attention="model")
    model = pk.load_model(str(tiny_folder("bert")))
    assert len(found.attention) == 2
    for view, text in zip(found.attention, ("the dogs bark", "a cat"), strict=True):
        weights = pk.attention_view(model, text).panel.arrays["weights"]
        assert view.panel.arrays["weights"] == pytest.approx(weights, abs=1e-6)
        assert view.view == "model"
    assert [panel.name for panel in found.panels][-2:] == ["attention", "attention-2"]
    assert "Each text was read by itself" in found._repr_html_()
    with pytest.raises(ConfigError, match="no view 'heads'"):
        explain(frozen, ("the dogs bark", "a cat"), attention="heads")


def test_a_tuned_model_reads_a_pair_as_one() -> None:
    tuned = FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(
        [("a b", "c"), ("d", "e f")], ["x", "y"]
    )
    [view] = explain(tuned, ("the dogs bark", "a cat")).attention
    whole = pk.attention_view(pk.load_model(str(tiny_folder("bert"))), "the dogs bark", "a cat")
    assert view.panel.arrays["weights"] == pytest.approx(whole.panel.arrays["weights"], abs=1e-6)


def test_trained_vectors_in_front_of_the_text_have_no_picture() -> None:
    tuned = FineTune(str(tiny_folder("bert")), "prompt", epochs=1, options={"pieces": 2}).fit(TEXTS, LABELS)
    found = explain(tuned, "the dogs bark")
    assert found.attention == ()
    assert found.note == "No attention is shown: prompt reads trained vectors that are no pieces of the text."
