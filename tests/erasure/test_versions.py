"""Texts without one of their words: what remains, and where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.sentence import Sentence
from probekit.erasure.versions import GONE, Version, as_sentences, deletions, erasable, touches, without_word
from probekit.errors import DataError


def version(text: str, place: tuple[int, int] | None = None) -> Version:
    return Version(0, text, Sentence.from_text("s", text).offsets, place)


@pytest.mark.parametrize(
    ("text", "word", "kept"),
    [
        ("the old cat", 1, "the cat"),
        ("the old cat", 0, "old cat"),
        ("the old cat", 2, "the old"),
        ("the  old   cat", 1, "the   cat"),
        (" the cat", 0, "cat"),
        ("cat", 0, ""),
        ("猫 が", 1, "猫"),
    ],
)
def test_the_space_in_front_goes_with_the_word(text: str, word: int, kept: str) -> None:
    assert without_word(version(text), word).text == kept


def test_a_word_inside_a_written_word_leaves_the_rest_in_place() -> None:
    whole = Version(0, "I don't go.", ((0, 1), (2, 4), (4, 7), (8, 10), (10, 11)))
    assert without_word(whole, 2).text == "I do go."
    assert without_word(whole, 3).text == "I don't."


@given(st.lists(st.text(alphabet="abcñ猫", min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_the_other_words_are_where_they_are_said_to_be(words: list[str], data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.sampled_from([" ", "  ", "\n"]), min_size=len(words), max_size=len(words)))
    text = "".join(w + g for w, g in zip(words, gaps, strict=True))
    whole = version(text)
    for number in range(len(words)):
        left = without_word(whole, number)
        assert left.words[number] == GONE
        found = [left.text[a:b] for i, (a, b) in enumerate(left.words) if i != number]
        assert found == [w for i, w in enumerate(words) if i != number]
        assert left.text.split() == found


def test_the_place_moves_with_the_text_and_is_never_left_out() -> None:
    whole = version("the keys ___ here", (9, 12))
    assert erasable(whole) == [0, 1, 3]
    for _, word, left in deletions([whole]):
        assert word != 2
        a, b = left.place or (0, 0)
        assert left.text[a:b] == "___"


def test_touching_is_sharing_a_character() -> None:
    assert not touches((0, 3), (3, 5))
    assert not touches((3, 5), (0, 3))
    assert touches((0, 4), (3, 5))


@pytest.mark.parametrize("texts", [[], ["fine", 3]])
def test_what_is_no_text_is_refused(texts: list[object]) -> None:
    with pytest.raises(DataError):
        as_sentences(texts)  # type: ignore[arg-type]
