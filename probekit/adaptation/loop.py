"""The fine-tuning loop: batches by length, a schedule, the best epoch on dev kept."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from probekit.adaptation.inputs import Inputs, make_batch
from probekit.adaptation.live import Live
from probekit.adaptation.strategy import Tuning
from probekit.errors import ModelError
from probekit.glossary import Progress, silent

WINDOW = 50
"""Batches are cut from so many batches' worth of shuffled examples, sorted by length."""


class TrainingFailed(ModelError):
    """The loss of a fine-tuning run is no number any more, or the run diverged."""


@dataclass(frozen=True, kw_only=True)
class LoopPlan:
    """What a fine-tuning run does."""

    epochs: float
    rate: float
    batch_size: int
    weight_decay: float
    warmup: float
    clip: float
    seed: int


@dataclass(frozen=True, eq=False)
class Labelled:
    """Encoded examples with the codes (int64, -1 unknown) or numbers (float64) of their units."""

    inputs: Inputs
    y: NDArray[Any]


def epoch_batches(lengths: NDArray[Any], size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """A shuffled epoch in batches of near lengths: shuffle, sort inside windows, shuffle the batches."""
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * WINDOW):
        window = order[start : start + size * WINDOW]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[at : at + size] for at in range(0, len(window), size)]
    rng.shuffle(batches)
    return batches


def run_loop(
    live: Live,
    tuning: Tuning,
    train: Labelled,
    dev: Labelled | None,
    plan: LoopPlan,
    *,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Train; the history, a record per epoch. Raises TrainingFailed where the loss is no number."""
    model = live.model
    device = torch.device(model.device)
    rng = np.random.default_rng([plan.seed, 1])
    lengths = train.inputs.lengths
    epochs = max(1, math.ceil(plan.epochs))
    per_epoch = -(-len(lengths) // plan.batch_size)
    steps = max(1, round(plan.epochs * per_epoch))
    optimizer: torch.optim.Optimizer | None = None
    history: list[dict[str, Any]] = []
    done = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        for epoch in range(epochs):
            if tuning.begin_epoch(live, epoch, epochs) or optimizer is None:
                optimizer = make_optimizer(live, tuning, plan)
            live.train()
            total, count, begun = 0.0, 0, time.process_time()
            for rows in epoch_batches(lengths, plan.batch_size, rng):
                if done == steps:
                    break
                batch = make_batch(train.inputs, rows, model.pad_piece, device)
                loss = unit_loss(live(batch), train.y[batch.units])
                loss.backward()  # type: ignore[no-untyped-call]
                if not math.isfinite(value := float(loss.detach())):
                    raise TrainingFailed(
                        f"the loss is {value} at step {done + 1}; lower the rate or clip gradients"
                    )
                trained = [p for group in optimizer.param_groups for p in group["params"]]
                torch.nn.utils.clip_grad_norm_(trained, plan.clip)
                for group in optimizer.param_groups:
                    group["lr"] = group["base"] * linear(done, steps, plan.warmup)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                total, count, done = total + value, count + 1, done + 1
                progress("fine-tuning", done, steps)
            history.append({"epoch": epoch + 1, "loss": total / max(count, 1),
                            "cpu_seconds": time.process_time() - begun})  # fmt: skip
    return history


def make_optimizer(live: Live, tuning: Tuning, plan: LoopPlan) -> torch.optim.Optimizer:
    """AdamW over what is trained now; biases and norms (all vectors) do not decay."""
    groups: list[dict[str, Any]] = []
    for group in tuning.groups(live):
        for decay, picked in (
            (plan.weight_decay, [p for _, p in group.parameters if p.dim() > 1]),
            (0.0, [p for _, p in group.parameters if p.dim() <= 1]),
        ):
            if picked:
                rate = plan.rate * group.rate
                groups.append({"params": picked, "weight_decay": decay, "lr": rate, "base": rate})
    return torch.optim.AdamW(groups, fused=True)


def linear(step: int, steps: int, warmup: float) -> float:
    """Share of the full rate at a step (from 0): up over the first `warmup` of the steps, then down to 0."""
    first = warmup * steps
    return min((step + 1) / max(1.0, first), (steps - step) / max(1.0, steps - first))


def unit_loss(outputs: Tensor, y: NDArray[Any]) -> Tensor:
    """Mean cross entropy, or squared error for numbers."""
    gold = torch.from_numpy(y).to(outputs.device)
    if y.dtype.kind == "f":
        return functional.mse_loss(outputs[:, 0], gold.to(outputs.dtype))
    return functional.cross_entropy(outputs, gold)


@torch.no_grad()
def predict_outputs(live: Live, inputs: Inputs, *, pieces_per_batch: int = 4096) -> NDArray[np.float32]:
    """Outputs of all units [units, outputs], examples read by length; NaN for a unit without a piece."""
    live.eval()
    model = live.model
    found = np.full((len(inputs.places), live.head.out_features), np.nan, np.float32)
    order = np.argsort(-inputs.lengths, kind="stable")
    at = 0
    while at < len(order):
        size = max(1, pieces_per_batch // max(1, len(inputs.ids[order[at]])))
        batch = make_batch(inputs, order[at : at + size], model.pad_piece, torch.device(model.device))
        if len(batch.units):
            found[batch.units] = live(batch).float().cpu().numpy()
        at += size
    return found
