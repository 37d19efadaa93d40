"""Derived labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.properties import PROPERTIES, content_words, depths, features, word_content
from probekit.data.sentence import Sentence
from probekit.errors import DataError


def sentence(heads: list[str], **columns: list[str]) -> Sentence:
    return Sentence.from_words("s", [f"w{i}" for i in range(len(heads))], columns={"head": heads, **columns})


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (["2", "0", "2"], [1, 0, 1]),
        (["2", "3", "4", "0"], [3, 2, 1, 0]),
        (["0", "0"], [0, 0]),
        (["2", "1", "0", "1"], [None, None, 0, None]),  # a circle, and a word that hangs on it
        (["1", "0"], [None, 0]),
        (["_", "1", "0"], [None, None, 0]),
    ],
)
def test_depths(heads: list[str], expected: list[int | None]) -> None:
    assert depths(sentence(heads)) == expected


@given(st.data(), st.integers(1, 12))
def test_depths_equal_the_plain_walk(data: st.DataObject, n: int) -> None:
    heads = data.draw(st.lists(st.integers(0, n).map(str), min_size=n, max_size=n))

    def walk(word: int, steps: int) -> int | None:
        if word < 0:
            return steps - 1
        return None if steps > n else walk(int(heads[word]) - 1, steps + 1)

    assert depths(sentence(heads)) == [walk(word, 0) for word in range(n)]


def test_a_chain_of_ten_thousand_words() -> None:
    assert depths(sentence([str(i) for i in range(10_000)]))[-1] == 9_999


def test_others() -> None:
    s = sentence(["2", "0", "2"], deprel=["nsubj:pass", "root", "_"])
    assert PROPERTIES["relation"].of(s) == ["nsubj", "root", None]
    assert PROPERTIES["position"].of(s) == [1.0, 2.0, 3.0]
    assert PROPERTIES["relative_position"].of(s) == [0.0, 0.5, 1.0]
    assert PROPERTIES["relative_position"].of(sentence(["0"])) == [None]
    assert PROPERTIES["sentence_length"].of(s) == [3.0]
    assert PROPERTIES["tree_depth"].of(s) == [1.0]
    assert PROPERTIES["tree_depth"].of(sentence(["1"])) == [None]
    assert features("A=1,2|B=x=y") == {"A": "1,2", "B": "x=y"}


def test_word_content() -> None:
    texts = ["The cat ran .", "the the dog", "A cat and the dog", "the end"]
    train = [Sentence.from_text(str(i), text) for i, text in enumerate(texts)]
    # by sentences: the 4, cat 2, dog 2, then a, and, end, ran; "the the" counts once, punctuation never
    assert content_words(train, words=2, skip=1) == {"cat", "dog"}
    assert [word_content(s, frozenset({"cat", "dog"})) for s in train] == ["cat", "dog", None, None]
    with pytest.raises(DataError, match="rank 6 to 10 of train, which has 7"):
        content_words(train, words=5, skip=5)
