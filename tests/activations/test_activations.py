"""Reading: any rows in any order, one layer at a time, and joined with labels by id."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from probekit.activations.activations import Activations
from probekit.activations.extract import extract
from probekit.data.corpus import Corpus
from probekit.data.task import Task
from probekit.data.units import Units
from probekit.errors import ConfigError, StoreError
from tests.activations.plain import CORPUS, corpus_of
from tests.tiny_models import tiny_model


@pytest.fixture
def stored() -> Activations:
    return extract(tiny_model("bert"), CORPUS, rows_per_shard=7)


ORDERS = {
    "ascending": lambda n: np.arange(0, n, 3),
    "descending": lambda n: np.arange(n)[::-1],
    "shuffled": lambda n: np.random.default_rng(0).permutation(n),
    "repeated": lambda n: np.random.default_rng(1).integers(0, n, 3 * n),
    "one": lambda n: np.array([n - 1]),
    "none": lambda n: np.array([], np.int64),
}


@pytest.mark.parametrize("order", ORDERS)
def test_gather(stored: Activations, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.activations.activations.CHUNK", 3)
    everything = stored.rows(1)
    wanted = ORDERS[order](stored.n_rows)
    found = stored.gather("1", wanted)
    assert (found.dtype, found.shape) == (np.float32, (len(wanted), stored.dim))
    np.testing.assert_array_equal(found, everything[wanted])


@pytest.mark.parametrize("rows", [[-1], [10_000]])
def test_rows_that_do_not_exist(stored: Activations, rows: list[int]) -> None:
    with pytest.raises(IndexError, match="rows must be within"):
        stored.gather(0, rows)


def test_blocks_in_order_are_the_rows(stored: Activations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.activations.activations.CHUNK", 3)
    blocks = list(stored.iter_rows(2))
    assert max(map(len, blocks)) == 3
    np.testing.assert_array_equal(np.concatenate(blocks), stored.rows(2))


def test_what_is_read_may_be_changed(stored: Activations) -> None:
    """The file beneath is never written through."""
    before = stored.rows(0)
    stored.rows(0)[:] = 0
    for block in stored.iter_rows(0):
        block[:] = 0
    np.testing.assert_array_equal(stored.rows(0), before)


def test_a_layer_that_is_not_stored(stored: Activations) -> None:
    with pytest.raises(ConfigError, match="layer 'finall' is not stored"):
        stored.rows("finall")


def test_open_without_model_and_corpus(stored: Activations) -> None:
    opened = Activations.open(stored.path)
    np.testing.assert_array_equal(opened.rows(1), stored.rows(1))
    assert opened.model["family"] == "bert"
    assert "bert" in repr(opened)
    with pytest.raises(ConfigError, match="without their corpus"):
        opened.units(word_task())


def test_another_text_is_refused(stored: Activations) -> None:
    with pytest.raises(StoreError, match="another text"):
        Activations.open(stored.path, corpus_of(["the cat"]))


def word_task(label: str = "position", **changes: object) -> Task:
    return Task(name="test", question="?", label=label, kind="number", **changes)  # type: ignore[arg-type]


def units_of(corpus: Corpus, places: list[tuple[int, int]], unit: str = "word") -> Units:
    n = len(places)
    sentence, word = np.array(places, np.int32).reshape(n, 2).T
    return Units(
        unit=unit,
        corpus_hash=corpus.hash,
        sentence=sentence,
        word=word,
        labels=np.array([f"{s}/{w}" for s, w in places], object),
        types=tuple(corpus[s].words[w] if w >= 0 else corpus[s].text for s, w in places),
        split=np.array([corpus[s].split for s, _ in places]),
        ids=tuple(f"{corpus[s].id}:{w + 1}" if w >= 0 else corpus[s].id for s, w in places),
        left_out={"no label": 4},
        overlap=np.zeros(n, bool),
    )


def test_units_find_their_rows_by_sentence_and_word(stored: Activations) -> None:
    places = [(s, w) for s in range(len(CORPUS)) for w in range(len(CORPUS[s]))]
    data = stored.units(units_of(CORPUS, places))
    index = stored.index
    assert (
        list(zip(index.sentence[data.rows].tolist(), index.number[data.rows].tolist(), strict=True)) == places
    )
    assert data.y.tolist() == [f"{s}/{w}" for s, w in places]
    assert data.ids[:2] == ("s0:1", "s0:2")
    np.testing.assert_array_equal(data.X(1), stored.gather(1, data.rows))
    np.testing.assert_array_equal(data.cluster, [s for s, _ in places])
    assert data.left_out == {"no label": 4}


def test_units_of_a_task(stored: Activations) -> None:
    data = stored.units(word_task())
    assert len(data) == stored.n_rows
    parts = [stored.units(word_task(), split=split) for split in ("train", "dev", "test")]
    assert sum(map(len, parts)) == len(data)
    for part in parts:
        assert set(part.split) <= {part.split[0]} if len(part) else True
    np.testing.assert_array_equal(data.select("train").rows, parts[0].rows)
    assert repr(data) == f"<UnitData: {len(data)} units (word) of {stored!r}>"


def test_units_without_a_row_are_merged_into_left_out() -> None:
    long = " ".join(["dog"] * 70)
    corpus = corpus_of(["the cat sat", long, "a \N{SNOWMAN} runs"])
    stored = extract(tiny_model("bert"), corpus)
    data = stored.units(units_of(corpus, [(0, 1), (1, 61), (1, 62), (1, 69), (2, 0), (2, 1)]))
    assert data.ids == ("s0:2", "s1:62", "s2:1")
    assert data.y.tolist() == ["0/1", "1/61", "2/0"]
    assert data.left_out == {"no label": 4, "truncated": 2, "unknown piece": 1}
    assert data.left_out_examples == {
        "truncated": ("s1:63 'dog'", "s1:70 'dog'"),
        "unknown piece": ("s2:2 '\N{SNOWMAN}'",),
    }


def test_sentence_units() -> None:
    corpus = corpus_of(["the cat sat on the mat", "", "dogs run"])
    stored = extract(tiny_model("bert"), corpus, unit="sentence", pool="cls")
    data = stored.units(units_of(corpus, [(0, -1), (1, -1), (2, -1)], unit="sentence"))
    assert data.ids == ("s0", "s2")
    assert data.left_out == {"no label": 4, "empty": 1}
    assert stored.index.sentence[data.rows].tolist() == [0, 2]


def test_wrong_unit_and_wrong_corpus(stored: Activations) -> None:
    with pytest.raises(ConfigError, match="unit='sentence'"):
        stored.units(units_of(CORPUS, [(0, -1)], unit="sentence"))
    other = Corpus([dataclasses.replace(s, split="test") for s in CORPUS], name="other")
    with pytest.raises(StoreError, match="another corpus"):
        stored.units(units_of(other, [(0, 0)]))
