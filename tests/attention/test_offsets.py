"""Fixed offsets: counted over words that have the relation, nothing clamped to the edge; English EWT exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

import probekit as pk
from probekit.attention.links import Links
from probekit.attention.offsets import best_offset, offset_accuracies, offset_hits
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError

EWT_TEST = {
    "all": (1, 28.88), "det": (1, 57.57), "nsubj": (1, 34.46), "obj": (-2, 34.95), "amod": (1, 74.58),
    "case": (1, 38.65), "aux": (1, 47.06), "compound": (1, 77.74), "nmod:poss": (1, 61.76), "conj": (-2, 28.69),
    "cop": (1, 36.13),
}  # fmt: skip
"""Recomputed independently: 2,077 sentences, 25,094 words, percent at the best offset of -3 to 3."""


def corpus() -> Corpus:
    """Both x lead to the next word but the last, which leads two back; clamped, +1 would find nothing more there."""
    columns = {"head": ["2", "0", "2"], "deprel": ["x", "root", "x"]}
    more = {"head": ["2", "0"], "deprel": ["x", "root"]}
    return Corpus(
        [
            Sentence.from_words("s", ["a", "b", "c"], columns=columns, split="test"),
            Sentence.from_words("t", ["a", "b"], columns=more, split="test"),
        ],
        "small",
    )


def test_places_outside_the_sentence_are_wrong() -> None:
    found = {
        row.group.split("offset=")[1]: row for row in offset_accuracies(corpus(), "test", "x", range(-2, 3))
    }
    assert {offset: row.value for offset, row in found.items()} == {
        "-2": 0.0, "-1": pytest.approx(1 / 3), "+1": pytest.approx(2 / 3), "+2": 0.0
    }  # fmt: skip
    assert {row.n for row in found.values()} == {3}
    assert {row.control for row in found.values()} == {"fixed-offset"}


def test_roots_count_among_all_words_and_can_be_left_out() -> None:
    with_roots, without = (
        offset_accuracies(corpus(), "", "all", [1], roots=roots)[0] for roots in (True, False)
    )
    assert (with_roots.n, without.n) == (5, 3)
    assert with_roots.value == pytest.approx(2 / 5)
    assert without.value == pytest.approx(2 / 3)


def test_from_the_head_any_dependent_counts() -> None:
    rows = offset_accuracies(corpus(), "test", "x", [-1, 1], direction="head")
    assert [(row.value, row.n) for row in rows] == [(1.0, 2), (0.5, 2)]


def test_of_equal_offsets_the_nearest_then_the_left_is_taken() -> None:
    links = Links.of("x", "", [(0, 5, [4]), (1, 5, [6]), (2, 5, [8])])
    assert best_offset(links, range(-9, 10)) == -1
    assert best_offset(links, [3, 1]) == 1
    assert offset_hits(links, 3).tolist() == [False, False, True]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"other than 0, as in range\(-3, 4\); got \[0\]"):
        offset_accuracies(corpus(), "test", "x", [0])
    with pytest.raises(DataError, match="no relation 'y'"):
        offset_accuracies(corpus(), "test", "y")
    with pytest.raises(DataError, match="no split 'dev'"):
        offset_accuracies(corpus(), "dev", "x")


@pytest.mark.real
def test_english_ewt(shared_data: Path) -> None:
    treebank = pk.read_conllu(shared_data / "ud_ewt" / "en_ewt-ud-test.conllu")
    rows = offset_accuracies(treebank, "test", list(EWT_TEST))
    for relation, (offset, percent) in EWT_TEST.items():
        own = [row for row in rows if row.group.startswith(f"relation={relation} ")]
        best = max(own, key=lambda row: row.value or 0.0)
        assert best.group.endswith(f"offset={offset:+d}"), relation
        assert round(100 * (best.value or 0.0), 2) == percent, relation
    assert rows[0].n == 25_094
