"""Batches: every piece once an epoch, nothing padded, any place of the order found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.models.training.batches import Batches, Pieces, encode_texts
from probekit.models.training.config import BatchPlan, load_config
from probekit.models.training.tokenizer import make_tokenizer
from tests.models.training.tiny import TEXTS, masked, tiny
from tests.tiny_models import tiny_folder


def numbered(lengths: list[int]) -> Pieces:
    """Texts whose pieces are all different, so that each can be told."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Pieces(np.arange(starts[-1], dtype=np.int32), starts)


def test_a_text_stands_between_begin_and_end() -> None:
    tokenizer = make_tokenizer(load_config(tiny()), TEXTS)
    pieces = encode_texts(tokenizer, ["the dog sings .", "the cat"])
    assert tokenizer.convert_ids_to_tokens(pieces.text(0).tolist()) == [
        "[CLS]",
        "the",
        "dog",
        "sings",
        ".",
        "[SEP]",
    ]
    assert tokenizer.convert_ids_to_tokens(pieces.text(1).tolist()) == ["[CLS]", "the", "cat", "[SEP]"]
    assert len(pieces) == 2


def test_one_piece_for_begin_and_end_stands_once() -> None:
    tokenizer = make_tokenizer(load_config(tiny(tokenizer={"from": str(tiny_folder("gpt2"))})), TEXTS)
    pieces = encode_texts(tokenizer, ["cats", "dogs"])
    assert (pieces.ids == tokenizer.bos_token_id).sum() == 2
    assert pieces.text(0)[-1] != tokenizer.bos_token_id


def test_marked_are_the_pieces_that_share_a_letter() -> None:
    tokenizer = make_tokenizer(load_config(masked(tokenizer={"kind": "wordpiece", "size": 70})), TEXTS)
    text = "the kingdoms fall"
    pieces = encode_texts(tokenizer, [text], [[(4, 12)]])
    assert pieces.marks is not None
    marked = tokenizer.convert_ids_to_tokens(pieces.ids[pieces.marks].tolist())
    assert "".join(piece.removeprefix("##") for piece in marked) == "kingdoms"


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(3, 30), min_size=4, max_size=40),
    st.integers(2, 12),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_packed_rows_cover_the_texts_in_order(lengths: list[int], length: int, rows: int, epoch: int) -> None:
    pieces, plan = numbered(lengths), BatchPlan(pieces=length * rows, length=length)
    if sum(lengths) < length * rows:
        with pytest.raises(DataError, match="smaller than one batch"):
            Batches(pieces, plan, 7)
        return
    batches = Batches(pieces, plan, 7)
    order = np.random.default_rng([7, epoch]).permutation(len(lengths))
    stream = np.concatenate([pieces.text(number) for number in order])  # the slow way
    found = list(batches.epoch(epoch))
    assert len(found) == batches.per_epoch == len(stream) // (length * rows)
    assert all(batch.ids.shape == (rows, length) for batch in found)
    read = np.concatenate([batch.ids.reshape(-1) for batch in found])
    np.testing.assert_array_equal(read, stream[: len(read)])
    for skip in {0, 1, len(found) // 2, len(found)}:
        for one, other in zip(found[skip:], batches.epoch(epoch, skip), strict=True):
            np.testing.assert_array_equal(one.ids, other.ids)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(3, 9), min_size=8, max_size=40), st.integers(0, 3))
def test_texts_apart_are_read_once_each(lengths: list[int], epoch: int) -> None:
    pieces = numbered(lengths)
    batches = Batches(pieces, BatchPlan(pieces=16, length=8, pack=False), 3)
    found = list(batches.epoch(epoch))
    assert len(found) == batches.per_epoch
    rows = sorted(tuple(row) for batch in found for row in batch.ids.tolist())
    assert rows == sorted(tuple(pieces.text(n).tolist()) for n, size in enumerate(lengths) if size <= 8)
    assert batches.left_out == sum(size > 8 for size in lengths)
    assert all(batch.ids.size <= 16 for batch in found)
    rest = list(batches.epoch(epoch, 2))
    assert [b.ids.tolist() for b in found[2:]] == [b.ids.tolist() for b in rest]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    pieces, plan = numbered([5] * 40), BatchPlan(pieces=20, length=10)

    def first(seed: int, epoch: int) -> list[list[int]]:
        return next(Batches(pieces, plan, seed).epoch(epoch)).ids.tolist()

    assert first(0, 0) != first(0, 1)
    assert first(0, 0) != first(1, 0)
    assert first(0, 1) == first(0, 1)


def test_smaller_than_a_batch_says_how_much_there_is() -> None:
    with pytest.raises(DataError, match="12 pieces to train on, and a batch holds 20"):
        Batches(numbered([6, 6]), BatchPlan(pieces=20, length=10), 0)
    with pytest.raises(DataError, match=r"0 pieces to train on \(2 texts are longer than batches.length\)"):
        Batches(numbered([16, 16]), BatchPlan(pieces=20, length=10, pack=False), 0)
