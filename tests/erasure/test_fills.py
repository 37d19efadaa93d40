"""What may stand for a hidden word, by tokenizer and by kind of model."""

from __future__ import annotations

import pytest

from probekit.erasure.fills import fill_piece, sees_ahead, shown_piece
from tests.tiny_models import tiny_model


@pytest.mark.parametrize(
    ("kind", "ahead", "piece"),
    [("bert", True, "[MASK]"), ("roberta", True, "<mask>"), ("llama", False, "<unk>"), ("bert", False, "[UNK]"),
     ("t5", True, "<unk>")],
)  # fmt: skip
def test_the_mask_piece_or_the_unknown_one(kind: str, ahead: bool, piece: str) -> None:
    found, reason = fill_piece(tiny_model(kind), sees_ahead=ahead)
    assert found is not None
    assert shown_piece(tiny_model(kind), found) == piece
    assert reason == ""


def test_a_piece_that_ends_texts_is_not_neutral() -> None:
    found, reason = fill_piece(tiny_model("gpt2"), sees_ahead=False)
    assert found is None
    assert "<|endoftext|>" in reason


@pytest.mark.parametrize(
    ("kind", "layer", "ahead"),
    [("bert", "1", True), ("bert", "0", True), ("gpt2", "1", False), ("llama", "0", False), ("t5", "encoder.1", True),
     ("t5", "decoder.1", True), ("bart", "encoder.0", True)],
)  # fmt: skip
def test_direction_is_seen_not_believed(kind: str, layer: str, ahead: bool) -> None:
    # a decoder of an encoder-decoder reads behind an encoder that sees all of the text
    assert sees_ahead(tiny_model(kind), layer) is ahead
