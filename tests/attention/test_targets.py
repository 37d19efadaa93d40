"""Which pieces are punctuation, by what they spell."""

from __future__ import annotations

import pytest
import torch

from probekit.attention.targets import find_punctuation, visible_in
from tests.tiny_models import ALL_KINDS, tiny_model


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_punctuation_is_what_is_spelt_with_it_alone(kind: str) -> None:
    model = tiny_model(kind)
    found = find_punctuation(model, range(len(model.tokenizer)))
    for text, expected in ((",", True), (".", True), (";", True), ("cat", False), ("$", False), ("3", False)):
        pieces = model.tokenizer(f"a {text}", add_special_tokens=False).input_ids
        assert bool(found[pieces[-1]]) == expected, text
    assert found.shape == (model.vocabulary,)


def test_marks_of_word_pieces_are_no_punctuation() -> None:
    model = tiny_model("bert")
    vocabulary = model.tokenizer.get_vocab()
    found = find_punctuation(model, vocabulary.values())
    inside = {piece: bool(found[number]) for piece, number in vocabulary.items() if piece.startswith("##")}
    assert inside
    assert {piece for piece, is_one in inside.items() if is_one} <= {"##,", "##.", "##'", "##;", "##!", "##-"}


def test_only_pieces_asked_for_are_looked_at() -> None:
    model = tiny_model("bert")
    comma = model.tokenizer.convert_tokens_to_ids(",")
    assert find_punctuation(model, [comma]).nonzero().tolist() == [[comma]]
    assert not find_punctuation(model, []).any()


def test_visible_where_any_head_of_any_sentence_looks() -> None:
    weights = torch.zeros(2, 2, 2, 2)
    weights[0, 1, 0, 0] = weights[1, 0, 1, 0] = 1.0
    assert visible_in(weights).tolist() == [[[[True, False], [True, False]]]]
