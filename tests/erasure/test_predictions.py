"""A prediction of one's own: anything that can be bound to a model and texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.data.sentence import Sentence
from probekit.erasure.predictions import Bound, nothing_to_read
from probekit.errors import ConfigError
from probekit.models import Model
from tests.tiny_models import tiny_lm, tiny_model


class Norm:
    """The length of a sentence's vector at a layer."""

    name = "length of the sentence's vector"
    unit = "units of the layer"

    def __init__(self, layer: int) -> None:
        self.layer = layer

    def bind(self, model: Model, sentences: Sequence[Sentence]) -> Bound:
        return pk.ProbeOutput(lambda rows: np.linalg.norm(rows, axis=1), self.layer).bind(model, sentences)


def test_a_prediction_of_ones_own() -> None:
    model, text = tiny_model("bert"), "the jalapeños cat"
    found = pk.word_importance(model, text, Norm(1), "delete")

    def norm(text: str) -> float:
        ids = torch.tensor([model.tokenizer(text).input_ids])
        return float(model.states(ids, None, [1])["1"][0, 1:-1].mean(0).norm())

    expected = [norm(text) - norm(left) for left in ("jalapeños cat", "the cat", "the jalapeños")]
    assert np.allclose(found.texts[0].importance, expected, atol=1e-5)
    assert "length of the sentence's vector" in found.summary
    assert found.unit == "units of the layer"


def test_one_without_gradients_says_so() -> None:
    bound = Norm(1).bind(tiny_model("bert"), [Sentence.from_text("s", "the cat")])
    with pytest.raises(ConfigError, match="no gradient"):
        bound.differentiable(torch.zeros(1, 32), torch.zeros(1, dtype=torch.int64))


def test_a_look_at_nothing_has_a_reason_and_no_question() -> None:
    look = nothing_to_read("too long")
    assert look.left_out == "too long"
    assert len(look.input) == 0


def test_importance_inside_an_edit_is_that_of_the_edited_model() -> None:
    model, predict = tiny_lm("gpt2"), pk.LogOdds("sat", "dogs")
    plain = pk.word_importance(model, "the cat", predict, "delete").texts[0]
    with pk.edit_all(model, pk.ablate_layers(model, [1, 2])):
        inside = pk.word_importance(model, "the cat", predict, "delete").texts[0]
    again = pk.word_importance(model, "the cat", predict, "delete").texts[0]
    # without blocks a piece knows itself and its place: the last piece moves when the first word goes
    assert not np.allclose(inside.importance, plain.importance, atol=1e-3)
    assert again.importance.tolist() == plain.importance.tolist()
