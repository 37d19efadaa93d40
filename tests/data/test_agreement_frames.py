"""The agreement grammar's lexicon and frames: closed, unambiguous, selecting; nonce words break selection only."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from probekit.data.agreement_frames import Frames, frames, links, objects, split_of, subjects
from probekit.data.catalogue import probes_folder
from probekit.data.grammar import Leaf, Node
from probekit.errors import DataError

AGREEING = ("simple", "pp", "src", "orc", "mixed", "coordination", "question")


def table() -> dict[str, object]:
    import tomllib

    return tomllib.loads((probes_folder() / "lexicons" / "agreement.toml").read_text("utf-8"))


def test_the_lexicon_is_small_and_unambiguous() -> None:
    grammar = frames()
    assert 225 <= len(grammar.vocabulary) <= 250
    tags: dict[str, set[str]] = defaultdict(set)
    for words in grammar.grammar.words.values():
        for entry in (entry for word in words for entry in word):
            tags[entry.leaf.form].add(entry.leaf.upos)
    assert [form for form, upos in tags.items() if len(upos) > 1] == []
    nouns = {word[0].leaf.lemma for word in grammar.grammar.words["noun"]}
    verbs = {word[0].leaf.lemma for name in ("iv", "tv", "pv", "av") for word in grammar.grammar.words[name]}
    assert (50 <= len(nouns) <= 70, 30 <= len(verbs) <= 45) == (True, True)
    assert frames() is grammar


def test_a_lemma_in_two_classes_is_refused() -> None:
    given = table()
    given["open"]["tv"]["words"]["Person"] += " laugh"  # type: ignore[index]
    with pytest.raises(DataError, match="'laugh' stands in two classes"):
        Frames(given)  # type: ignore[arg-type]


def test_links() -> None:
    assert links("PP", 0) == ((),)
    assert links("ORC", 4) == (("ORC", "PP", "PP", "PP"),)
    for attractors in (2, 3, 4):
        mixed = links("MIXED", attractors)
        assert len(set(mixed)) == len(mixed) > 4
        for one in mixed:
            assert set(one) - {"PP"}
            assert one.count("ORC") < 2
            assert set(one[1:]) != {"PP"}  # these are src, orc or pp
    assert {one[0] for one in links("ANY", 2)} == {"PP", "SRC", "ORC"}


def test_hash_rule() -> None:
    """The split of a pair never changes: a model trained yesterday has not seen today's suite."""
    assert [split_of("boy", verb) for verb in ("laugh", "smile", "work", "wait", "sing", "talk")] == [
        "train",
        "test",
        "test",
        "train",
        "train",
        "train",
    ]
    shares = Counter(split_of(f"noun{i}", f"verb{i % 41}") for i in range(4000))
    assert 0.67 < shares["train"] / 4000 < 0.73
    assert 0.17 < shares["test"] / 4000 < 0.23


@pytest.mark.parametrize("name", AGREEING)
def test_drawn_sentences_keep_selection_and_nonce_ones_break_it(name: str) -> None:
    grammar, generator = frames(), random.Random(1)
    kinds = {
        word[0].leaf.lemma: kind
        for kind in ("Person", "Animal", "Thing")
        for group in ("noun", "iv", "tv", "pv", "av", "padj")
        for word in grammar.grammar.words[group]
        if ("kind", kind) in word[0].conditions
    }
    taken = {"tv": "Thing", "pv": "Person", "av": "Animal"}
    wants = {
        word[0].leaf.lemma: kind for group, kind in taken.items() for word in grammar.grammar.words[group]
    }
    attractors = {"simple": 0}.get(name, 3)
    for number in range(60):
        numbers = ("Plur",) + ("Sing",) * attractors if number % 2 else ("Sing",) + ("Plur",) * attractors
        natural = grammar.draw(name, numbers, generator)
        assert all(kinds[noun] == kinds[predicate] for noun, predicate in subjects(natural.nodes))
        assert all(kinds[noun] == wants[verb] for noun, verb in objects(natural.nodes))
        nonce = grammar.nonce(natural, generator)
        assert all(kinds[noun] != kinds[predicate] for noun, predicate in subjects(nonce.nodes)), nonce.words
        assert all(kinds[noun] != wants[verb] for noun, verb in objects(nonce.nodes)), nonce.words
        assert not any(grammar.selects(*pair) for pair in subjects(nonce.nodes))
        for old, new in zip(natural.nodes, nonce.nodes, strict=True):
            assert (old.head, old.deprel, old.feats, old.leaf.xpos) == (
                new.head,
                new.deprel,
                new.feats,
                new.leaf.xpos,
            )
            content = old.leaf.upos in ("NOUN", "VERB") or (old.leaf.upos == "ADJ" and old.leaf.form != "few")
            assert (old.leaf.lemma != new.leaf.lemma) == content
        assert (nonce.subject, nonce.target, nonce.numbers) == (
            natural.subject,
            natural.target,
            natural.numbers,
        )


def node(form: str, upos: str, head: int, deprel: str, feats: str = "_") -> Node:
    return Node(Leaf(form, form, upos, "X", feats), feats, head, deprel)


def test_subjects_and_objects_are_read_through_relative_pronouns_and_coordination() -> None:
    nodes = [
        node("boys", "NOUN", 5, "nsubj"),
        node("that", "PRON", 4, "obj"),
        node("the", "DET", 3, "det"),
        node("king", "NOUN", 4, "nsubj"),
        node("helps", "VERB", 0, "acl:relcl"),
        node("laugh", "VERB", -1, "root"),
        node("and", "CCONJ", 7, "cc"),
        node("trust", "VERB", 5, "conj"),
        node("themselves", "PRON", 7, "obj", "Reflex=Yes"),
    ]
    assert sorted(subjects(nodes)) == [("boys", "laugh"), ("boys", "trust"), ("king", "helps")]
    assert list(objects(nodes)) == [("boys", "helps")]


def test_number_patterns_are_obeyed_by_every_construction() -> None:
    grammar, generator = frames(), random.Random(2)
    for name, construction in grammar.constructions.items():
        for attractors in range(construction.attractors, 5 if construction.links else 1):
            for _ in range(10):
                numbers = tuple(("Sing", "Plur")[generator.random() < 0.5] for _ in range(attractors + 1))
                drawn = grammar.draw(name, numbers, generator, licensed=True)
                nouns = [n for n in drawn.nodes[drawn.subject :] if n.leaf.upos == "NOUN"][: attractors + 1]
                assert [f"Number={number}" for number in numbers] == [n.feats for n in nouns], drawn.words
                bad = grammar.ungrammatical(drawn)
                assert len(bad) == len(drawn.words)
                assert bad != drawn.words
