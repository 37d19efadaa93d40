"""Units: labels, filters, splits, what is left out, and overlap."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.task import Task
from probekit.errors import DataError


def word_task(**fields: object) -> Task:
    return Task(**({"name": "t", "question": "?", "label": "upos"} | fields))  # type: ignore[arg-type]


def sentence_task(**fields: object) -> Task:
    return word_task(unit="sentence", label="attribute.label", **fields)


def make(id: str, text: str, upos: str, feats: str, split: str, **attributes: str) -> Sentence:
    columns = {"upos": upos.split(), "feats": feats.split()}
    return Sentence.from_words(id, text.split(), columns=columns, split=split, attributes=attributes)


CORPUS = Corpus(
    [
        make(
            "a",
            "The keys rust",
            "DET NOUN VERB",
            "_ Number=Plur Number=Plur",
            "train",
            label="1",
            score="0.5",
        ),
        make("b", "Milk sours", "NOUN VERB", "_ Number=Sing", "train", label="0", score="1"),
        make(
            "c", "The keys rust", "DET NOUN VERB", "_ Number=Plur Number=Plur", "test", label="1", score="2"
        ),
        make("d", "Keys burn", "NOUN _", "Number=Plur _", "dev", score="x"),
        make("e", "", "", "", "dev", label="0"),
        make("f", "Rust", "NOUN", "Number=Sing", "", label="1"),
    ],
    "tiny",
)


def test_words() -> None:
    units = word_task().units(CORPUS)
    assert units.ids == ("a:1", "a:2", "a:3", "b:1", "b:2", "c:1", "c:2", "c:3", "d:1")
    assert units.labels.tolist() == ["DET", "NOUN", "VERB", "NOUN", "VERB", "DET", "NOUN", "VERB", "NOUN"]
    assert units.types == ("The", "keys", "rust", "Milk", "sours", "The", "keys", "rust", "Keys")
    assert units.sentence.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3]
    assert units.word.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 0]
    assert units.split.tolist() == ["train"] * 5 + ["test"] * 3 + ["dev"]
    assert units.left_out == {"no value for upos": 1, "in no split": 1}
    assert units.overlap.tolist() == [False] * 5 + [True] * 3 + [False]
    assert (units.corpus_hash, units.unit, units.numeric) == (CORPUS.hash, "word", False)
    assert (units.sentence.dtype, units.labels.dtype) == (np.dtype("int32"), np.dtype(object))


def test_filter_asks_and_missing_values_are_left_out() -> None:
    units = word_task(label="feats.Number", where="upos = NOUN").units(CORPUS)
    assert units.ids == ("a:2", "c:2", "d:1")
    # the milk passes the filter and has no number; verbs and determiners were not asked
    assert units.left_out == {"no value for feats.Number": 1, "in no split": 1}


def test_sentences() -> None:
    units = sentence_task(names={"1": "good"}).units(CORPUS)
    assert units.ids == ("a", "b", "c")
    assert units.labels.tolist() == ["good", "0", "good"]
    assert units.types == ("The keys rust", "Milk sours", "The keys rust")
    assert units.word.tolist() == [-1, -1, -1]
    assert units.left_out == {"no value for attribute.label": 1, "empty sentence": 1, "in no split": 1}
    assert sentence_task(where="attribute.label = 0").units(CORPUS).ids == ("b",)


def test_numbers_and_bins() -> None:
    length = word_task(unit="sentence", label="sentence_length", kind="number").units(CORPUS)
    assert length.labels.tolist() == [3.0, 2.0, 3.0, 2.0]
    assert length.labels.dtype == np.float64
    assert length.label_counts() == {}
    bins = word_task(unit="sentence", label="sentence_length", bins=(2, 5)).units(CORPUS)
    assert bins.labels.tolist() == ["<=5", "<=2", "<=5", "<=2"]
    assert word_task(label="position", bins=(1, 2)).units(CORPUS).labels.tolist()[:3] == ["<=1", "<=2", ">2"]
    with pytest.raises(DataError, match=r"sentence 'd': attribute.score is 'x', not a number"):
        word_task(unit="sentence", label="attribute.score", kind="number").units(CORPUS)


def test_an_attribute_can_label_words_and_words_can_be_filtered() -> None:
    units = word_task(label="attribute.label", where="word in [keys, Milk]").units(CORPUS)
    assert dict(zip(units.ids, units.labels, strict=True)) == {"a:2": "1", "b:1": "0", "c:2": "1"}


def test_select_and_counts() -> None:
    units = word_task().units(CORPUS)
    test = units.select("test")
    assert (test.ids, test.overlap.all(), len(test)) == (("c:1", "c:2", "c:3"), True, 3)
    assert next(iter(units.label_counts().items())) == ("NOUN", {"train": 2, "dev": 1, "test": 1})
    with pytest.raises(DataError, match="did you mean 'train'"):
        units.select("trian")


def test_a_label_unseen_in_train_is_kept_and_shows() -> None:
    corpus = Corpus([CORPUS[0], make("x", "Oh", "INTJ", "_", "test")])
    assert word_task().units(corpus).label_counts()["INTJ"] == {"train": 0, "dev": 0, "test": 1}


def test_split_by_sentence_keeps_equal_texts_together() -> None:
    units = word_task(split="sentence", fractions=(0.4, 0.3, 0.3)).units(CORPUS)
    by_id = dict(zip(units.ids, units.split, strict=True))
    assert by_id["a:1"] == by_id["c:1"]
    assert not units.overlap.any()


def test_split_by_word_type_keeps_spellings_together() -> None:
    units = word_task(split="word-type", fractions=(0.5, 0.2, 0.3), seed=1).units(CORPUS)
    for form in {t.lower() for t in units.types}:
        assert len({s for s, t in zip(units.split, units.types, strict=True) if t.lower() == form}) == 1
    assert set(units.split) == {"train", "dev", "test"}


def test_without_dev_a_tenth_of_train_texts_becomes_dev() -> None:
    numbered = [make(str(i), f"w{i // 2}", "NOUN", "_", "train") for i in range(200)]
    test = make("t", "w1", "NOUN", "_", "test")
    units = word_task().units(Corpus([*numbered, test]))
    assert {s: int((units.split == s).sum()) for s in ("train", "dev", "test")} == {
        "train": 180,
        "dev": 20,
        "test": 1,
    }
    in_train = {t for t, s in zip(units.types, units.split, strict=True) if s == "train"}
    in_dev = {t for t, s in zip(units.types, units.split, strict=True) if s == "dev"}
    assert not in_train & in_dev
    assert (word_task().units(Corpus([*numbered, test])).split == units.split).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"label": "upso"},
            "task 't', corpus 'tiny': no sentence has the column 'upso'; did you mean 'upos'",
        ),
        ({"label": "attribute.lable"}, "no sentence has the attribute 'lable'; did you mean 'label'"),
        ({"label": "dependency_depth", "kind": "number"}, "no sentence has the column 'head'"),
        ({"label": "feats.Numbr"}, ": 11 no value for feats.Numbr; did you mean 'Number'"),
        ({"where": "upos = NUON"}, "11 dropped by where = 'upos = NUON'; upos has NOUN, VERB, DET"),
        ({"where": "xpos = NN"}, "no sentence has the column 'xpos'; did you mean 'upos'"),
        ({"split": "document"}, "a split by document needs documents"),
    ],
)
def test_errors(fields: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        word_task(**fields).units(CORPUS)


def test_a_corpus_without_splits() -> None:
    with pytest.raises(DataError, match=r"no train split \(splits: none\).*split_by"):
        word_task().units(Corpus([CORPUS["f"]]))
