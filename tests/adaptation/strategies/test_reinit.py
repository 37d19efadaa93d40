"""New upper blocks: those of a fresh model, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from probekit.errors import ConfigError
from probekit.models.twins import random_twin
from tests.adaptation.strategies.steps import changed, make_live, prepared, snapshot
from tests.tiny_models import tiny_model


@pytest.mark.parametrize(
    ("kind", "options", "drawn"),
    [
        ("bert", {}, "body.encoder.layer.1."),
        ("gpt2", {"k": "half"}, "body.h.1."),
        ("llama", {"k": 2}, "body.layers."),
        ("t5", {}, "body.block.1."),
    ],
)
def test_only_the_upper_blocks_are_drawn_anew(kind: str, options: dict[str, Any], drawn: str) -> None:
    plain = make_live(kind, seed=7)
    live, _ = prepared(kind, "reinit", seed=7, **options)
    names = {name for name in plain.state_dict() if name.startswith(drawn)}
    assert changed(snapshot(plain), live) == names != set()
    twin = random_twin(tiny_model(kind), 7).module
    fresh = dict((twin.get_encoder() if kind == "t5" else twin).named_parameters())
    now = dict(live.named_parameters())
    assert all(torch.equal(now[name], fresh[name.removeprefix("body.")]) for name in names)
    assert all(parameter.requires_grad for parameter in live.parameters())


@pytest.mark.parametrize("strategy", ["reinit", "top-k"])
@pytest.mark.parametrize("k", [0, 3, True, "all", 1.0])
def test_so_many_blocks_there_are_not(strategy: str, k: object) -> None:
    with pytest.raises(ConfigError, match=rf"'{strategy}': k is 'half' or 1 to 2, the number of blocks; got"):
        prepared("bert", strategy, k=k)
