"""Dimensions of the embedding and of chosen layers."""

from __future__ import annotations

import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError
from tests.erasure.edited_weights import all_states, some_ids
from tests.tiny_models import TEXTS, tiny_model


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "t5"])
def test_the_embedding_loses_them_and_the_model_reads_that(kind: str) -> None:
    model = tiny_model(kind)
    ids = some_ids(model)
    before = model.states(ids, None, "all")
    with pk.edit_all(model, pk.ablate_dimensions(model, [0, 7])):
        after = model.states(ids, None, "all")
    for layer, state in after.items():
        if layer.rpartition(".")[2] == "0":
            expected = before[layer].clone()
            expected[..., [0, 7]] = 0
            assert torch.equal(state, expected)
        else:
            assert not torch.equal(state, before[layer])


def test_it_equals_a_model_given_other_embeddings() -> None:
    model = tiny_model("llama")
    ids = some_ids(model)
    embedded = model.module.get_input_embeddings()(ids).clone()
    embedded[..., 3] = 0
    expected = model.module(inputs_embeds=embedded).last_hidden_state
    with pk.edit_all(model, pk.ablate_dimensions(model, [3])):
        found = model.states(ids, None, ["final"])["final"]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_chosen_layers_keep_only_and_mean() -> None:
    model = tiny_model("bert")
    ids = some_ids(model)
    before = all_states(model, ids)
    means = pk.site_means(model, TEXTS, [1, 2])
    edits = pk.ablate_dimensions(model, range(31), layers=[2], how="mean", reference=means, keep_only=True)
    with pk.edit_all(model, edits):
        after = all_states(model, ids)
    assert torch.equal(after["1"], before["1"])
    assert torch.equal(after["2"][..., :31], before["2"][..., :31])
    torch.testing.assert_close(after["2"][0, :, 31], torch.full((ids.shape[1],), float(means["2"][31])))


def test_what_is_refused() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="no dimension 32 of 32"):
        pk.ablate_dimensions(model, [32])
    with pytest.raises(ConfigError, match="no dimension was chosen"):
        pk.ablate_dimensions(model, [])
    with pytest.raises(ConfigError, match="give a list of dimensions"):
        pk.ablate_dimensions(model, 3)  # type: ignore[arg-type]
