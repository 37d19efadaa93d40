"""Value zeroing in one pass against one pass per piece and layer with a hook on the value map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.attention.value_zeroing import zeroed_distances
from probekit.errors import ConfigError, ModelError
from tests.attention.flow_twins import zeroed_by_hooks
from tests.tiny_models import tiny_model

TEXT = "The keys to the cabinet are here"


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "llama", "distilbert"])
@pytest.mark.parametrize("pieces_at_once", [10_000, 1])
def test_equals_one_piece_and_one_layer_at_a_time(kind: str, pieces_at_once: int) -> None:
    model = tiny_model(kind)
    ids = torch.tensor(model.tokenizer([TEXT]).input_ids)[:, :7]
    found = zeroed_distances(model, ids, ("1", "2"), pieces_at_once)
    for number in (1, 2):
        expected = zeroed_by_hooks(model, ids, number)
        assert expected.max() > 1e-5
        np.testing.assert_allclose(found[number - 1].numpy(), expected, rtol=1e-2, atol=1e-8)


def test_rows_are_shares_and_the_model_is_left_as_it_was() -> None:
    model = tiny_model("gpt2")
    ids = torch.tensor(model.tokenizer([TEXT]).input_ids)
    before = model.states(ids, None, [2])["2"]
    found = pk.value_zeroing(model, TEXT, level="piece").map(2)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(np.triu(found, 1)).max() < 1e-5  # nothing comes from behind
    assert torch.equal(model.states(ids, None, [2])["2"], before)
    assert not model.module.config._attn_implementation.startswith("probekit")


def test_an_encoder_decoder_is_read_in_its_encoder() -> None:
    found = pk.value_zeroing(tiny_model("bart"), TEXT)
    assert found.layers == ("encoder.1", "encoder.2")
    with pytest.raises(ConfigError, match=r"not in decoder\.1"):
        pk.value_zeroing(tiny_model("bart"), TEXT, ["decoder.1"])


def test_a_family_whose_values_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.models.attention_edits.looked_up_by_name", lambda model: False)
    with pytest.raises(ModelError, match="out of sight, so that they cannot be changed; rollout, flow"):
        pk.value_zeroing(tiny_model("t5"), TEXT)


def test_edits_in_force_are_heeded() -> None:
    model = tiny_model("bert")
    plain = pk.value_zeroing(model, TEXT).map(2)
    with pk.edit(model, 1, lambda states: states.flip(-1)):
        assert not np.allclose(pk.value_zeroing(model, TEXT).map(2), plain, atol=1e-3)
