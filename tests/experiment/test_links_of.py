"""Links between words that attributes number, moved by words where asked."""

from __future__ import annotations

import pytest

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import DataError
from probekit.experiment.links_of import links_of


def corpus(*attributes: dict[str, str]) -> Corpus:
    words = ("the", "dog", "near", "cats", "barks")
    return Corpus(
        [
            Sentence.from_words(str(n), words, attributes=one, split="test")
            for n, one in enumerate(attributes)
        ],
        "small",
    )


def test_places_are_counted_from_one_and_may_be_moved() -> None:
    found = corpus({"target": "5", "subject": "2"})
    for places, source, aim in [
        (["target", "subject"], 4, 1),
        (["target-1", "subject"], 3, 1),
        (["subject+1", "target"], 2, 4),
    ]:
        links = links_of(found, "x", places)
        assert (links.source.tolist(), links.target.tolist()) == ([source], [aim])


def test_sentences_without_both_words_apart_have_no_link() -> None:
    found = corpus(
        {"target": "3", "subject": "2"},  # the word before the target is the subject
        {"target": "1", "subject": "2"},  # there is no word before
        {"target": "4"},
        {"target": "5", "subject": "2 4"},  # two words are no number
        {"target": "5", "subject": "2"},
    )
    links = links_of(found, "x", ["target-1", "subject"])
    assert links.sentence.tolist() == [4]


def test_what_is_wrong_is_told() -> None:
    found = corpus({"target": "3", "subject": "2"})
    with pytest.raises(DataError, match=r"no attribute 'subjekt'; did you mean 'subject'"):
        links_of(found, "x", ["target", "subjekt"])
    with pytest.raises(
        DataError, match="link 'x': no sentence of 'small' has both target-1 and subject apart"
    ):
        links_of(found, "x", ["target-1", "subject"])
