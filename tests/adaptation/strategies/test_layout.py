"""Where parameters lie is seen, not looked up."""

from __future__ import annotations

import pytest
import torch

from probekit.adaptation.strategies.layout import drawing, find_layout
from tests.adaptation.strategies.steps import make_live

ABOVE = {
    "bert": set(),
    "roberta": set(),
    "distilbert": set(),
    "bart": set(),
    "gpt2": {"ln_f.weight", "ln_f.bias"},
    "llama": {"norm.weight"},
    "gpt_neox": {"final_layer_norm.weight", "final_layer_norm.bias"},
    "modernbert": {"final_norm.weight"},
    "t5": {"final_layer_norm.weight"},
}


@pytest.mark.parametrize("kind", list(ABOVE))
def test_below_and_above(kind: str) -> None:
    live = make_live(kind)
    live.body.get_input_embeddings().weight.requires_grad_(False)
    asked = [parameter.requires_grad for parameter in live.parameters()]
    layout = find_layout(live)
    names = {id(parameter): name for name, parameter in live.body.named_parameters()}
    assert {names[id(parameter)] for parameter in layout.above} == ABOVE[kind]
    below = {names[id(parameter)] for parameter in layout.below}
    assert below
    assert all("emb" in name or name.startswith(("wte", "wpe")) for name in below)
    parts = [*layout.below, *layout.above, *(p for block in layout.blocks for p in block.parameters())]
    assert sorted(map(id, parts)) == sorted(map(id, live.body.parameters()))
    assert [parameter.requires_grad for parameter in live.parameters()] == asked
    assert all(parameter.grad is None for parameter in live.parameters())


def test_drawing_leaves_the_global_state_alone() -> None:
    live = make_live("bert", seed=4)
    state = torch.get_rng_state()
    with drawing(live):
        first = torch.rand(3)
    with drawing(live):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), state)
