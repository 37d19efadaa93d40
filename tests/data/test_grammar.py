"""The generated English: valid trees, right spelling, agreement, no text twice, always the same."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from probekit.data.controls import word_identity_predictions
from probekit.data.corpus import Corpus
from probekit.data.grammar import Grammar, english, generate_corpus
from probekit.data.inflect import inflect
from probekit.data.properties import depths, features
from probekit.data.read_conllu import read_conllu
from probekit.data.sentence import Sentence
from probekit.data.task import load_task
from probekit.data.write_conllu import write_conllu
from probekit.errors import ConfigError, DataError

UPOS = {
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "VERB",
}
DEPREL = {
    "acl:relcl",
    "advcl",
    "advmod",
    "amod",
    "aux",
    "aux:pass",
    "case",
    "cc",
    "ccomp",
    "compound",
    "conj",
    "cop",
    "det",
    "discourse",
    "expl",
    "flat",
    "iobj",
    "mark",
    "nmod",
    "nmod:poss",
    "nsubj",
    "nsubj:pass",
    "nummod",
    "obj",
    "obl",
    "punct",
    "root",
    "xcomp",
}
CONTRACTING = {
    "do",
    "does",
    "did",
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "had",
    "could",
    "should",
    "would",
    "must",
}
LEAVES = {"DET", "PUNCT", "AUX", "CCONJ", "SCONJ", "ADP", "PART"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate_corpus()


def test_sizes_documents_and_ids(corpus: Corpus) -> None:
    assert corpus.sizes == {"train": 1600, "dev": 300, "test": 400}
    assert Counter(Counter(s.document for s in corpus).values()) == {10: 230}
    assert corpus[0].id == "train-001-01"


def test_no_text_twice(corpus: Corpus) -> None:
    assert len({s.text for s in corpus}) == len(corpus)
    assert set(corpus.overlap().counts.values()) == {0}


def test_the_same_arguments_give_the_same_corpus(corpus: Corpus) -> None:
    assert generate_corpus().hash == corpus.hash
    assert corpus.hash == "2aec7eb1e51513b2ecdd51868bce820828865701e3073cf5f5a7f6d990306c84"  # as ever
    assert generate_corpus(5, 2, 2, seed=1).hash != generate_corpus(5, 2, 2, seed=0).hash
    # more sentences come after the same beginning
    assert [s.text for s in generate_corpus(20, 0, 0)] == [s.text for s in corpus][:20]


def test_trees_are_valid(corpus: Corpus) -> None:
    for sentence in corpus:
        heads, relations = sentence.columns["head"], sentence.columns["deprel"]
        assert [h == "0" for h in heads] == [r == "root" for r in relations], sentence.text
        assert heads.count("0") == 1
        assert None not in depths(sentence)
        assert set(relations) <= DEPREL
        assert set(sentence.columns["upos"]) <= UPOS
        for head in heads:
            if head != "0":
                assert sentence.columns["upos"][int(head) - 1] not in LEAVES, sentence.text


def test_spelling(corpus: Corpus) -> None:
    for sentence in corpus:
        text = sentence.text
        assert text[0].isupper() or text[0].isdigit()
        assert text[-1] in ".?"
        assert "  " not in text
        for word, (start, stop) in zip(sentence.words, sentence.offsets, strict=True):
            surface = text[start:stop]
            assert surface == word or (surface.endswith(word) or surface.startswith(word)), text
        for word, following in zip(sentence.words, sentence.words[1:], strict=False):
            if word.lower() in ("a", "an"):
                vowel = (
                    following[0] in "aeiou" and following not in ("useful", "university")
                ) or following in ("hour", "honest")
                assert (word.lower() == "an") == vowel, text
            if following == "n't":
                assert word.lower() in CONTRACTING, text
            if following == "'":
                assert word.endswith("s"), text


def agreements(sentence: Sentence) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Features of each third-person noun subject and of the finite verb that must agree with it."""
    c = sentence.columns
    found = []
    for i, relation in enumerate(c["deprel"]):
        if not relation.startswith("nsubj") or c["upos"][i] != "NOUN" or "conj" in _children(sentence, i):
            continue
        verb = int(c["head"][i]) - 1
        parts = [verb] + [
            j for j, h in enumerate(c["head"]) if h == str(verb + 1) and c["deprel"][j][:3] in ("aux", "cop")
        ]
        found += [
            (features(c["feats"][i]), features(c["feats"][j]))
            for j in parts
            if "Number" in c["feats"][j] and c["upos"][j] in ("VERB", "AUX")
        ]
    return found


def _children(sentence: Sentence, word: int) -> set[str]:
    return {
        r
        for h, r in zip(sentence.columns["head"], sentence.columns["deprel"], strict=True)
        if h == str(word + 1)
    }


def test_subjects_and_verbs_agree(corpus: Corpus) -> None:
    pairs = [pair for sentence in corpus for pair in agreements(sentence)]
    assert len(pairs) > 800
    for subject, verb in pairs:
        assert (verb["Number"], verb["Person"]) == (subject["Number"], "3")


def test_there_is_every_kind_of_sentence(corpus: Corpus) -> None:
    relations = Counter(r for s in corpus for r in s.columns["deprel"])
    assert min(relations[r] for r in DEPREL) >= 10
    feats = Counter(
        f"{k}={v}" for s in corpus for value in s.columns["feats"] for k, v in features(value).items()
    )
    for value in ("Person=1", "Person=2", "Tense=Past", "VerbForm=Inf", "VerbForm=Part", "Mood=Imp", "Voice=Pass",
                  "Degree=Cmp", "Degree=Sup", "PronType=Rel", "PronType=Int", "Case=Acc", "Case=Gen"):  # fmt: skip
        assert feats[value] >= 20, value
    contracted = sum(word == "n't" or word.startswith("'") for s in corpus for word in s.words)
    assert contracted > 100


def test_a_word_alone_does_not_tell_its_part_of_speech(corpus: Corpus) -> None:
    units = load_task("upos").units(corpus)
    right = word_identity_predictions(units) == units.labels
    test = units.split == "test"
    assert 0.9 < np.mean(right[test]) < 0.97
    forms = Counter(
        form for form, _ in {(t.lower(), label) for t, label in zip(units.types, units.labels, strict=True)}
    )
    assert {"walk", "light", "plays", "that", "like", "before", "has"} <= {
        form for form, n in forms.items() if n > 1
    }


def test_round_trip_through_conllu(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("english")
    for split in corpus.splits:
        write_conllu(corpus.split(split), folder / f"english-{split}.conllu")
    again = read_conllu([folder / f"english-{split}.conllu" for split in corpus.splits])
    assert again.hash == corpus.hash


@pytest.mark.parametrize("name", ["upos", "xpos", "number", "tense", "person", "verbform", "deprel", "dependency_depth",
                                  "position", "sentence_length", "word_content"])  # fmt: skip
def test_built_in_tasks_find_units_in_every_split(corpus: Corpus, name: str) -> None:
    units = load_task(name).units(corpus)
    assert {split: int((units.split == split).sum()) > 50 for split in corpus.splits} == dict.fromkeys(
        corpus.splits, True
    )


@pytest.mark.parametrize(
    ("word", "paradigm", "forms"),
    [
        ("box", "noun", "box boxes"), ("city", "noun", "city cities"), ("play", "noun", "play plays"),
        ("knife/knives", "noun", "knife knives"), ("watch", "verb", "watch watches watched watched watching"),
        ("study", "verb", "study studies studied studied studying"), ("move", "verb", "move moves moved moved moving"),
        ("agree", "verb", "agree agrees agreed agreed agreeing"),
        ("plan//planned/planned/planning", "verb", "plan plans planned planned planning"),
        ("buy//bought/bought/", "verb", "buy buys bought bought buying"),
        ("old/older/oldest", "most", "old older oldest"), ("happy", "adjective", "happy"),
    ],
)  # fmt: skip
def test_inflection(word: str, paradigm: str, forms: str) -> None:
    assert inflect(word, paradigm) == tuple(forms.split())


def test_a_broken_grammar_says_so() -> None:
    table = {"start": "S", "draw": {}, "spelling": {}, "paradigms": {}, "open": {}, "closed": {}}
    with pytest.raises(DataError, match="rule S uses 'X', which is neither"):
        Grammar(table | {"rules": {"S": ["1 *X"]}})
    with pytest.raises(DataError, match="not exactly one head"):
        Grammar(table | {"rules": {"S": ["1 a:X"]}})
    with pytest.raises(DataError, match="is not 'relation:category"):
        Grammar(table | {"rules": {"S": ["1 *X("]}})
    with pytest.raises(ConfigError, match="cannot be generated"):
        generate_corpus(0, 0, 0)
    assert english() is english()
