"""The two tasks over verbs of the agreement language: a verb's number, and what is of no consequence for it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator

import pytest

from probekit.data.agreement import generate_agreement
from probekit.data.catalogue import probes_folder
from probekit.data.corpus import Corpus
from probekit.data.properties import features
from probekit.data.sentence import Sentence
from probekit.data.task import load_task
from probekit.data.units import Units


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate_agreement(4000, 400, 1000, seed=2)


@pytest.fixture(scope="module")
def lexicon() -> dict[str, dict[str, object]]:
    """Class of words -> kind -> their lemmas as they are listed, from the grammar's file."""
    with (probes_folder() / "lexicons" / "agreement.toml").open("rb") as file:
        opened = tomllib.load(file)["open"]
    return {name: given["words"] for name, given in opened.items() if isinstance(given["words"], dict)}


def kinds(lexicon: dict[str, dict[str, str]], *classes: str) -> dict[str, str]:
    """Lemma -> person or other."""
    return {
        word.partition("/")[0]: "person" if kind == "Person" else "other"
        for name in classes
        for kind, words in lexicon[name].items()
        for word in words.split()
    }


def subject_of(sentence: Sentence, verb: int) -> int:
    """The noun that is the subject of a verb or auxiliary, by the tree."""
    columns = sentence.columns
    predicate = verb
    while columns["deprel"][predicate] in ("aux", "cop", "conj"):
        predicate = int(columns["head"][predicate]) - 1
    [subject] = [
        i
        for i, relation in enumerate(columns["deprel"])
        if relation == "nsubj" and int(columns["head"][i]) - 1 == predicate
    ]
    relative = columns["upos"][subject] == "PRON"
    return int(columns["head"][predicate]) - 1 if relative else subject


def pairs(units: Units, corpus: Corpus) -> Iterator[tuple[str, Sentence, int, int]]:
    """Label, sentence, verb, subject."""
    for label, number, verb in zip(units.labels, units.sentence, units.word, strict=True):
        sentence = corpus[int(number)]
        yield str(label), sentence, int(verb), subject_of(sentence, int(verb))


def number(sentence: Sentence, word: int) -> str:
    return features(sentence.columns["feats"][word])["Number"]


def test_the_number_of_a_verb_is_its_subjects(corpus: Corpus) -> None:
    units = load_task("verb_number").units(corpus)
    for label, sentence, _, subject in pairs(units, corpus):
        assert label == number(sentence, subject), sentence.text
    assert dict(units.left_out) == {}
    finite = sum("VerbForm=Fin" in feats for s in corpus for feats in s.columns["feats"])
    modal = sum(tag == "MD" for s in corpus for tag in s.columns["xpos"])
    assert len(units) == finite - modal > 5000
    share = Counter(units.labels.tolist())["Sing"] / len(units)
    assert 0.47 < share < 0.53


def test_the_kind_of_a_verbs_subject_is_that_of_the_noun(
    corpus: Corpus, lexicon: dict[str, dict[str, str]]
) -> None:
    task = load_task("subject_kind")
    verbs, nouns = kinds(lexicon, "iv", "tv", "pv", "av"), kinds(lexicon, "noun")
    assert dict(task.names) == verbs
    units = task.units(corpus)
    for label, sentence, verb, subject in pairs(units, corpus):
        assert label == nouns[sentence.columns["lemma"][subject]], sentence.text
        assert subject < verb  # it can be told before the verb is read
    finite = sum(
        upos == "VERB" and "VerbForm=Fin" in feats
        for s in corpus
        for upos, feats in zip(s.columns["upos"], s.columns["feats"], strict=True)
    )
    assert len(units) == finite


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("where", ["every verb", "the agreeing word"])
def test_kind_and_number_are_about_equally_frequent_and_independent(
    corpus: Corpus, split: str, where: str
) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for label, sentence, verb, _ in pairs(load_task("subject_kind").units(corpus).select(split), corpus):
        if where == "every verb" or verb == int(sentence.attributes["target"]) - 1:
            counts[label, number(sentence, verb)] += 1
    total = counts.total()
    persons = (counts["person", "Sing"] + counts["person", "Plur"]) / total
    assert 0.4 < persons < 0.6
    singular = (counts["person", "Sing"] + counts["other", "Sing"]) / total
    # of four cells as independence would have them, none is off by more than four standard errors
    for (kind, one), n in counts.items():
        expected = (persons if kind == "person" else 1 - persons) * (
            singular if one == "Sing" else 1 - singular
        )
        assert abs(n / total - expected) < 4 * (expected * (1 - expected) / total) ** 0.5
    # and number is told by kind in no more than a few cases in a hundred
    better = sum(max(counts[kind, "Sing"], counts[kind, "Plur"]) for kind in ("person", "other")) / total
    assert better - max(singular, 1 - singular) < 0.05
