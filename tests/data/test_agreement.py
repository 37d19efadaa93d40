"""The agreement corpus: valid trees, right agreement, held-out combinations, and n-gram cues as promised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from probekit.data.agreement import NUMBERS, generate_agreement, number_patterns
from probekit.data.agreement_frames import frames, split_of
from probekit.data.corpus import Corpus
from probekit.data.properties import depths, features
from probekit.data.read_conllu import read_conllu
from probekit.data.sentence import Sentence
from probekit.data.task import load_task
from probekit.data.write_conllu import write_conllu
from probekit.errors import ConfigError, DataError

EVERY = ("simple", "pp", "src", "orc", "mixed", "coordination", "reflexive", "polarity", "question")
DEPREL = {
    "acl:relcl", "advmod", "amod", "aux", "case", "cc", "conj", "cop", "det", "nmod", "nsubj", "obj", "obl", "punct",
    "root",
}  # fmt: skip
LEAVES = {"DET", "PUNCT", "AUX", "CCONJ", "ADP", "ADV"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Every construction often, with up to four attractors."""
    return generate_agreement(
        3000, 300, 600, attractors=(0, 1, 2, 3, 4), constructions=dict.fromkeys(EVERY, 1.0), seed=5
    )


@pytest.fixture(scope="module")
def plain() -> Corpus:
    return generate_agreement(4000, 200, 600)


@pytest.fixture(scope="module")
def spurious() -> Corpus:
    return generate_agreement(1500, 300, 300, cue="spurious", constructions=EVERY)


def children(sentence: Sentence, word: int) -> list[int]:
    return [i for i, head in enumerate(sentence.columns["head"]) if int(head) - 1 == word]


def below(sentence: Sentence, word: int) -> list[int]:
    """A word and all under it, in order."""
    return sorted([word, *(i for child in children(sentence, word) for i in below(sentence, child))])


def clauses(sentence: Sentence) -> Iterator[tuple[int, int]]:
    """(noun, predicate) of every subject and predicate, read off the tree alone."""
    c = sentence.columns
    for word, relation in enumerate(c["deprel"]):
        predicate = int(c["head"][word]) - 1
        if relation == "nsubj":
            noun = int(c["head"][predicate]) - 1 if c["upos"][word] == "PRON" else word
            yield noun, predicate
            for other in children(sentence, predicate):
                if c["deprel"][other] == "conj":
                    yield noun, other


def pairs(corpus: Corpus) -> set[tuple[str, str]]:
    return {
        (s.columns["lemma"][noun], s.columns["lemma"][predicate])
        for s in corpus
        for noun, predicate in clauses(s)
    }


def between(sentence: Sentence) -> list[int]:
    """The nouns between subject and target."""
    subject, target = int(sentence.attributes["subject"]) - 1, int(sentence.attributes["target"]) - 1
    return [i for i in range(subject + 1, target) if sentence.columns["upos"][i] == "NOUN"]


def number(sentence: Sentence, word: int) -> str:
    return features(sentence.columns["feats"][word])["Number"]


def test_sizes_and_ids(corpus: Corpus) -> None:
    assert corpus.sizes == {"train": 3000, "dev": 300, "test": 600}
    assert corpus[0].id == "train-00001"
    assert len({s.text for s in corpus}) == len(corpus)
    assert set(corpus.overlap().counts.values()) == {0}
    assert set(Counter(s.attributes["construction"] for s in corpus)) == set(EVERY)


def test_the_text_is_plain_words(corpus: Corpus) -> None:
    known = set(frames().vocabulary)
    for sentence in corpus:
        assert sentence.text == " ".join(sentence.words) == sentence.text.lower()
        assert sentence.words[-1] in (".", "?")
        assert set(sentence.words) <= known
    assert {word for s in corpus for word in s.words} == known


def test_trees_are_valid_and_projective(corpus: Corpus) -> None:
    for sentence in corpus:
        heads, relations = sentence.columns["head"], sentence.columns["deprel"]
        assert [h == "0" for h in heads] == [r == "root" for r in relations], sentence.text
        assert heads.count("0") == 1
        assert None not in depths(sentence)
        assert set(relations) <= DEPREL
        for word, head in enumerate(heads):
            assert head == "0" or sentence.columns["upos"][int(head) - 1] not in LEAVES, sentence.text
            span = below(sentence, word)
            assert span == list(range(span[0], span[-1] + 1)), sentence.text


def test_every_finite_verb_agrees_with_its_subject(corpus: Corpus) -> None:
    seen = 0
    for sentence in corpus:
        for noun, predicate in clauses(sentence):
            helpers = [i for i in children(sentence, predicate) if sentence.columns["upos"][i] == "AUX"]
            finite = [i for i in (*helpers, predicate) if "VerbForm=Fin" in sentence.columns["feats"][i]]
            assert len(finite) == 1, sentence.text
            if sentence.columns["xpos"][finite[0]] == "MD":
                assert sentence.attributes["construction"] == "reflexive"
                continue
            assert number(sentence, finite[0]) == number(sentence, noun), sentence.text
            seen += 1
        for word, value in enumerate(sentence.columns["feats"]):
            if "Reflex=Yes" in value:
                assert number(sentence, word) == sentence.attributes["number"]
    assert seen > 4000


def test_attributes_say_what_the_tree_says(corpus: Corpus) -> None:
    for sentence in corpus:
        given = sentence.attributes
        subject = int(given["subject"]) - 1
        if given["construction"] == "question":
            nouns = [i for i in below(sentence, subject) if sentence.columns["upos"][i] == "NOUN"]
            assert nouns.pop(0) == subject
        else:
            nouns = between(sentence)
        assert str(len(nouns)) == given["attractors"], sentence.text
        assert given["numbers"].split() == [number(sentence, i) for i in (subject, *nouns)], sentence.text
        assert given["number"] == number(sentence, subject)


def test_the_pair_differs_in_the_target_alone(corpus: Corpus) -> None:
    for sentence in corpus:
        given = sentence.attributes
        target, bad = int(given["target"]) - 1, given["pair"].split(" ")
        differing = [(i, a, b) for i, (a, b) in enumerate(zip(sentence.words, bad, strict=True)) if a != b]
        if sentence.words[target] in ("ever", "any"):
            assert differing[0][1] in ("no", "few"), sentence.text
            assert [b for _, _, b in differing] == ["the", "no"][: 1 + (given["attractors"] != "0")]
            assert max(i for i, _, _ in differing) < target
            assert [i for i, _, _ in differing] == sorted(i for i, _, _ in differing)
        else:
            assert [i for i, _, _ in differing] == [target], sentence.text
            forms = set(differing[0][1:])
            assert "themselves" in forms or forms in ({"is", "are"}, {"do", "does"}) or (
                {form.removesuffix("es").removesuffix("s") for form in forms}
                & {sentence.columns["lemma"][target].removesuffix("e"), sentence.columns["lemma"][target]}
            ), sentence.text  # fmt: skip


def test_polarity_items_stand_under_a_negative_subject_only(corpus: Corpus) -> None:
    below_negative = 0
    for sentence in corpus:
        negative = [i for i, word in enumerate(sentence.words) if word in ("no", "few")]
        subject = int(sentence.attributes["subject"]) - 1
        at_subject = [i for i in negative if int(sentence.columns["head"][i]) - 1 == subject]
        if {"ever", "any"} & set(sentence.words):
            assert at_subject, sentence.text
        below_negative += bool(negative and not at_subject)
        assert not negative or sentence.attributes["construction"] == "polarity"
    assert below_negative > 10


def test_no_combination_of_test_is_in_train(corpus: Corpus, plain: Corpus, spurious: Corpus) -> None:
    for one in (corpus, plain, spurious):
        held_out = {tuple(s.attributes["combination"].split()) for s in one.split("test")}
        developed = {tuple(s.attributes["combination"].split()) for s in one.split("dev")}
        assert len(held_out) > 100
        assert not held_out & pairs(one.split("train"))
        assert not held_out & pairs(one.split("dev"))
        assert not developed & pairs(one.split("train"))
        assert held_out <= pairs(one.split("test"))
        assert all(split_of(*pair) == "test" for pair in held_out)
    # ... of any seed
    assert not pairs(generate_agreement(3000, 0, 0, seed=77)) & held_out


def test_every_noun_and_verb_is_learnt_in_both_numbers(plain: Corpus) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for sentence in plain.split("train"):
        for word, upos in enumerate(sentence.columns["upos"]):
            if upos in ("NOUN", "VERB") and "Number=" in sentence.columns["feats"][word]:
                counts[sentence.columns["lemma"][word], number(sentence, word)] += 1
    lemmas = {lemma for lemma, _ in counts}
    assert min(counts[lemma, one] for lemma in lemmas for one in NUMBERS) >= 10


def last_noun_table(corpus: Corpus) -> dict[tuple[str, str], Counter[str]]:
    """(construction, attractors) -> (subject number, number of the last noun before the target) -> sentences."""
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sentence in corpus:
        nouns = between(sentence)
        if nouns and sentence.attributes["construction"] not in ("question", "polarity"):
            cell = sentence.attributes["construction"], sentence.attributes["attractors"]
            table[cell][f"{sentence.attributes['number']} {number(sentence, nouns[-1])}"] += 1
    return table


def test_without_a_cue_the_noun_beside_the_verb_says_nothing(corpus: Corpus, plain: Corpus) -> None:
    for one in (corpus, plain):
        for split in ("train", "dev"):
            for cell, counts in last_noun_table(one.split(split)).items():
                whole = 2 ** (int(cell[1]) + 1)  # patterns in a deck
                shares = [counts[f"{a} {b}"] for a in NUMBERS for b in NUMBERS]
                assert max(shares) - min(shares) <= whole / 4, (
                    cell,
                    counts,
                )  # all but the last deck are complete


def test_in_test_every_attractor_disagrees(corpus: Corpus, plain: Corpus, spurious: Corpus) -> None:
    for one in (corpus, plain, spurious):
        for sentence in one.split("test"):
            first, *others = sentence.attributes["numbers"].split()
            assert first not in others


def test_with_a_spurious_cue_the_noun_beside_the_verb_says_all(spurious: Corpus) -> None:
    for split, agreeing in (("train", True), ("dev", True), ("test", False)):
        for sentence in spurious.split(split):
            first, *others = sentence.attributes["numbers"].split()
            assert all((one == first) == agreeing for one in others)


def bigram_accuracy(corpus: Corpus) -> float:
    """How often the form of the last noun tells the number of the target, learnt from train by counting; half a point
    for a tie, as for a noun never seen there. Test sentences with attractors only."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in corpus.split("train"):
        nouns = [
            i for i in range(int(sentence.attributes["target"]) - 1) if sentence.columns["upos"][i] == "NOUN"
        ]
        counts[sentence.words[nouns[-1]]][sentence.attributes["number"]] += 1
    scores = []
    for sentence in corpus.split("test"):
        nouns = between(sentence)
        if nouns:
            seen = counts[sentence.words[nouns[-1]]]
            gold = sentence.attributes["number"]
            other = NUMBERS[gold == "Sing"]
            scores.append((seen[gold] > seen[other]) + (seen[gold] == seen[other]) / 2)
    return sum(scores) / len(scores)


def test_counting_the_noun_beside_the_verb_is_at_chance_or_worse() -> None:
    frame = ["pp", "src", "orc"]
    fair = generate_agreement(3500, 0, 400, constructions=frame, attractors=(1, 2))
    assert 0.35 < bigram_accuracy(fair) < 0.6
    lured = generate_agreement(1500, 0, 200, constructions=frame, attractors=(1, 2), cue="spurious")
    assert bigram_accuracy(lured) == 0.0
    default = generate_agreement(2500, 0, 300, constructions=["simple", *frame])
    assert bigram_accuracy(default) < 0.4  # sentences without attractors teach the wrong cue


def test_no_word_beside_a_reflexive_tells_its_number() -> None:
    """Neither its verb nor the modal is inflected, and the nouns in reach are dealt evenly."""
    corpus = generate_agreement(1200, 0, 200, constructions=["reflexive"], attractors=(1, 2))
    for one in (corpus.split("train"), corpus.split("test")):
        shares: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in one:
            target = int(sentence.attributes["target"]) - 1
            assert sentence.words[target - 2] in ("will", "can")
            assert sentence.columns["feats"][target - 1] == "VerbForm=Inf"
            shares[sentence.words[target - 1]][sentence.attributes["number"]] += 1
        total = sum(shares.values(), Counter())
        assert abs(total["Sing"] - total["Plur"]) <= 8
        if len(one) > 1000:
            assert all(0.35 < counts["Sing"] / counts.total() < 0.65 for counts in shares.values())


def test_the_same_arguments_give_the_same_corpus(plain: Corpus) -> None:
    pinned = generate_agreement(50, 10, 20, seed=3)
    assert pinned.hash == "1aa8247b87b305c91203723d3291f1c1ea117079106f7ea3be80becba6f83449"
    assert generate_agreement(50, 10, 20, seed=4).hash != pinned.hash
    fewer = generate_agreement(30, 0, 200)
    assert [s.text for s in fewer.split("train")] == [s.text for s in plain.split("train")][:30]
    assert [s.text for s in fewer.split("test")] == [s.text for s in plain.split("test")][:200]


def test_the_order_of_the_constructions_makes_no_difference() -> None:
    given = {"simple": 0.5, "pp": 0.3, "orc": 0.2}
    turned = {name: given[name] for name in reversed(given)}
    one, other = (generate_agreement(20, 5, 5, constructions=shares) for shares in (given, turned))
    assert one.hash == other.hash
    names = (generate_agreement(20, 5, 5, constructions=list(shares)) for shares in (given, turned))
    assert len({corpus.hash for corpus in names}) == 1


def test_default_mix(plain: Corpus) -> None:
    train = plain.split("train")
    share = {name: n / len(train) for name, n in Counter(s.attributes["construction"] for s in train).items()}
    assert share["pp"] + share["simple"] == pytest.approx(0.70, abs=0.03)
    assert share["src"] + share["orc"] + share["mixed"] == pytest.approx(0.2, abs=0.03)
    assert set(share) == set(EVERY)
    assert 9 < train.n_words / len(train) < 11
    assert {s.attributes["attractors"] for s in plain} == {"0", "1", "2"}


def test_round_trip_through_conllu(corpus: Corpus, tmp_path: Path) -> None:
    for split in corpus.splits:
        write_conllu(corpus.split(split), tmp_path / f"agreement-{split}.conllu")
    again = read_conllu([tmp_path / f"agreement-{split}.conllu" for split in corpus.splits])
    assert again.hash == corpus.hash


@pytest.mark.parametrize("name", ["upos", "xpos", "deprel", "number", "dependency_depth"])
def test_built_in_tasks_find_units_in_every_split(corpus: Corpus, name: str) -> None:
    units = load_task(name).units(corpus)
    assert min(int((units.split == split).sum()) for split in corpus.splits) > 300


def test_number_patterns() -> None:
    assert len(number_patterns(4, "train", "none")) == 32
    assert number_patterns(0, "test", "none") == [("Sing",), ("Plur",)]
    assert number_patterns(2, "dev", "spurious") == [("Sing",) * 3, ("Plur",) * 3]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="0/0/0 sentences cannot"):
        generate_agreement(0, 0, 0)
    with pytest.raises(ConfigError, match="unknown cue 'spurius'; did you mean 'spurious'"):
        generate_agreement(1, 1, 1, cue="spurius")
    with pytest.raises(ConfigError, match="unknown construction 'reflexives'; did you mean 'reflexive'"):
        generate_agreement(1, 1, 1, constructions=["reflexives"])
    with pytest.raises(ConfigError, match="from 0 to 4; got \\[5\\]"):
        generate_agreement(1, 1, 1, attractors=[5])
    with pytest.raises(ConfigError, match="'pp' has at least 1; got attractors \\[0\\]"):
        generate_agreement(1, 1, 1, attractors=[0], constructions=["pp"])
    with pytest.raises(ConfigError, match="'simple' has no attractors; got attractors \\[2\\]"):
        generate_agreement(1, 1, 1, attractors=[2], constructions=["simple"])
    with pytest.raises(ConfigError, match="share of construction 'pp' must be above 0"):
        generate_agreement(1, 1, 1, constructions={"pp": 0.0})


def test_a_frame_that_is_used_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.data.agreement.MOST_TRIES", 300)
    with pytest.raises(DataError, match="no new test sentence of construction 'reflexive' with 0 attractors"):
        generate_agreement(0, 0, 2000, constructions=["reflexive"], attractors=[0])
