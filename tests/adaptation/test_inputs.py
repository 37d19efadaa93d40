"""What a live model reads of examples, and which pieces stand for each unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from probekit.adaptation.examples import read_examples
from probekit.adaptation.inputs import encode_inputs, make_batch, word_form
from probekit.errors import ConfigError
from tests.tiny_models import tiny_model

WORDS = [["the", "cabinet"], ["dogs"], ["\u200b", "a"]]


def read(kind: str, X: Any, **options: Any) -> Any:
    return encode_inputs(tiny_model(kind), read_examples(X, unit=options.pop("unit", None)), **options)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_pieces_of_every_word(kind: str) -> None:
    inputs = read(kind, WORDS, unit="word")
    tokenizer: Any = tiny_model(kind).tokenizer
    found = [
        tokenizer.decode(inputs.ids[row][inputs.places[unit]]).replace(" ", "").replace("##", "")
        for row in range(2)
        for unit in range(inputs.first[row], inputs.first[row + 1])
    ]
    assert found == ["the", "cabinet", "dogs"]
    alone = tokenizer.tokenize("cabinet" if kind == "bert" else " cabinet")
    assert len(inputs.places[1]) == len(alone)
    assert inputs.first.tolist() == [0, 2, 3, 5]
    if kind == "bert":
        assert inputs.left_out.tolist() == [False, False, False, True, False]


def test_words_are_read_as_the_model_was_trained_to() -> None:
    assert (word_form(tiny_model("bert")), word_form(tiny_model("gpt2"))) == ("words", "surface")
    ids = read("gpt2", [["the", "cat"]], unit="word").ids[0].tolist()
    assert ids == tiny_model("gpt2").tokenizer("the cat")["input_ids"]


def test_pools_of_a_sentence() -> None:
    mean, cls, last = (
        read("bert", ["the cat sat"], pool=pool).places[0].tolist() for pool in ("mean", "cls", "last")
    )
    n = len(tiny_model("bert").tokenizer("the cat sat")["input_ids"])
    assert mean == list(range(1, n - 1))
    assert (cls, last) == ([0], [n - 2])
    with pytest.raises(ConfigError, match="unknown pool 'men'; did you mean 'mean'"):
        read("bert", ["the cat"], pool="men")


def test_pairs_are_joined_as_the_tokenizer_does_it() -> None:
    inputs = read("bert", [("the cat", "dogs run")])
    told = tiny_model("bert").tokenizer("the cat", "dogs run")
    assert inputs.ids[0].tolist() == told["input_ids"]
    assert inputs.types is not None
    assert inputs.types[0].tolist() == told["token_type_ids"]
    assert 0 not in inputs.places[0]
    assert read("roberta", [("the cat", "dogs run")]).types is None


def test_a_batch_pads_on_the_right_and_knows_whose_pieces_are_whose() -> None:
    inputs = read("bert", WORDS, unit="word")
    batch = make_batch(inputs, np.array([1, 0, 2]), 0, torch.device("cpu"))
    lengths = [len(inputs.ids[row]) for row in (1, 0, 2)]
    assert batch.mask is not None
    assert batch.mask.sum(1).tolist() == lengths
    assert batch.units.tolist() == [2, 0, 1, 4]  # the unit without a piece is in no batch
    flat = batch.ids.reshape(-1)
    for at, unit in enumerate(batch.units):
        row = int(np.searchsorted(inputs.first, unit, side="right")) - 1
        wanted = inputs.ids[row][inputs.places[unit]].tolist()
        assert flat[batch.piece[batch.owner == at]].tolist() == wanted
    assert make_batch(inputs, np.array([1]), 0, torch.device("cpu")).mask is None


def test_cut_to_what_is_asked_or_to_what_the_model_reads() -> None:
    assert len(read("bert", ["cat " * 200]).ids[0]) == 64
    inputs = read("bert", ["cat " * 200, "a"], max_pieces=10)
    assert (len(inputs.ids[0]), inputs.truncated) == (10, 1)
    assert len(read("bert", ["cat " * 200], max_pieces=1000).ids[0]) == 64


def test_examples_without_any_piece_are_not_read() -> None:
    assert read("bert", [["\u200b"], ["a"]], unit="word").readable.tolist() == [1]
