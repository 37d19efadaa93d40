"""`FineTune` from labels to predictions: what is planted is found, and what is amiss is one line."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor

import probekit as pk
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.loop import TrainingFailed
from probekit.errors import ConfigError, DataError, ModelError
from tests.adaptation.small_tasks import LABELS, TEXTS, same, weights
from tests.tiny_models import tiny_folder

PAIRS = [(a, b) for a in ("the cat sat", "dogs run", "a dog") for b in ("the cat sat", "dogs run", "a dog")]
EQUAL = ["yes" if a == b else "no" for a, b in PAIRS]


def tuned(kind: str = "bert", strategy: str = "full", **settings: Any) -> FineTune:
    return FineTune(str(tiny_folder(kind)), strategy, **{"batch_size": 4, "rate": 5e-3, **settings})


@pytest.mark.parametrize("kind", ["bert", "llama", "t5", "bart"])
def test_labels_are_learned_by_every_kind_of_model(kind: str) -> None:
    clf = tuned(kind, epochs=15, rate=1e-2).fit(TEXTS, LABELS)
    assert clf.score(TEXTS, LABELS) > 0.9
    assert clf.pool_ == ("last" if kind == "llama" else "mean")
    proba = clf.predict_proba(TEXTS)
    assert proba.sum(axis=1) == pytest.approx(1)
    assert (clf.classes_[proba.argmax(1)] == clf.predict(TEXTS)).all()


def test_pairs_words_and_numbers() -> None:
    # which text stands first decides, so a model that mixes the two up cannot have it
    first = [a for a, _ in PAIRS]
    assert tuned(epochs=12).fit(PAIRS, first).score(PAIRS, first) == 1.0
    words = [text.split() for text in TEXTS]
    tags = [["D" if word in ("the", "a") else "N" for word in own] for own in words]
    clf = tuned(epochs=10).fit(words, tags)
    assert clf.score(words, tags) == 1.0
    predicted = clf.predict(words)
    assert [len(own) for own in predicted] == [len(own) for own in words]
    assert [one.shape for one in clf.predict_proba(words)] == [(len(own), 2) for own in words]
    lengths = [1000.0 + 10 * len(text.split()) for text in TEXTS]
    numbers = tuned(epochs=20).fit(TEXTS, lengths)
    assert numbers.score(TEXTS, lengths) > 0.8  # far from 0: the head learns them scaled
    assert not hasattr(numbers, "classes_")
    with pytest.raises(ConfigError, match="numbers are predicted, so there are no probabilities"):
        numbers.predict_proba(TEXTS)


def test_fitted_again_it_is_as_new_and_warm_it_goes_on() -> None:
    once, twice = tuned(epochs=1).fit(TEXTS, LABELS), tuned(epochs=1)
    twice.fit(PAIRS, EQUAL).fit(TEXTS, LABELS)
    assert same(weights(once.live_), weights(twice.live_))
    warm = tuned(epochs=1, warm_start=True).fit(TEXTS, LABELS)
    first = warm.history_[-1]["loss"]
    for _ in range(4):
        warm.fit(TEXTS, LABELS)
    assert warm.history_[-1]["loss"] < 0.7 * first
    with pytest.raises(DataError, match="labels that the last fit had not"):
        warm.fit(TEXTS, ["new", *LABELS[1:]])
    with pytest.raises(DataError, match="the last fit was on sentences, these are pairs"):
        warm.fit(PAIRS, EQUAL)


def test_a_label_that_training_had_not_is_wrong_and_no_more() -> None:
    clf = tuned(epochs=1).fit(TEXTS, LABELS, ["dogs", "the mat"], ["p", "unseen"])
    assert clf.history_[-1]["dev_accuracy"] in (0.0, 0.5)
    assert clf.score(["dogs"], ["unseen"]) == 0.0


def test_long_texts_are_cut_and_counted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = tuned(epochs=1).fit([*TEXTS, "cat " * 5000], [*LABELS, "p"])
    assert (clf.n_truncated_, clf.n_left_out_) == (1, 0)
    clf.predict(["dog " * 5000, "a dog"])
    assert clf.n_truncated_predicted_ == 1
    short = tuned(epochs=1, max_pieces=4).fit(TEXTS, LABELS)
    assert short.n_truncated_ > 5
    # cut to [CLS] the cat [SEP]: what follows is not read
    assert np.array_equal(short.predict_proba(["the cat sat"]), short.predict_proba(["the cat dogs run"]))
    pairs = tuned("roberta", epochs=1, max_pieces=10).fit(PAIRS, EQUAL)
    assert pairs.n_truncated_ > 0


def test_a_unit_without_a_piece_gets_what_training_has_most_of() -> None:
    words, tags = [["cat", "dog", "\u200b"], ["dogs", "cats"]], [["A", "B", "B"], ["B", "A"]]
    clf = tuned(epochs=1).fit(words, tags)
    assert clf.n_left_out_ == 1
    proba = clf.predict_proba([["\u200b", "cat"]])[0]
    assert proba[0] == pytest.approx([2 / 5, 3 / 5])
    assert clf.predict([["\u200b", "cat"]])[0][0] == "B"
    assert clf.n_left_out_predicted_ == 1
    numbers = tuned(epochs=1).fit(words, [[1.0, 2.0, 6.0], [1.0, 2.0]])
    assert numbers.predict([["\u200b"]])[0][0] == pytest.approx(12 / 5)


def test_the_settings_of_the_run_are_told() -> None:
    clf = tuned(strategy="head-only", epochs=None, rate=None).fit(TEXTS, LABELS)
    assert (clf.settings_["rate"], clf.settings_["epochs"], clf.settings_["schedule"]) == (1e-2, 3, "linear")
    assert [record["epoch"] for record in clf.history_] == [1, 2, 3]
    assert set(clf.history_[0]) == {"epoch", "loss", "dev_loss", "dev_accuracy", "cpu_seconds", "kept"}
    assert clf.history_[0]["dev_loss"] is None
    assert all(record["cpu_seconds"] > 0 for record in clf.history_)


def test_sklearn_knows_what_it_is() -> None:
    assert is_classifier(FineTune())
    assert is_regressor(FineTune(target="number"))
    assert is_regressor(tuned(epochs=0.1).fit(TEXTS, [float(len(text)) for text in TEXTS]))
    ref = pk.ModelRef(name="demo:minilm")
    assert clone(FineTune(ref, "lora", options={"rank": 4})).get_params()["model"] is ref


def test_bad_input_is_one_line() -> None:
    clf = tuned(epochs=1)
    for X, y, line in (
        (TEXTS, ["a"] * 12, "two classes are needed; the labels have one class: 'a'"),
        (TEXTS, ["a", 1] * 6, "labels must be all text or all numbers"),
        (["", *TEXTS[1:]], LABELS, "example 0 is an empty text"),
        ([["\u200b"], ["\u200b"]], [["a"], ["b"]], "no example has a piece that the model can read"),
        (TEXTS, LABELS[1:], "12 examples and 11 labels"),
    ):
        with pytest.raises(DataError, match=line):
            clf.fit(X, y)
    with pytest.raises(DataError, match="labels are needed"):
        clf.fit(TEXTS, LABELS, TEXTS)
    with pytest.raises(ConfigError, match="patience looks at dev examples"):
        tuned(patience=1).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="no strategy 'ful'; did you mean 'full'"):
        tuned(strategy="ful").fit(TEXTS, LABELS)
    with pytest.raises(ModelError, match=r"is loaded as bfloat16, in which small steps are lost"):
        FineTune(pk.ModelRef(name=str(tiny_folder("bert")), dtype="bfloat16")).fit(TEXTS, LABELS)


def test_a_failed_fit_leaves_the_last_one_standing() -> None:
    clf = tuned(epochs=1).fit(TEXTS, LABELS)
    before = clf.predict_proba(TEXTS)
    clf.set_params(rate=1e30, epochs=20, clip=None)
    with pytest.raises(TrainingFailed):
        clf.fit(TEXTS, [float(len(text)) for text in TEXTS])
    assert np.array_equal(clf.predict_proba(TEXTS), before)
