"""Labelled units with their vectors: classes of numbers, draws, rows by place, context, exact bounds."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.data.task import Task
from probekit.errors import ConfigError
from probekit.geometry.occurrences import in_context, layers_of, occurrences, rows_of, share_of
from tests.geometry.planted_rows import labelled, planted

SENSE = Task(name="sense", question="?", label="sense", where="upos != _")


def test_classes_texts_and_forms() -> None:
    corpus = labelled(["we Play", "we play", "we play", "we run"], [["_", s] for s in "bbac"])
    found = occurrences(planted(corpus, lambda layer, s, w: np.eye(8)[s]), SENSE)
    assert found.classes == ("a", "b", "c")
    assert found.codes.tolist() == [1, 1, 0, 2]
    assert found.form.tolist() == [0, 0, 0, 1]  # capitals do not count
    assert found.text[1] == found.text[2] != found.text[0]
    assert found.names[0] == "we [Play]"
    fewer = found.take(np.array([0, 3]))
    assert (fewer.classes, fewer.codes.tolist()) == (("b", "c"), [0, 1])
    assert fewer.vectors("1").tolist() == np.eye(8)[[0, 3]].tolist()


def test_draws_are_the_same_again_in_order_and_hold_what_must_be_there() -> None:
    corpus = labelled([f"w{i}" for i in range(30)], [["x"]] * 30)
    found = occurrences(planted(corpus, lambda layer, s, w: np.eye(30)[s]), SENSE)
    one, other = found.draw(8, seed=1, always=[29]), found.draw(8, seed=1, always=[29])
    assert one.ids == other.ids
    assert "s29:1" in one.ids
    assert one.data.units.sentence.tolist() == sorted(one.data.units.sentence.tolist())
    assert found.draw(30, seed=1) is found


def test_rows_are_found_by_place_whatever_the_order_of_the_store() -> None:
    corpus = labelled(["a b c d", "e", "f g"], [["_"] * 4, ["_"], ["_"] * 2])
    acts = planted(corpus, lambda layer, s, w: np.array([s, w]))
    sentence, word = np.array([2, 0, 1]), np.array([1, 3, 0])
    assert acts.gather(1, rows_of(acts, sentence, word)).tolist() == [[2, 1], [0, 3], [1, 0]]


def test_words_without_a_vector_have_no_row() -> None:
    corpus = pk.Corpus([pk.Sentence.from_text("s", "a " * 80)])
    from tests.tiny_models import tiny_model

    acts = pk.extract(tiny_model("bert"), corpus)
    rows = rows_of(acts, np.zeros(80, dtype=int), np.arange(80))
    assert (rows[:50] >= 0).all()
    assert rows[-1] == -1


def test_shares_of_nothing_and_all_are_not_certain() -> None:
    whole = share_of(np.ones(6), np.array([0, 0, 1, 1, 2, 2]), 50)
    assert whole["low"] == pytest.approx(0.025 ** (1 / 3))
    assert "exact" in whole["interval"]
    half = share_of(np.array([1.0, 0, 1, 0]), np.arange(4), 50, "target words")
    assert half["value"] == 0.5
    assert "bootstrap over target words" in half["interval"]
    assert share_of(np.ones(3), np.zeros(3, dtype=int), 50)["interval"] == ""


def test_context_and_layers() -> None:
    assert in_context(list("abcde"), 0, around=1) == "[a] b …"
    assert in_context(list("abc"), 2) == "a b [c]"
    acts = planted(labelled(["a"], [["x"]]), lambda layer, s, w: np.ones(2))
    assert layers_of(acts, [2, "0"]) == ("0", "2")
    with pytest.raises(ConfigError, match="no layer was asked for"):
        layers_of(acts, [])
