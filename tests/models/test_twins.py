"""Random twins: fresh weights by the family's own initialisation, repeatable, and no trace left in torch."""

from __future__ import annotations

import pytest
import torch

from probekit.errors import ConfigError
from probekit.models import Model, random_twin, random_twins
from tests.tiny_models import KINDS, tiny_model


def norms_and_biases(model: Model) -> list[tuple[str, torch.Tensor]]:
    return [(name, p) for name, p in model.module.named_parameters() if p.ndim == 1]


@pytest.mark.parametrize("kind", KINDS)
def test_same_shape_nothing_copied(kind: str) -> None:
    model = tiny_model(kind)
    twin = random_twin(model, 0)
    assert (twin.kind, twin.name) == ("random", f"{model.name}#twin-0")
    for fact in (
        "family",
        "layers",
        "dim",
        "max_pieces",
        "dtype",
        "device",
        "attention",
        "tokenizer_fingerprint",
    ):
        assert getattr(twin, fact) == getattr(model, fact), fact
    old, new = model.module.state_dict(), twin.module.state_dict()
    assert list(old) == list(new)
    assert not [name for name in old if old[name].is_floating_point() and torch.equal(old[name], new[name])]
    for name, parameter in norms_and_biases(twin):
        constant = 0.0 if name.endswith("bias") else 1.0
        assert torch.equal(parameter, torch.full_like(parameter, constant)), name
    for name, parameter in twin.module.named_parameters():
        assert parameter.isfinite().all()
        assert parameter.ndim == 1 or parameter.std() > 1e-3, name


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: str) -> None:
    model = tiny_model(kind)
    first, again, second = random_twin(model, 0), random_twin(model, 0), random_twin(model, 1)
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != second.fingerprint != model.fingerprint


def test_global_random_state_stays() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_twin(tiny_model("bert"), 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_ties_are_kept(kind: str) -> None:
    module = random_twin(tiny_model(kind), 0).module
    pointers = {module.shared.weight.data_ptr()} | {
        stack.embed_tokens.weight.data_ptr() for stack in (module.encoder, module.decoder)
    }
    assert len(pointers) == 1


def test_the_state_of_a_twin_is_raw_too() -> None:
    twin = random_twin(tiny_model("gpt2"), 0)
    states = twin.states(torch.tensor([[5, 6, 7]]), None, ["2", "final"])
    assert not torch.allclose(states["2"], states["final"])
    assert not twin.module.training


def test_several() -> None:
    names = [twin.name.rpartition("#")[2] for twin in random_twins(tiny_model("bert"), 3, first_seed=2)]
    assert names == ["twin-2", "twin-3", "twin-4"]


@pytest.mark.parametrize("seed", [-1, True, 0.5])
def test_seeds_are_whole_numbers(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed of a twin"):
        random_twin(tiny_model("bert"), seed)  # type: ignore[arg-type]


def test_no_twins_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        random_twins(tiny_model("bert"), 0)
