"""Blocks that are passed by, attention and feed-forward parts that add nothing."""

from __future__ import annotations

import threading

import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, ModelError
from tests.erasure.edited_weights import BLOCKS, KINDS, all_states, copy_of, prefix, projections, some_ids
from tests.tiny_models import ALL_KINDS, TEXTS, tiny_model


def inside(model, edits, ids):  # type: ignore[no-untyped-def]
    with pk.edit_all(model, edits):
        return all_states(model, ids)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_block_passed_by_hands_its_input_on(kind: str) -> None:
    model = tiny_model(kind)
    p = "encoder." if model.start_piece is not None else ""
    ids = some_ids(model)
    before = all_states(model, ids)
    found = inside(model, pk.ablate_layers(model, [f"{p}1"]), ids)
    assert torch.equal(found[f"{p}0"], before[f"{p}0"])
    assert torch.equal(found[f"{p}1"], before[f"{p}0"])
    assert not torch.equal(found[f"{p}2"], before[f"{p}2"])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_it_equals_a_model_without_the_block(kind: str) -> None:
    model, changed = tiny_model(kind), copy_of(kind)
    ids = some_ids(model)
    del BLOCKS[kind](changed.module)[0]
    changed.module.config.num_hidden_layers = 1
    own = {} if kind == "bert" else {"use_cache": False}
    expected = changed.module(input_ids=ids, **own).last_hidden_state
    found = inside(model, pk.ablate_layers(model, [1]), ids)
    torch.testing.assert_close(found[model.layers[-1]], expected, atol=1e-6, rtol=1e-6)


def test_two_blocks_in_a_row() -> None:
    model = tiny_model("gpt2")
    ids = some_ids(model)
    found = inside(model, pk.ablate_layers(model, "all"), ids)
    assert torch.equal(found["2"], found["0"])
    assert torch.equal(found["0"], all_states(model, ids)["0"])


def test_the_input_is_what_an_outer_edit_made_of_it() -> None:
    model = tiny_model("gpt2")
    ids = some_ids(model)
    with pk.edit(model, 1, lambda states: states + 1.0):
        found = inside(model, pk.ablate_layers(model, [2]), ids)
    assert torch.equal(found["2"], all_states(model, ids)["1"] + 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["attention", "mlp"])
def test_a_part_that_adds_nothing(kind: str, part: pk.erasure.layer_ablation.BlockPart) -> None:
    model, changed, p = tiny_model(kind), copy_of(kind), prefix(kind)
    ids = some_ids(model)
    attention, down = projections(changed, kind, 2)
    with torch.no_grad():
        if part == "attention":
            attention.weight.zero_()
            if getattr(attention, "bias", None) is not None:
                attention.bias.zero_()
        else:
            down.weight.zero_()
    found = inside(model, pk.ablate_layers(model, [f"{p}2"], part), ids)
    expected, before = all_states(changed, ids), all_states(model, ids)
    torch.testing.assert_close(found[f"{p}2"], expected[f"{p}2"], atol=1e-6, rtol=1e-6)
    assert not torch.equal(found[f"{p}2"], before[f"{p}2"])


@pytest.mark.parametrize(("part", "site"), [("attention", "attention_output"), ("mlp", "mlp")])
def test_a_mean_part(part: pk.erasure.layer_ablation.BlockPart, site: pk.models.hooks.edit.Site) -> None:
    model = tiny_model("bert")
    means = pk.site_means(model, TEXTS, [1], site)["1"]
    with pk.edit_all(model, pk.ablate_layers(model, [1], part, "mean", TEXTS)):
        states = model.states(some_ids(model), None, [1], site=site)["1"]
    torch.testing.assert_close(states, torch.from_numpy(means).float().expand_as(states))


def test_threads_do_not_share_what_a_block_was_given() -> None:
    model = tiny_model("gpt2")
    edits = pk.ablate_layers(model, [2])
    found: dict[int, bool] = {}

    def read(number: int) -> None:
        ids = some_ids(model, TEXTS[number])
        good = []
        with pk.edit_all(model, edits):
            for _ in range(20):
                states = model.states(ids, None, [1, 2])
                good.append(torch.equal(states["1"], states["2"]))
        found[number] = all(good)

    threads = [threading.Thread(target=read, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: True, 1: True}


def test_half_of_the_edits_is_refused() -> None:
    model = tiny_model("gpt2")
    with (
        pytest.raises(ModelError, match="was not seen"),
        pk.edit_all(model, pk.ablate_layers(model, [2])[1:]),
    ):
        model.states(some_ids(model), None, [2])


def test_what_is_refused() -> None:
    model = tiny_model("gpt2")
    with pytest.raises(ConfigError, match="layer '0' is no block"):
        pk.ablate_layers(model, [0])
    with pytest.raises(ConfigError, match="layer 'final' is no block"):
        pk.ablate_layers(model, ["final"])
    with pytest.raises(ConfigError, match="did you mean 'attention'"):
        pk.ablate_layers(model, [1], "atention")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="by handing its input on"):
        pk.ablate_layers(model, [1], how="mean", reference=TEXTS)
    with pytest.raises(ConfigError, match="needs a reference"):
        pk.ablate_layers(model, [1], "mlp", "mean")
