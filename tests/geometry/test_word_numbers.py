"""Depth of brackets and other numbers of words; labels made by a function."""

from __future__ import annotations

import pytest

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.task import load_task
from probekit.errors import ConfigError, DataError
from probekit.geometry.word_numbers import as_task, bracket_depth, inside_quotes


def words(text: str) -> Sentence:
    return Sentence.from_text("s", text, split="dev")


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("a ) b ( c", [0, 0, 0, 1, 1]),  # nothing was open; nothing closes it
        ("( [ ) ] x", [1, 2, 2, 0, 0]),  # the round one closes the square one inside it
        ("((a) b) c", [2, 1, 0]),
        ("“ a ( b ) ” c", [1, 1, 2, 2, 2, 1, 0]),
        ("(a) (b)", [1, 1]),
    ],
)  # fmt: skip
def test_depth_of_brackets(text: str, depth: list[float]) -> None:
    assert bracket_depth(words(text)) == depth


def test_quotes() -> None:
    assert inside_quotes(words('"a b" c "d')) == [1, 1, 0, 1]
    assert inside_quotes(words("a “b c” d")) == [0, 1, 1, 0]


def test_a_function_becomes_a_task_of_its_kind() -> None:
    corpus = Corpus([words("Keys rust ."), Sentence.from_text("t", "I know", split="test")], "two")
    task, labelled = as_task(
        lambda one: [len(word) if word.isalpha() else None for word in one.words], corpus
    )
    assert (task.kind, task.unit) == ("number", "word")
    assert labelled[0].columns[task.label] == ("4.0", "4.0", "_")
    task, _ = as_task(lambda one: [word[0] for word in one.words], corpus)
    assert task.kind == "classes"
    assert as_task("upos", corpus)[0] == load_task("upos")
    assert as_task("bracket_depth", corpus)[0].name == "bracket_depth"


def test_what_is_no_label() -> None:
    corpus = Corpus([words("a b")])
    with pytest.raises(DataError, match="gives 1 values for 2 words"):
        as_task(lambda one: [1], corpus)
    with pytest.raises(ConfigError, match="a label is a task, its name, or a function"):
        as_task(3, corpus)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean 'upos'"):
        as_task("upso", corpus)
