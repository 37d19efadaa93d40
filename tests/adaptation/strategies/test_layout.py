"""Where parameters lie is seen, not looked up."""

from __future__ import annotations

import pytest
import torch
from transformers import AlbertConfig, AlbertModel

from probekit.adaptation.live import Live
from probekit.adaptation.parameter_table import parameter_table
from probekit.adaptation.strategies.layout import drawing, find_layout
from probekit.adaptation.strategy import STRATEGIES, make_tuning
from probekit.errors import ModelError
from probekit.models.load import assemble
from tests.adaptation.strategies.steps import make_live
from tests.tiny_models import tiny_model

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


def test_blocks_that_share_their_weights_cannot_be_told_apart() -> None:
    config = AlbertConfig(
        vocab_size=300, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    module, tokenizer = AlbertModel(config, add_pooling_layer=False), tiny_model("bert").tokenizer
    model = assemble(module, tokenizer, name="shared", revision="", kind="random", start=None)
    for strategy in ("top-k", "gradual", "reinit"):
        with pytest.raises(ModelError, match="by blocks is impossible for this model"):
            make_tuning(STRATEGIES[strategy], {}).prepare(Live(model, 2))
    live = Live(model, 2)
    make_tuning(STRATEGIES["lora"], {}).prepare(live)
    trained = [name for name, p in live.body.named_parameters() if p.requires_grad]
    assert len(trained) == 4
    assert all("attention" in name and ("query" in name or "value" in name) for name in trained)
    assert int(parameter_table(live).set_index("part").trained["all"]) == 2 * (8 * 32 * 2) + 66
