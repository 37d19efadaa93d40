"""The widget, driven without a browser: what is typed changes what is shown."""

from __future__ import annotations

import sys

import pytest

from probekit.adaptation.fine_tune import FineTune
from probekit.errors import ConfigError, MissingExtra
from probekit.experiment.widgets import try_it
from tests.experiment.stand_ins import Counting, CountingPairs, Tagging
from tests.tiny_models import tiny_folder

# ipywidgets 8 announces its own names this way when a widget is made
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_typing_changes_what_is_shown() -> None:
    shown = try_it(Counting())
    assert "Type a text and press Enter" in shown.shown.value
    assert shown.explanation is None
    shown.box.value = "keys miss"
    assert shown.explanation is not None
    assert shown.explanation.label == "pl"
    assert "is classified as pl with probability 0.889" in shown.shown.value
    shown.box.value = "a car"
    assert "is classified as sg" in shown.shown.value
    shown.box.value = "<img src=x onerror=y> s"
    assert "<img" not in shown.shown.value
    assert "&lt;img" in shown.shown.value
    shown.box.value = "   "
    assert shown.explanation is None
    bundle = shown._repr_mimebundle_()
    assert bundle["text/html"] == shown.shown.value
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert repr(shown) == "<TryIt: Counting on no model>"


def test_pairs_need_both_and_words_have_a_number() -> None:
    pair = try_it(CountingPairs(), ("keys", ""))
    assert pair.explanation is None
    pair.second.value = "cat"
    assert pair.explanation is not None
    assert pair.explanation.example == ("keys", "cat")
    assert len(pair.widget.children) == 4
    tagged = try_it(Tagging(), ["a", "word"])
    assert tagged.box.value == "a word"
    tagged.word.value = 2
    assert "Word 2" in tagged.shown.value
    tagged.word.value = 3
    assert tagged.explanation is None
    assert "no word 3; the text has words 1 to 2" in tagged.shown.value
    tagged.word.value = 1
    assert "Word 1" in tagged.shown.value


def test_attention_comes_on_request() -> None:
    tuned = FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(["keys", "a dog"], ["pl", "sg"])
    shown = try_it(tuned, "a dog")
    assert shown.explanation is not None
    assert shown.explanation.attention == ()
    shown.look.value = True
    assert shown.explanation is not None
    assert shown.explanation.panels[-1].kind == "attention"


def test_without_ipywidgets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(
        MissingExtra, match=r"pip install 'probekit-nlp\[notebook\]'; pk.explain does without"
    ):
        try_it(Counting())


def test_what_is_no_classifier() -> None:
    with pytest.raises(ConfigError, match="a fitted classifier expected, got NoneType"):
        try_it(None)
