"""Corpora: hashes see what they must see, doubles are refused, overlap is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import DataError

BASE = Sentence.from_words(
    "a",
    ["Keys", "rust"],
    columns={"upos": ["NOUN", "VERB"]},
    attributes={"label": "1"},
    split="train",
    document="d",
)


@pytest.mark.parametrize(
    ("change", "seen_by_text_hash"),
    [
        ({"id": "b"}, True),
        ({"words": ("Keys", "burn"), "text": "Keys burn"}, True),
        ({"text": "Keys  rust", "offsets": ((0, 4), (6, 10))}, True),
        ({"offsets": ((0, 4), (0, 9))}, True),
        ({"columns": {"upos": ("NOUN", "NOUN")}}, False),
        ({"attributes": {"label": "0"}}, False),
        ({"split": "dev"}, False),
        ({"document": "e"}, False),
    ],
)
def test_hash_sees_every_part(change: dict[str, object], seen_by_text_hash: bool) -> None:
    one, other = Corpus([BASE]), Corpus([replace(BASE, **change)])  # type: ignore[arg-type]
    assert one.hash != other.hash
    assert (one.text_hash != other.text_hash) == seen_by_text_hash


def test_hash_is_of_content_not_of_place_name_or_column_order() -> None:
    columns = {"x": ("1", "2"), "upos": ("NOUN", "VERB")}
    other = replace(BASE, columns=columns, place="f:1")
    same = replace(BASE, columns=dict(reversed(columns.items())))
    assert Corpus([other], "n", ["f"]).hash == Corpus([same]).hash


def test_hash_is_fixed() -> None:
    # a change here makes every stored representation and every run incomparable: raise the tag's number with it
    assert Corpus([BASE]).hash == "0f777c902c097b445d756e35cc3512be9a3b2bce0c242267956b94f3a68688fd"
    assert Corpus([BASE]).text_hash == "4455ca1fa8ae1863db65f73d7163c5a5bb0110bd42a3eae37cd99536f21457ad"


def test_order_matters() -> None:
    other = replace(BASE, id="b")
    assert Corpus([BASE, other]).text_hash != Corpus([other, BASE]).text_hash


def test_a_line_break_in_a_text_cannot_imitate_two_sentences() -> None:
    one = Corpus([Sentence.from_text("a", "x\ny")])
    two = Corpus([Sentence.from_text("a", "x"), Sentence.from_text("b", "y")])
    assert one.text_hash != two.text_hash


def test_equal_ids_are_refused_with_both_places() -> None:
    first = replace(BASE, place="train.conllu:1")
    second = replace(BASE, place="test.conllu:9", split="test", document="")
    with pytest.raises(DataError, match=r"test.conllu:9.*'a'.*train.conllu:1.*'train' and 'test'"):
        Corpus([first, second])


def test_a_document_in_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match=r"x:2.*document 'd' stands in 'test' and, at x:1.*'train'"):
        Corpus([replace(BASE, place="x:1"), replace(BASE, id="b", split="test", place="x:2")])


def test_unknown_split() -> None:
    with pytest.raises(DataError, match="did you mean 'train'"):
        Corpus([replace(BASE, split="trian")])


def test_overlap_counts_repeated_test_sentences_and_no_empty_texts() -> None:
    texts = [("train", "Yes."), ("train", "No."), ("test", "Yes."), ("test", "Yes."), ("test", "yes."), ("dev", "No."),
             ("train", ""), ("test", "")]  # fmt: skip
    corpus = Corpus([Sentence.from_text(str(i), text, split=split) for i, (split, text) in enumerate(texts)])
    overlap = corpus.overlap()
    assert overlap.counts == {"dev in train": 1, "test in train": 2, "test in dev": 0}
    assert overlap.ids["test in train"] == ("2", "3")


def test_sizes_splits_and_access() -> None:
    corpus = Corpus(
        [replace(BASE, id=str(i), split=s, document="") for i, s in enumerate(["test", "train", "", "train"])]
    )
    assert corpus.sizes == {"train": 2, "test": 1, "": 1}
    assert corpus.splits == ("train", "test")
    assert [s.id for s in corpus.split("train")] == ["1", "3"]
    assert corpus["2"] is corpus[2]
    assert (corpus.n_words, corpus.columns, corpus.attributes) == (8, ("upos",), ("label",))
    with pytest.raises(DataError, match="no split 'dev'"):
        corpus.split("dev")
    with pytest.raises(DataError, match="no sentence '9'"):
        corpus["9"]
