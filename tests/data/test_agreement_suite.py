"""Generated suites: balanced, of held-out combinations, cut around the target; natural and nonce; named in files."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from probekit.data.agreement import generate_agreement
from probekit.data.agreement_frames import split_of
from probekit.data.agreement_suite import agreement_suite
from probekit.data.corpus import Corpus
from probekit.data.read_conllu import read_conllu
from probekit.data.read_suite import list_suites, load_suite
from probekit.data.sentence import Sentence
from probekit.data.suite import Suite
from probekit.data.write_conllu import write_conllu
from probekit.errors import ConfigError, DataError

BUILT_IN = (
    "agreement", "agreement-coordination", "agreement-nonce", "agreement-questions", "polarity", "reflexives-generated",
)  # fmt: skip


@pytest.fixture(scope="module")
def suite() -> Suite:
    return agreement_suite(items=6, nonce="both")


def cut(suite: Suite, condition: str) -> list[list[str]]:
    found = []
    for item in suite:
        text = item[condition].text
        found.append([text[start:stop] for start, stop in item[condition].regions])
    return found


def test_balanced_over_constructions_attractors_and_numbers(suite: Suite) -> None:
    cells = Counter(
        tuple(i.groups[k] for k in ("construction", "attractors", "number", "nonce")) for i in suite
    )
    assert set(cells.values()) == {6}
    assert len(cells) == (1 + 4 + 4 + 4) * 2 * 2
    assert len({item["good"].text for item in suite}) == len(suite)


def test_regions_are_before_target_after(suite: Suite) -> None:
    assert suite.kind == "target"
    for item, good, bad in zip(suite, cut(suite, "good"), cut(suite, "bad"), strict=True):
        assert " ".join(good) == item["good"].text
        assert (good[0], good[2]) == (bad[0], bad[2])
        assert good[1] != bad[1]
        assert " " not in good[1] + bad[1]
        plural = good[1] == "are" or (good[1] != "is" and not good[1].endswith("s"))
        assert plural == (item.groups["number"] == "Plur"), item["good"].text
        before = good[0].split()
        assert int(item.groups["distance"]) < len(before)


def test_distance_counts_the_words_between() -> None:
    """Against the corpus, whose attributes give both places."""
    corpus = generate_agreement(0, 0, 60, constructions=["pp", "orc", "coordination"])
    suite = agreement_suite(corpus, constructions=["pp", "orc", "coordination"])
    for item, sentence in zip(suite, corpus, strict=True):
        words = sentence.words[int(sentence.attributes["subject"]) : int(sentence.attributes["target"]) - 1]
        assert item.groups["distance"] == str(len(words))
        assert item["bad"].text == sentence.attributes["pair"]
        assert (item.id, item.cluster) == (f"{sentence.id}-natural", sentence.attributes["combination"])


def test_clusters_are_held_out_combinations_over_templates_numbers_and_variants(suite: Suite) -> None:
    by_cluster = defaultdict(list)
    for item in suite:
        by_cluster[item.cluster].append(item)
        assert split_of(*item.cluster.split()) == "test"
    assert 60 < len(by_cluster) < len(suite) / 2
    assert all(len({i.groups["nonce"] for i in items}) == 2 for items in by_cluster.values())


def test_nonce_items_stand_beside_their_natural_ones(suite: Suite) -> None:
    natural = agreement_suite(items=6)
    assert [i.id for i in natural] == [i.id for i in suite if i.groups["nonce"] == "natural"]
    assert [i["good"].text for i in natural] == [
        i["good"].text for i in suite if i.groups["nonce"] == "natural"
    ]
    nonce = agreement_suite(items=6, nonce=True)
    assert [i["good"].text for i in nonce] == [i["good"].text for i in suite if i.groups["nonce"] == "nonce"]
    for one, other in zip(natural, nonce, strict=True):
        assert one.cluster == other.cluster
        assert {k: v for k, v in one.groups.items() if k != "nonce"} == {
            k: v for k, v in other.groups.items() if k != "nonce"
        }
        assert len(one["good"].text.split()) == len(other["good"].text.split())


def test_a_cell_does_not_depend_on_the_others(suite: Suite) -> None:
    alone = agreement_suite(items=6, constructions=["orc"], attractors=[2])
    there = [i["good"].text for i in suite if i.id.startswith("orc-2-") and i.groups["nonce"] == "natural"]
    assert [i["good"].text for i in alone] == there
    assert agreement_suite(items=6, seed=1).hash != agreement_suite(items=6).hash


def test_a_corpus_and_its_copy_give_one_suite(tmp_path: Path) -> None:
    every = ["simple", "pp", "src", "orc", "mixed", "coordination", "polarity"]
    corpus = generate_agreement(5, 2, 80, constructions=every)
    write_conllu(corpus.split("test"), tmp_path / "agreement-test.conllu")
    again = read_conllu(tmp_path / "agreement-test.conllu")
    one, other = (agreement_suite(c, constructions=every, nonce="both") for c in (corpus, again))
    assert len(one) == 160
    assert one.hash == other.hash


def test_polarity_and_reflexive_pairs() -> None:
    polarity = agreement_suite(items=8, constructions=["polarity"], attractors=[0, 1, 2])
    for item, good, bad in zip(polarity, cut(polarity, "good"), cut(polarity, "bad"), strict=True):
        assert good[1] == bad[1]
        assert good[1] in ("ever", "any")
        assert good[2] == bad[2]
        assert {"no", "few"} & set(good[0].split()[:1])
        assert bad[0].split()[0] == "the"
        assert ("no" in bad[0].split()) == (item.groups["attractors"] != "0")
    reflexive = agreement_suite(items=8, constructions=["reflexive"], attractors=[0, 1, 2])
    for item, good, bad in zip(reflexive, cut(reflexive, "good"), cut(reflexive, "bad"), strict=True):
        assert (good[1] == "themselves") == (item.groups["number"] == "Plur")
        assert "themselves" in (good[1], bad[1])


def test_questions_are_whole_sentences_and_stand_alone() -> None:
    suite = agreement_suite(items=3, constructions=["question"], attractors=[0, 1], nonce="both")
    assert suite.kind == "sentence"
    firsts = {(i["good"].text.split()[0], i["bad"].text.split()[0]) for i in suite}
    assert firsts <= {("do", "does"), ("does", "do"), ("is", "are"), ("are", "is")}
    with pytest.raises(ConfigError, match="suite of the construction 'question' alone"):
        agreement_suite(constructions=["pp", "question"])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="nonce is true, false or 'both'; got 'all'"):
        agreement_suite(nonce="all")
    with pytest.raises(ConfigError, match="'reflexive' has no nonce variant"):
        agreement_suite(constructions=["reflexive"], nonce=True)
    with pytest.raises(ConfigError, match="did you mean 'pp'"):
        agreement_suite(constructions=["ppp"])
    with pytest.raises(ConfigError, match="at least 1 item"):
        agreement_suite(items=0)
    other = Corpus([Sentence.from_text("a", "keys rust .", split="test")], "mine")
    with pytest.raises(DataError, match="sentence 'a': attribute 'construction' is missing"):
        agreement_suite(other)
    with pytest.raises(DataError, match="no test sentence of the constructions"):
        agreement_suite(generate_agreement(2, 0, 0))


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_suites(name: str) -> None:
    assert name in list_suites()
    suite = load_suite(name)
    assert suite.name == name
    assert len(suite) >= 100
    assert len(suite.anchors) == 2
    assert suite.question
    assert suite.licence.startswith("Apache-2.0")
    assert suite.cite
    assert suite.kind == ("sentence" if name == "agreement-questions" else "target")
    numbers = Counter(item.groups["number"] for item in suite)
    assert numbers["Sing"] == numbers["Plur"]


FILE = """
name = "mine"
question = "Does it agree?"
licence = "mine alone"
generated = { constructions = ["pp"], attractors = [3], items = 2, seed = 9 }
"""


def test_a_suite_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(FILE)
    suite = load_suite(file, capital=True)
    assert [item.groups["attractors"] for item in suite] == ["3"] * 4
    assert suite.licence == "mine alone"
    assert all(item["good"].text[0].isupper() for item in suite)
    file.write_text(FILE.replace('"pp"', '"pq"'))
    with pytest.raises(ConfigError, match=r"mine\.toml: generated: unknown construction 'pq'"):
        load_suite(file)
    file.write_text(FILE + '\n[[item]]\ngood = "a"\nbad = "b"\n')
    with pytest.raises(ConfigError, match="or 'generated'"):
        load_suite(file)
    file.write_text(FILE.replace("items", "itmes"))
    with pytest.raises(ConfigError, match="did you mean 'items'"):
        load_suite(file)
