"""Heads taken out by a hook equal weights set to zero, read by hand-written names from the state dict."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers.pytorch_utils import Conv1D

import probekit as pk
from probekit.models import load_model
from probekit.models.model import Model
from tests.models.hooks.passes import draw, padded, whole, zero, zero_head
from tests.tiny_models import ALL_KINDS, tiny_folder, tiny_model

OUTPUT_PROJECTION = {
    "bert": "encoder.layer.{}.attention.output.dense",
    "roberta": "encoder.layer.{}.attention.output.dense",
    "gpt2": "h.{}.attn.c_proj",
    "llama": "layers.{}.self_attn.o_proj",
    "t5": "block.{}.layer.0.SelfAttention.o",
    "bart": "layers.{}.self_attn.out_proj",
    "gpt_neox": "layers.{}.attention.dense",
    "modernbert": "layers.{}.attn.Wo",
    "distilbert": "transformer.layer.{}.attention.out_lin",
}


def layers_of(model: Model) -> list[str]:
    return [layer for layer in model.layers if layer.rpartition(".")[2] not in ("0", "final")]


def without(model: Model, kind: str, layer: str, head: int | None) -> torch.nn.Module:
    """A copy of the module with a layer's weights of one head, or of all, set to zero; the bias is kept."""
    module = copy.deepcopy(model.module)
    stack, _, number = layer.rpartition(".")
    name = OUTPUT_PROJECTION[kind].format(int(number) - 1)
    part = module.get_submodule(f"{stack}.{name}" if stack else name)
    weight = part.weight.T if isinstance(part, Conv1D) else part.weight  # [out, heads x dim of a head]
    width = weight.shape[1] // model.n_heads
    columns = slice(None) if head is None else slice(head * width, (head + 1) * width)
    weight[:, columns] = 0
    return module


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_all_heads_of_a_layer(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    plain = whole(model.module, ids, mask).last_hidden_state
    for layer in layers_of(model):
        truth = whole(without(model, kind, layer, None), ids, mask).last_hidden_state
        with pk.edit(model, layer, zero, site="heads"):
            edited = whole(model.module, ids, mask).last_hidden_state
        torch.testing.assert_close(edited, truth, rtol=0, atol=1e-6)
        assert float((edited - plain).abs().max()) > 1e-3  # the heads did something


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5", "distilbert"])
def test_transformers_own_mask_of_heads_does_nothing(kind: str, attention: str) -> None:
    """Why there is a hook: the argument is taken and ignored."""
    model = load_model(str(tiny_folder(kind)), device="cpu", attention=attention)
    ids = draw(model)
    plain = whole(model.module, ids).last_hidden_state
    masked = whole(model.module, ids, head_mask=torch.zeros(2, model.n_heads)).last_hidden_state
    assert torch.equal(plain, masked)
    with pk.edit(model, layers_of(model)[0], zero, site="heads"):
        assert not torch.allclose(whole(model.module, ids).last_hidden_state, plain, atol=1e-3)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_one_head(kind: str) -> None:
    model = tiny_model(kind)
    ids = draw(model)
    plain = whole(model.module, ids).last_hidden_state
    layer = layers_of(model)[-1]
    seen = []
    for head in range(model.n_heads):
        truth = whole(without(model, kind, layer, head), ids).last_hidden_state
        with pk.edit(model, layer, zero_head(head), site="heads"):
            edited = whole(model.module, ids).last_hidden_state
        torch.testing.assert_close(edited, truth, rtol=0, atol=1e-6)
        assert float((edited - plain).abs().max()) > 1e-4
        seen.append(edited)
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_head_is_what_one_attention_pattern_made(kind: str) -> None:
    """Each head's output is its attention matrix times values, and the value of a piece knows of no other piece.

    So values solved from it do not change at other places when a piece is changed. With dimensions of other heads
    mixed in there would be no such solution.
    """
    found = tiny_model(kind)
    module = copy.deepcopy(found.module).double()
    module.set_attn_implementation("eager")
    stack = "encoder." if found.start_piece is not None else ""
    if stack:
        module = module.get_encoder()
    name = OUTPUT_PROJECTION[kind].format(0)
    caught: list[torch.Tensor] = []
    module.get_submodule(name).register_forward_pre_hook(lambda _, args: caught.append(args[0]))
    ids = draw(found, rows=1, pieces=4)
    other = ids.clone()
    other[0, 2] = ids[0, 2] + 1
    values = []
    for row in (ids, other):
        with torch.no_grad():
            attention = module(input_ids=row, output_attentions=True, return_dict=True).attentions[0][0]
        made = (
            caught[-1][0].unflatten(-1, (found.n_heads, -1)).transpose(0, 1)
        )  # [heads, pieces, dim of a head]
        values.append(torch.linalg.solve(attention, made))
    change = (values[0] - values[1]).abs().amax(dim=(0, 2))
    assert change[2] > 1e-3
    assert float(change[[0, 1, 3]].max()) < 1e-6 * float(change[2])
