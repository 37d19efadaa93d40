"""Links: from a word to its head, from a head to dependents, from one numbered word to others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probekit as pk
from probekit.attention.links import Links, attribute_links, relation_links, relation_names, relations_links
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError

HEADS = "2 3 0 3 6 4 3"
RELATIONS = "det nsubj root obl:tmod det obl nsubj"


@pytest.fixture
def corpus() -> Corpus:
    columns = {"head": HEADS.split(), "deprel": RELATIONS.split()}
    bare = Sentence.from_words("bare", ["no", "annotation"])
    gaps = Sentence.from_words("gaps", ["a", "b"], columns={"head": ["_", "1"], "deprel": ["_", "_"]})
    return Corpus(
        [bare, Sentence.from_words("s", ["a", "b", "c", "d", "e", "f", "g"], columns=columns), gaps], "c"
    )


def test_from_the_dependent_there_is_one_target(corpus: Corpus) -> None:
    links = relation_links(corpus, "nsubj")
    assert links.sentence.tolist() == [1, 1]
    assert links.source.tolist() == [1, 6]
    assert links.target.tolist() == [2, 2]
    assert links.nearest.tolist() == [1, -4]


def test_from_the_head_any_dependent_is_right(corpus: Corpus) -> None:
    links = relation_links(corpus, "nsubj", "head")
    assert links.source.tolist() == [2]
    assert links.target.tolist() == [1, 6]
    assert links.hits(np.array([[1], [6], [3], [-1]])).ravel().tolist() == [True, True, False, False]
    assert links.nearest.tolist() == [-1]


def test_roots_and_words_without_annotation_are_no_links(corpus: Corpus) -> None:
    assert relation_names(corpus) == {"det": 2, "nsubj": 2, "obl:tmod": 1, "obl": 1}
    assert len(relation_links(corpus, "all")) == 6
    assert len(relation_links(corpus, "obl")) == 1  # a subtype is a relation of its own


def test_several_relations_at_once_are_those_one_by_one(corpus: Corpus) -> None:
    together = relations_links(corpus, ["all", "det"], ["dependent", "head"])
    for links in together:
        alone = relation_links(corpus, links.name, links.direction)
        assert links.source.tolist() == alone.source.tolist()
        assert links.target.tolist() == alone.target.tolist()


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), min_size=1, max_size=8))
def test_hits_are_membership(targets: list[list[int]]) -> None:
    links = Links.of("x", "", [(number, 10, found) for number, found in enumerate(targets)])
    for position in range(-1, 12):
        assert (
            links.hits(np.full((2, len(links)), position)).tolist() == [[position in t for t in targets]] * 2
        )


def test_links_and_targets_can_be_left_out() -> None:
    links = Links.of("x", "", [(0, 0, [1, 2]), (1, 0, [3]), (2, 0, [4, 5])])
    kept = links.keep(np.array([True, True, False]), np.array([False, True, False, True, True]))
    assert kept.sentence.tolist() == [0]  # the second lost its only target, the third was not wanted
    assert kept.target.tolist() == [2]


@pytest.mark.parametrize(
    ("links", "said"),
    [([(0, 1, [1])], "linked to itself"), ([(0, 1, [])], "without a target")],
)
def test_impossible_links_are_refused(links: list[tuple[int, int, list[int]]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Links.of("x", "", links)


def test_agreement_leads_from_the_verb_to_its_subject() -> None:
    corpus = pk.generate_agreement(20, 2, 2, constructions=["pp"])
    links = attribute_links(corpus, "target", "subject")
    assert links.name == "target-subject"
    for sentence, source, target in zip(links.sentence, links.source, links.target, strict=True):
        columns = corpus[int(sentence)].columns
        assert columns["upos"][target] in ("NOUN", "PRON", "PROPN")
        assert columns["upos"][source] in ("VERB", "AUX")


def numbered(id: str, document: str = "", **attributes: str) -> Sentence:
    return Sentence.from_text(
        id, "Ann thanked Sue because she helped", attributes=attributes, document=document
    )


def test_attributes_number_words_from_one() -> None:
    corpus = Corpus([numbered("0"), numbered("1", "d", a="5", b="3"), numbered("2", "d", a="5", b="1 3")])
    links = attribute_links(corpus, "a", "b", name="mine", cluster="document")
    assert links.sentence.tolist() == [1, 2]
    assert links.source.tolist() == [4, 4]
    assert links.target.tolist() == [2, 0, 2]
    assert len(set(links.cluster.tolist())) == links.n_clusters == 1
    assert attribute_links(corpus, "a", "b").n_clusters == 2


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"a": "7", "b": "1"}, "attribute 'a' must hold word numbers from 1 to 6; got '7'"),
        ({"a": "x", "b": "1"}, "attribute 'a' must hold word numbers"),
        ({"a": "1 2", "b": "3"}, "a link leads from one word to others"),
        ({"a": "1", "b": ""}, "a link leads from one word to others"),
        ({"a": "1", "b": "1 2"}, "a link leads from one word to others"),
        ({"a": "1", "c": "2"}, "has no attribute 'b'"),
    ],
)
def test_attributes_that_number_nothing_are_refused(attributes: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        attribute_links(Corpus([numbered("s", **attributes)]), "a", "b")


def test_unknown_names_are_refused(corpus: Corpus) -> None:
    with pytest.raises(DataError, match="no relation 'nsbj'; did you mean 'nsubj'"):
        relation_links(corpus, "nsbj")
    with pytest.raises(ConfigError, match="no direction 'heads'; did you mean 'head'"):
        relation_links(corpus, "det", "heads")
    with pytest.raises(ConfigError, match="'sentence' or 'document'"):
        attribute_links(corpus, "a", "b", cluster="word")
