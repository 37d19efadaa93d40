"""The lean forward pass: losses and gradients are transformers' own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import DistilBertConfig, DistilBertForMaskedLM, GPT2Config, GPT2LMHeadModel

from probekit.models.training.architecture import build_module
from probekit.models.training.config import FAMILIES, load_config
from probekit.models.training.lean import Whole, lean_forward
from probekit.models.training.tokenizer import make_tokenizer
from tests.models.training.tiny import TEXTS, masked, tiny


def built(family: str, *, dropout: float = 0.0, **model: Any) -> Any:
    base = tiny if family in ("gpt2", "llama") else masked
    config = load_config(
        base(model={"family": family, "layers": 2, "width": 24, "dropout": dropout, **model})
    )
    module = build_module(config, make_tokenizer(config, TEXTS)).train()
    with torch.no_grad():  # away from biases of 0 and norms of 1
        generator = torch.Generator().manual_seed(3)
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def taught(module: Any, forward: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, module.config.vocab_size, (3, 9), generator=generator)
    positions = torch.tensor([0, 4, 11, 17, 25])
    labels = torch.tensor([5, 6, 7, 8, 9])
    module.zero_grad()
    loss = functional.cross_entropy(forward(ids, positions), labels)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    return loss.detach(), gradients


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_transformers(family: str) -> None:
    module = built(family)
    forward = lean_forward(module)
    assert forward.name != "transformers"
    ours, our_gradients = taught(module, forward)
    theirs, their_gradients = taught(module, Whole(module))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    # transformers reads two kinds of places with every row at zero gradient; names must agree all the same
    assert set(our_gradients) == set(their_gradients)
    for name, gradient in their_gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_llama_with_fewer_keys_than_queries() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=40, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, max_position_embeddings=16, attention_bias=True, mlp_bias=True,
    )  # fmt: skip
    module = LlamaForCausalLM(config).train()
    ours, our_gradients = taught(module, lean_forward(module))
    theirs, their_gradients = taught(module, Whole(module))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    for name, gradient in their_gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_acts_in_training_only(family: str) -> None:
    module = built(family, dropout=0.3)
    forward = lean_forward(module)
    ids, positions = torch.arange(5, 15)[None], torch.tensor([2, 5])
    assert not torch.equal(forward(ids, positions), forward(ids, positions))
    module.eval()
    torch.testing.assert_close(forward(ids, positions), Whole(module)(ids, positions), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "roberta-prelayernorm"])
def test_dropout_takes_out_what_transformers_takes_out(family: str) -> None:
    """In expectation: the mean loss over many draws is the same, and away from that without dropout."""
    module = built(family, dropout=0.2)
    with torch.no_grad():
        ids, positions = torch.arange(5, 15)[None].repeat(64, 1), torch.arange(640)
        torch.manual_seed(0)
        spreads = [
            torch.stack([forward(ids, positions).view(64, 10, -1).var(dim=0).mean() for _ in range(8)]).mean()
            for forward in (lean_forward(module), Whole(module))
        ]
    assert 0.9 < float(spreads[0] / spreads[1]) < 1.1


def test_other_families_and_settings_use_transformers_own() -> None:
    distil = DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=40, dim=16, n_heads=2, n_layers=1, hidden_dim=32)
    )
    forward = lean_forward(distil)
    assert forward.name == "transformers"
    ids = torch.tensor([[5, 6, 7]])
    distil.eval()
    torch.testing.assert_close(forward(ids, torch.tensor([1])), distil(ids).logits[0, 1:2])
    odd = GPT2LMHeadModel(
        GPT2Config(vocab_size=40, n_embd=16, n_head=2, n_layer=1, scale_attn_by_inverse_layer_idx=True)
    )
    assert lean_forward(odd).name == "transformers"
