"""Fresh modules: transformers' own initialisation, decided by the seed alone."""

from __future__ import annotations

import pytest
import torch

from probekit.models.training.architecture import build_module
from probekit.models.training.config import FAMILIES, load_config
from probekit.models.training.tokenizer import make_tokenizer
from tests.models.training.tiny import TEXTS, masked, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seed_decides_and_leaves_no_trace(family: str) -> None:
    base = tiny if family in ("gpt2", "llama") else masked

    def build(seed: int) -> dict[str, torch.Tensor]:
        config = load_config(base(model={"family": family}, seed=seed))
        module = build_module(config, make_tokenizer(config, TEXTS))
        assert module.config.vocab_size == len(make_tokenizer(config, TEXTS))
        return dict(module.state_dict())

    before = torch.get_rng_state()
    one, same, other = build(1), build(1), build(2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    matrices = [name for name in one if one[name].dim() > 1]
    assert all(not torch.equal(one[name], other[name]) for name in matrices if one[name].shape[0] > 1)


@pytest.mark.parametrize("family", ["bert", "roberta", "roberta-prelayernorm"])
def test_as_many_positions_as_asked_for(family: str) -> None:
    config = load_config(masked(model={"family": family, "positions": 20}))
    module = build_module(config, make_tokenizer(config, TEXTS)).eval()
    assert module(torch.full((1, 20), 6)).logits.shape[1] == 20


@pytest.mark.parametrize("family", FAMILIES)
def test_the_spread_of_fresh_weights_is_as_asked_for(family: str) -> None:
    base = tiny if family in ("gpt2", "llama") else masked
    config = load_config(base(model={"family": family, "init": 0.3}))
    module = build_module(config, make_tokenizer(config, TEXTS))
    embedding = module.get_input_embeddings().weight.detach()
    assert 0.25 < float(embedding.std()) < 0.35
