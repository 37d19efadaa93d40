"""Sentences: words are where their offsets say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.sentence import Sentence
from probekit.errors import DataError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT)
def test_words_of_text_are_where_offsets_say(text: str) -> None:
    sentence = Sentence.from_text("s", text)
    assert sentence.text == text
    assert tuple(text[a:b] for a, b in sentence.offsets) == sentence.words == tuple(text.split())


@given(st.lists(st.text(min_size=1, max_size=8), max_size=8))
def test_given_words_are_where_offsets_say(words: list[str]) -> None:
    sentence = Sentence.from_words("s", words)
    assert [sentence.text[a:b] for a, b in sentence.offsets] == words
    assert sentence.text == " ".join(words)


def test_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Sentence.from_text("s", "a b").text = "c"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("offsets", "columns", "message"),
    [
        (((0, 4),), {}, "2 words but 1 offsets"),
        (((0, 4), (5, 9)), {"upos": ("NOUN",)}, "1 values in column 'upos'"),
        (((0, 4), (5, 99)), {}, "span 5:99 lies outside the text of 9 characters"),
        (((0, 4), (7, 5)), {}, "span 7:5"),
    ],
)
def test_refuses_what_does_not_fit(
    offsets: tuple[tuple[int, int], ...], columns: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as problem:
        Sentence("s", ("Keys", "rust"), "Keys rust", offsets, columns, place="file.txt:3")
    assert "file.txt:3" in str(problem.value)


def test_place_is_no_part_of_equality() -> None:
    assert Sentence.from_text("s", "a", place="x:1") == Sentence.from_text("s", "a", place="y:2")
