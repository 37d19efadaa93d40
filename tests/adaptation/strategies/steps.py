"""What the tests of fine-tuning strategies share: a tiny live model, a batch, and plain steps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from probekit.adaptation.examples import read_examples
from probekit.adaptation.inputs import Batch, encode_inputs, make_batch
from probekit.adaptation.live import Live
from probekit.adaptation.strategy import STRATEGIES, Tuning, make_tuning
from probekit.models.ref import ModelRef
from tests.tiny_models import tiny_model

TEXTS = ["the cat sat on the mat", "a dog runs", "the cats sit", "dogs bark at night"]
GOLD = torch.tensor([0, 1, 0, 1])
FINE_TUNING = [
    one.name for one in STRATEGIES.values() if one.family == "fine-tuning" and one.name != "continued"
]


def make_live(folder: Any, seed: int = 0, dropout: float = 0.0) -> Live:
    """A live model with two outputs; a short name is a tiny model, copied."""
    if not isinstance(folder, str):
        return Live(ModelRef(name=str(folder)).load(), 2, dropout=dropout, seed=seed)
    model = tiny_model(folder)
    kept = {id(model.tokenizer): model.tokenizer}
    return Live(copy.deepcopy(model, kept), 2, dropout=dropout, seed=seed)


def prepared(folder: Any, strategy: str, seed: int = 0, **options: Any) -> tuple[Live, Tuning]:
    """A live model that a strategy has prepared."""
    live = make_live(folder, seed)
    tuning = make_tuning(STRATEGIES[strategy], options)
    tuning.prepare(live)
    return live, tuning


def batch_of(live: Live, texts: Any = TEXTS) -> Batch:
    """All texts in one batch."""
    inputs = encode_inputs(live.model, read_examples(texts), pool="mean")
    return make_batch(inputs, np.arange(len(texts)), live.model.pad_piece, torch.device("cpu"))


def step(live: Live, tuning: Tuning, steps: int = 2, rate: float = 0.05) -> list[float]:
    """Plain gradient steps on the texts, without dropout; the loss before each."""
    live.eval()
    batch = batch_of(live)
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(live(batch), GOLD)
        losses.append(float(loss.detach()))
        live.zero_grad()
        loss.backward()
        with torch.no_grad():
            for group in tuning.groups(live):
                for _name, parameter in group.parameters:
                    assert parameter.grad is not None
                    parameter -= rate * group.rate * parameter.grad
    return losses


def snapshot(live: Live) -> dict[str, torch.Tensor]:
    """All parameters and buffers as they are."""
    return {name: value.detach().clone() for name, value in live.state_dict().items()}


def changed(before: dict[str, torch.Tensor], live: Live) -> set[str]:
    """The names of what is not what it was."""
    now = live.state_dict()
    assert set(now) == set(before)
    return {name for name in now if not torch.equal(now[name], before[name])}


def outputs(live: Live, texts: Any = TEXTS) -> torch.Tensor:
    """Outputs of the head, without dropout and gradient."""
    live.eval()
    with torch.no_grad():
        return live(batch_of(live, texts))
