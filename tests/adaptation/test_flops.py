"""The estimate of arithmetic against torch's own counter, which sees every product that is computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from probekit.adaptation.flops import count_flops
from probekit.adaptation.inputs import Batch
from probekit.adaptation.live import Live
from probekit.adaptation.strategy import find_strategy, make_tuning
from probekit.models.ref import ModelRef
from tests.tiny_models import tiny_folder


def eager(kind: str) -> Live:
    return Live(ModelRef(name=str(tiny_folder(kind)), attention="eager", device="cpu").load(), 3)


def counted(live: Live, n: int) -> tuple[int, int]:
    """Operations of reading one text of n pieces, and of training on it, by torch's counter."""
    places = torch.arange(n)
    batch = Batch(places[None] % 40, None, None, places, torch.zeros_like(places), np.zeros(1, np.int64))
    with FlopCounterMode(display=False) as counter:
        outputs = live(batch)
        forward = counter.get_total_flops()
        outputs.sum().backward()
    return forward, counter.get_total_flops()


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "modernbert", "t5"])
def test_families_equal_the_counter(kind: str) -> None:
    live = eager(kind)
    found = count_flops(live)
    assert live.training
    for n in (1, 9, 17):
        assert (found.predicting([n]), found.training([n])) == counted(live, n)
    assert found.training([9, 17], epochs=2) == 2 * (counted(live, 9)[1] + counted(live, 17)[1])


@pytest.mark.parametrize(
    ("strategy", "options"),
    [("head-only", {}), ("top-k", {"k": 1}), ("lora", {}), ("pfeiffer", {}), ("prompt", {})],
)
def test_strategies_equal_the_counter(strategy: str, options: dict[str, int]) -> None:
    live = eager("bert")
    make_tuning(find_strategy(strategy), options).prepare(live)
    found = count_flops(live)
    assert (found.predicting([9]), found.training([9])) == counted(live, 9)


def test_full_training_is_three_forward_passes_and_a_head_alone_one() -> None:
    live = eager("bert")
    everything = count_flops(live)
    assert everything.training([5]) == 3 * everything.predicting([5])
    live.body.requires_grad_(False)
    alone = count_flops(live)
    head = 2 * 32 * 3
    assert alone.training([5]) == alone.predicting([5]) + head
    assert everything.predicting([5]) == alone.predicting([5])


def test_by_hand() -> None:
    # BERT, 2 blocks of width 32 and 64 between: 4 d^2 + 2 d f numbers in matrices of a block
    live = eager("bert")
    n, d, f = 7, 32, 64
    block = 2 * n * (4 * d * d + 2 * d * f) + 4 * n * n * d
    assert count_flops(live).predicting([n]) == 2 * block + 2 * d * 3


def test_fused_attention_counts_as_plain() -> None:
    for kind in ("bert", "llama"):
        live = eager(kind)
        ref = ModelRef(name=str(tiny_folder(kind)), attention="eager", device="cpu")
        fused = Live(replace(ref, attention="sdpa").load(), 3)
        assert count_flops(fused) == count_flops(live)
