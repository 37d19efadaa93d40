"""What a look colours: labels without a train part, splits, names of files."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.experiment.look_units import LookedTask, read_of, split_looked_at, told_apart

TASK = LookedTask.of(pk.load_task("upos"))


def test_units_are_those_of_the_task_where_there_is_a_train_part() -> None:
    corpus = pk.generate_corpus(5, 5, 5)
    ours, theirs = TASK.units(corpus), pk.load_task("upos").units(corpus)
    assert ours.ids == theirs.ids
    assert ours.split.tolist() == theirs.split.tolist()


def test_without_a_train_part_every_word_keeps_its_split() -> None:
    whole = pk.generate_corpus(5, 5, 5)
    corpus = Corpus([one for one in whole if one.split != "train"], "part")
    units = TASK.units(corpus)
    assert len(units) == corpus.n_words
    assert units.split.tolist() == [one.split for one in corpus for _ in one.words]
    assert units.corpus_hash == corpus.hash
    assert not units.overlap.any()
    train = whole.split("dev")
    assert np.array_equal(TASK.units(corpus).select("dev").labels, TASK.units(train).labels)


def test_what_is_looked_at_is_said_where_it_is_not_everything() -> None:
    three, one = pk.generate_corpus(2, 2, 2), pk.generate_corpus(0, 0, 2)
    assert (split_looked_at(three, None), split_looked_at(three, "dev")) == ("test", "dev")
    assert split_looked_at(pk.generate_corpus(2, 2, 0), None) is None
    assert "'test'" in read_of(three, None)
    assert "all splits (train, dev, test)" in read_of(three, None)
    assert read_of(one, None) == read_of(pk.generate_corpus(2, 2, 0), None) == ""


@given(
    st.lists(st.sampled_from(["?", "!", "京", "都", "The", "the", "x", "keys", "a/b", "c/b"]), unique=True)
)
def test_no_two_names_are_equal_and_none_hangs_on_the_order(asked: list[str]) -> None:
    names = told_apart({one: one for one in asked})
    assert len(set(names.values())) == len(asked)
    for order in itertools.islice(itertools.permutations(asked), 5):
        assert told_apart({one: one for one in order}) == names
