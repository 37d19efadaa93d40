"""Heads against relations: a planted head is found, ignorant ones are not, and what cannot be said is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import probekit as pk
from probekit.attention.alignment import HeadAlignment
from probekit.attention.links import relation_links
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError
from probekit.models.twins import random_twin
from tests.attention.planted_heads import planted_corpus, planted_model
from tests.tiny_models import tiny_model

SEEDS = 100


@pytest.fixture(scope="module")
def found() -> HeadAlignment:
    return pk.align_heads(planted_model(), planted_corpus(), ["points", "drifts"], twins=2, permutations=199)


def test_planted_heads_are_found_with_accuracy_one(found: HeadAlignment) -> None:
    assert found.heads("points", "dependent") == (("1", 1),)
    assert found.heads("points", "head") == (("2", 0),)
    for direction in ("dependent", "head"):
        result = found.result("points", direction)
        assert result.accuracy == result.dev_accuracy.max() == 1.0
        assert result.offset_hits.mean() < 0.3
    assert [one.key for one, so in zip(found.results, found.significant, strict=True) if so] == [
        ("points", "dependent"), ("points", "head")
    ]  # fmt: skip
    assert found.beyond_twins.tolist() == [True, True, False, False]


def test_other_heads_do_not_follow_it(found: HeadAlignment) -> None:
    result = found.result("points", "dependent")
    assert np.delete(result.dev_accuracy, found.place.index(("1", 1))).max() < 0.5
    assert found.heads("points", "dependent", n=4)[0] == ("1", 1)


def test_random_models_have_no_significant_head() -> None:
    """Words say nothing of heads here. Were either test left out, or the maximum taken for one head, more would be."""
    model, level, false = planted_model(), 0.05, 0
    for seed in range(SEEDS):
        corpus = planted_corpus(seed, 30, 30, planted=False)
        ignorant = random_twin(model, seed)
        one = pk.align_heads(ignorant, corpus, "points", twins=0, permutations=59, resamples=50)
        false += bool(one.significant.any())
    assert false <= binom.ppf(0.99, SEEDS, level)


def test_a_random_model_is_said_to_have_none() -> None:
    corpus = planted_corpus(5, planted=False)
    one = pk.align_heads(random_twin(planted_model(), 1), corpus, "points", twins=1, permutations=99)
    assert "No head beats the baselines" in one.summary
    assert one.panels[0].labels["text"] == one.summary


def test_choice_is_of_dev_and_report_of_test() -> None:
    """Test sentences whose gold is another change what is reported and nothing of what is chosen."""
    corpus = planted_corpus()
    other = Corpus(
        [one if one.split == "dev" else turned for one, turned in zip(corpus, planted_corpus(9), strict=True)]
    )
    both = [
        pk.align_heads(planted_model(), one, "drifts", twins=0, permutations=49) for one in (corpus, other)
    ]
    for one, another in zip(*(each.results for each in both), strict=True):
        assert (one.chosen, one.offset, one.null.p) == (another.chosen, another.offset, another.null.p)
        assert (one.dev_accuracy == another.dev_accuracy).all()
        assert len(one.head_hits) != len(another.head_hits)


def test_frequent_relations_and_all_together() -> None:
    corpus = planted_corpus()
    one = pk.align_heads(planted_model(), corpus, min_arcs=90, twins=0, permutations=9, layers=[1])
    assert [result.key for result in one.results][:2] == [("all", "dependent"), ("all", "head")]
    assert {result.name for result in one.results} == {"all", "drifts", "points"}
    assert one.comparisons == 2 * 6
    with pytest.raises(DataError, match="no relation has 5000 words in dev"):
        pk.align_heads(planted_model(), corpus, min_arcs=5000)


def test_offsets_count_the_same_words_as_heads() -> None:
    corpus = planted_corpus()
    one = pk.align_heads(planted_model(), corpus, "points", twins=0, permutations=9, offsets=range(-3, 4))
    result = one.result("points", "dependent")
    rows = pk.offset_accuracies(corpus, "dev", "points")
    best = max(rows, key=lambda row: row.value or 0.0)
    assert best.group.endswith(f"offset={result.offset:+d}")
    assert best.value == pytest.approx(result.dev_offset_accuracy)


def test_agreement_is_a_link_like_others() -> None:
    corpus = pk.generate_agreement(0, 25, 25)
    links = pk.attribute_links(corpus, "target", "subject", name="agreement")
    one = pk.align_links(tiny_model("bert"), corpus, links, layers=[2], twins=0, permutations=19)
    assert one.results[0].key == ("agreement", "")
    assert len(one.results[0].head_hits) + one.results[0].n_left_out[1] == 25


def tree(id: str, split: str, heads: str, relations: str) -> Sentence:
    words = [f"x{number % 8}y{number % 8}" for number in range(len(heads.split()))]
    columns = {"head": heads.split(), "deprel": relations.split()}
    return Sentence.from_words(id, words, columns=columns, split=split)


def small(*more: Sentence) -> Corpus:
    """Two sentences of dev, two of test, and others."""
    own = [tree(f"{split}{n}", split, "2 0 2", "a root b") for split in ("dev", "test") for n in range(2)]
    return Corpus([*own, *more], "small")


@pytest.mark.parametrize(
    ("corpus", "relation", "said"),
    [
        (small(), "c", r"corpus 'small' has no relation 'c'; known: a, b"),
        (small(tree("x", "dev", "0 1", "root d")), "d",
         r"d \(from the dependent to its head\) occurs in dev and never in test"),
        (small(tree("x", "test", "0 1", "root d")), "d",
         r"d \(from the dependent to its head\) occurs in test and never in dev"),
        (small(tree("x", "dev", "0 1", "root d"), tree("y", "test", "0 1", "root d")), "d",
         r"d \(from the dependent to its head\) occurs in one sentence of dev alone \(1 of its links\)"),
        (Corpus([Sentence.from_words("s", ["a", "b"], split="dev"), Sentence.from_words("t", ["a"], split="test")],
                "bare"), "nsubj", r"corpus 'bare' has no column 'head'; .* CoNLL-U"),
        (small().split("dev"), "a", r"has no split 'test': heads are chosen in one and reported in another"),
        (small(tree("x", "dev", "9 0", "a root")), "a", r"sentence 'x': word 1 has the head '9'; a head is the number"),
        (Corpus([*small(), tree("x", "dev", "1 0", "a root")], "self"), "a", r"word 1 has the head '1'"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_in_a_line(corpus: Corpus, relation: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as problem:
        pk.align_heads(planted_model(), corpus, relation, twins=0, permutations=9)
    assert "\n" not in str(problem.value)


def test_scarce_relations_are_named_beside_the_others() -> None:
    corpus = small(tree("x", "dev", "0 1", "root d"))
    one = pk.align_heads(planted_model(), corpus, min_arcs=1, twins=0, permutations=9)
    assert {name for name, _, _ in one.not_scored} == {"d"}
    row = one.rows[-1]
    assert row.value is None
    assert "occurs in dev and never in test" in row.reason
    assert "2 more could not be scored" in one.summary


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"twins": -1}, "twins must be a whole number from 0 on; got -1"),
        ({"twins": [tiny_model("llama")]}, "is no twin of"),
        ({"twins": True}, "twins must be a whole number"),
        ({"permutations": 0}, "permutations must be a whole number from 1 on"),
        ({"offsets": [0]}, "offsets are whole numbers other than 0"),
        ({"directions": ["up"]}, "no direction 'up'"),
        ({"directions": []}, "no direction to follow relations in"),
        ({"report": "dev"}, r"chosen and reported in one split \(dev\)"),
        ({"layers": [7]}, "no layer '7'"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pk.align_heads(
            planted_model(), planted_corpus(), "points", **{"twins": 0, "permutations": 9, **options}
        )


def test_words_the_model_does_not_read_are_left_out_and_counted() -> None:
    """The model reads 32 pieces, 30 of them words; links of words beyond are no links of its."""
    words = " ".join(["a"] * 40)
    long = [
        tree(f"{split}{n}", split, "0 " + "1 " * 39, words) for split in ("dev", "test") for n in range(2)
    ]
    one = pk.align_heads(
        planted_model(), Corpus(long, "long"), "a", directions="dependent", twins=0, permutations=9
    )
    assert one.results[0].n_left_out == (20, 20)
    assert one.words_left_out == {"truncated": 40}
    assert {row.n_left_out for row in one.rows} == {20}


def test_a_model_without_attention_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.attention import maps
    from probekit.errors import ModelError

    def none(model: Any, *rest: Any, **options: Any) -> None:
        raise ModelError(f"{model.name}: it has no attention")

    monkeypatch.setattr(maps, "attend", none)
    with pytest.raises(ModelError, match="it has no attention"):
        pk.align_heads(planted_model(), planted_corpus(), "points", twins=0)


def test_links_of_one_source_and_several_directions_stay_apart() -> None:
    corpus = planted_corpus()
    links = [relation_links(corpus, "points", way) for way in ("dependent", "head")]
    one = pk.align_links(
        planted_model(), corpus, [replace(links[0], name="mine"), links[1]], twins=0, permutations=9
    )
    assert [result.key for result in one.results] == [("mine", "dependent"), ("points", "head")]
    with pytest.raises(ConfigError, match="no heads were compared with 'point'; did you mean 'points'"):
        one.heads("point")


@pytest.mark.real
def test_heads_of_a_trained_model_follow_objects_of_english(shared_data: Path) -> None:
    """A part of EWT: a head of MiniLM finds the verb of an object; the best head of a random twin does not."""
    treebank = shared_data / "ud_ewt"
    part = [
        sentence
        for split in ("dev", "test")
        for sentence in pk.read_conllu(treebank / f"en_ewt-ud-{split}.conllu").sentences[:70]
    ]
    found = pk.align_heads(
        pk.load_model("demo:minilm"),
        Corpus(part, "part"),
        "obj",
        directions="dependent",
        twins=1,
        permutations=99,
    )
    assert len(found.place) == 72
    assert found.significant.tolist() == found.beyond_twins.tolist() == [True]
    assert found.results[0].offset == -2
