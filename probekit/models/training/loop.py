"""The loop: read a batch, measure, step. Everything it depends on is in `checkpoint`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from probekit.errors import ConfigError, ModelError
from probekit.glossary import Progress
from probekit.models.training.batches import Batch, Batches
from probekit.models.training.checkpoint import Progressed, save_state
from probekit.models.training.config import OptimizerPlan, TrainingConfig
from probekit.models.training.evaluate import HeldOut
from probekit.models.training.lean import Forward
from probekit.models.training.loss import mean_loss

LOOKS = 20
"""On CUDA, whether the loss is a number is looked at every so many steps; on the CPU at each."""


@dataclass
class Work:
    """What the loop works with."""

    config: TrainingConfig
    module: PreTrainedModel
    forward: Forward
    optimizer: torch.optim.Optimizer
    batches: Batches
    objective: Any
    held_out: HeldOut
    generator: np.random.Generator
    progressed: Progressed
    folder: Path
    keep: Callable[[int], None]
    """Called with a step at which a checkpoint is wanted."""
    progress: Progress


def make_optimizer(module: PreTrainedModel, plan: OptimizerPlan) -> torch.optim.Optimizer:
    """Fused AdamW (Loshchilov and Hutter 2019); only matrices decay, never biases, norms."""
    parameters = list(module.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.rate, betas=plan.betas, fused=True)


def rate_at(step: int, steps: int, plan: OptimizerPlan) -> float:
    """The learning rate of a step (from 0): linear warm-up, then constant, or linear or cosine down towards 0.

    >>> plan = OptimizerPlan(rate=1.0, warmup=2, schedule="linear")
    >>> [rate_at(step, 6, plan) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < plan.warmup:
        return plan.rate * (step + 1) / plan.warmup
    if plan.schedule == "constant":
        return plan.rate
    done = (step - plan.warmup) / max(1, steps - plan.warmup)
    return plan.rate * (1 - done if plan.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done)))


def steps_of(config: TrainingConfig, per_epoch: int) -> int:
    """How many steps a training takes."""
    return config.steps if config.steps is not None else max(1, math.ceil((config.epochs or 0) * per_epoch))


def log_steps(steps: int, first: int = 1) -> list[int]:
    """Powers of two up to the last step, and the last step.

    >>> log_steps(10)
    [1, 2, 4, 8, 10]
    """
    found = [2**power for power in range(steps.bit_length()) if first <= 2**power < steps]
    return [*found, steps]


def evaluation_steps(config: TrainingConfig, steps: int) -> set[int]:
    """The steps after which the held-out loss is measured; always the last."""
    when = config.evaluate
    if when == "end":
        return {steps}
    if when == "log":
        return set(log_steps(steps, first=16))
    every = range(when, steps, when) if isinstance(when, int) and when > 0 else when
    return {*(every if not isinstance(every, int | str) else ()), steps}


def checkpoint_steps(config: TrainingConfig, steps: int) -> set[int]:
    """The steps whose weights are kept as revisions; 0 is the model before training."""
    when = config.checkpoints
    if when == "none":
        return set()
    return {0, *log_steps(steps)} if when == "log" else {step for step in when if 0 <= step <= steps}


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself; where it is emulated it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has: Any = torch.cpu
    return bool(has._is_amx_tile_supported() or has._is_avx512_bf16_supported())


def precision_in_force(config: TrainingConfig, device: torch.device) -> str:
    """float32 or bfloat16. Raises ConfigError where bfloat16 is asked for and would be emulated."""
    fast = bfloat16_is_fast(device)
    if config.precision == "bfloat16" and not fast:
        raise ConfigError(
            f"precision: bfloat16 is emulated on {device}, which is slower; use 'float32' or 'auto'"
        )
    if config.precision == "auto":
        return "bfloat16" if fast and device.type == "cuda" else "float32"
    return config.precision


def run_loop(work: Work, steps: int, precision: str) -> None:
    """Train to the last step, saving the whole state every `save_seconds` and on interruption."""
    config, done = work.config, work.progressed
    evaluate, keep = evaluation_steps(config, steps), checkpoint_steps(config, steps)
    if done.step == 0 and 0 in keep:
        work.keep(0)
    clock = _Clock(done)
    device = work.module.device
    mixed: AbstractContextManager[Any] = (
        torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
    )
    pending: list[tuple[int, Tensor]] = []
    parameters = [p for p in work.module.parameters() if p.requires_grad]
    batches = work.batches.epoch(done.epoch, done.batch)
    work.module.train()
    saved = time.monotonic()
    try:
        while done.step < steps:
            batch = next(batches, None)
            if batch is None:
                done.epoch, done.batch = done.epoch + 1, 0
                batches = work.batches.epoch(done.epoch)
                continue
            pending.append((done.step + 1, _step(work, batch, steps, parameters, mixed)))
            done.step, done.batch, done.pieces = done.step + 1, done.batch + 1, done.pieces + batch.ids.size
            last, due = (
                done.step in evaluate or done.step in keep,
                time.monotonic() - saved >= config.save_seconds,
            )
            if device.type == "cpu" or last or due or len(pending) >= LOOKS:
                _look(done, pending)
            if done.step in evaluate:
                _evaluate(work, clock)
            if done.step in keep:
                work.keep(done.step)
            if due and done.step < steps:
                _save(work, clock)
                saved = time.monotonic()
            work.progress("training", done.step, steps)
    except KeyboardInterrupt:
        _look(done, pending)
        _save(work, clock)
        raise
    _save(work, clock)


def _step(
    work: Work, batch: Batch, steps: int, parameters: list[nn.Parameter], mixed: AbstractContextManager[Any]
) -> Tensor:
    plan, device = work.config.optimizer, work.module.device
    lesson = work.objective.lesson(batch, work.generator)
    ids, positions, labels = (
        torch.from_numpy(part).to(device, non_blocking=True)
        for part in (lesson.ids, lesson.positions, lesson.labels)
    )
    with mixed:
        logits = work.forward(ids, positions)
    loss = mean_loss(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    if plan.clip:
        torch.nn.utils.clip_grad_norm_(parameters, plan.clip, foreach=True)
    rate = rate_at(work.progressed.step, steps, plan)
    for group in work.optimizer.param_groups:
        group["lr"] = rate
    work.optimizer.step()
    work.optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _look(done: Progressed, pending: list[tuple[int, Tensor]]) -> None:
    """Take the losses in, in order. Raises ModelError at the first that is no number."""
    for step, loss in pending:
        value = float(loss)
        if not math.isfinite(value):
            raise ModelError(
                f"the training loss is {value} at step {step}; lower optimizer.rate, lengthen optimizer.warmup, or "
                "clip gradients (optimizer.clip = 1.0)"
            )
        done.loss_sum, done.loss_count = done.loss_sum + value, done.loss_count + 1
    pending.clear()


def _evaluate(work: Work, clock: _Clock) -> None:
    done = work.progressed
    score = work.held_out.score(work.module, work.forward)
    if not math.isfinite(score.loss):
        raise ModelError(f"the held-out loss is {score.loss} at step {done.step}; lower optimizer.rate")
    clock.take()
    done.curve.append(
        {
            "step": done.step,
            "pieces": done.pieces,
            "train_loss": done.loss_sum / done.loss_count if done.loss_count else None,
            "loss": score.loss,
            "perplexity": score.perplexity,
            "perplexity_per_word": score.perplexity_per_word,
            "cpu_seconds": round(done.cpu_seconds, 2),
        }
    )
    done.loss_sum, done.loss_count = 0.0, 0


def _save(work: Work, clock: _Clock) -> None:
    clock.take()
    save_state(work.folder, work.module, work.optimizer, work.generator, work.progressed)


class _Clock:
    """Adds the seconds since it was last asked to what a training has cost so far."""

    def __init__(self, progressed: Progressed) -> None:
        self.progressed = progressed
        self.cpu, self.wall = time.process_time(), time.monotonic()

    def take(self) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        self.progressed.cpu_seconds += cpu - self.cpu
        self.progressed.wall_seconds += wall - self.wall
        self.cpu, self.wall = cpu, wall
