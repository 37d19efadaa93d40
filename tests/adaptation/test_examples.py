"""Texts, pairs and words told apart, and labels as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.adaptation.examples import Target, flat_labels, nested, read_examples
from probekit.errors import ConfigError, DataError


def test_units_are_told_apart() -> None:
    assert read_examples(["a b"]).unit == "sentence"
    assert read_examples([("a", "b")], ["x"]).unit == "pair"
    assert read_examples([("a", "b")], [["X", "Y"]]).unit == "word"
    assert read_examples([["a", "b", "c"]]).unit == "word"
    assert read_examples(np.array(["a", "b"])).texts == ("a", "b")


@pytest.mark.parametrize(
    ("X", "unit", "line"),
    [
        ("a text", None, "texts are a list; got one text"),
        ([], None, "no texts were given"),
        (["a", 3], None, "example 1: a text expected, got int"),
        (["a", "  "], None, "example 1 is an empty text"),
        ([("a", "b"), ("a",)], "pair", "example 1: a pair has two texts; got 1"),
        ([["a", ""]], "word", "example 0 has an empty word, or none"),
        ([["a"], []], "word", "example 1 has an empty word, or none"),
        (["a"], "pair", "example 0: a pair of texts expected, got str"),
        ([["a", 1]], "word", "example 0: all parts must be str"),
    ],
)
def test_what_is_no_text_is_named(X: Any, unit: str | None, line: str) -> None:
    with pytest.raises(DataError, match=line):
        read_examples(X, unit=unit)


def test_an_unknown_unit_or_target() -> None:
    with pytest.raises(ConfigError, match="unknown unit 'words'; did you mean 'word'"):
        read_examples(["a"], unit="words")
    with pytest.raises(ConfigError, match="unknown target 'class'; did you mean 'classes'"):
        Target.of(["a"], read_examples(["a"]), "class")


def test_floats_are_numbers_and_whole_numbers_are_classes() -> None:
    examples = read_examples(["a", "b", "c"])
    assert Target.of([0.5, 1.0, 2.0], examples).numeric
    assert Target.of([1, 2, 1], examples).classes is not None
    assert Target.of([1, 2, 1], examples, "number").numeric
    assert Target.of([1.0, 2.0, 1.0], examples, "classes").outputs == 2
    with pytest.raises(DataError, match="numbers to predict must be finite"):
        Target.of([0.5, float("nan"), 1.0], examples)
    with pytest.raises(DataError, match="numbers to predict must be finite; got"):
        Target.of(["a", "b", "c"], examples, "number")


def test_a_label_of_another_type_is_said() -> None:
    examples = read_examples(["a", "b"])
    with pytest.raises(DataError, match="labels such as 1, where training had 'x'"):
        Target.of(["x", "y"], examples).encode([1, 2], examples)
    with pytest.raises(DataError, match="numbers are predicted; got labels such as 'x'"):
        Target(None).encode(["x", "y"], examples)


@given(st.lists(st.sampled_from(["a", "b", "zz"]), min_size=1, max_size=20))
def test_codes_are_the_place_among_classes_and_minus_1_for_the_unseen(labels: list[str]) -> None:
    target = Target(np.array(["a", "zz"]))
    codes = target.encode(labels, read_examples(["text"] * len(labels)))
    assert codes.tolist() == [{"a": 0, "zz": 1, "b": -1}[label] for label in labels]


def test_labels_of_words_lie_one_after_the_other_and_go_back() -> None:
    examples = read_examples([["a"], ["b", "c", "d"], ["e", "f"]], [["x"], ["y", "y", "x"], ["x", "y"]])
    flat = flat_labels([["x"], ["y", "y", "x"], ["x", "y"]], examples)
    assert flat.tolist() == ["x", "y", "y", "x", "x", "y"]
    assert [part.tolist() for part in nested(flat, examples)] == [["x"], ["y", "y", "x"], ["x", "y"]]
    with pytest.raises(DataError, match="example 1 has 3 words; its labels are"):
        flat_labels([["x"], ["y", "y"], ["x", "y"]], examples)
