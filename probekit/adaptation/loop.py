"""The fine-tuning loop: batches by length, a schedule, the best epoch on dev kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from probekit.adaptation.checkpoint import Keeper, Progressed, own_generators
from probekit.adaptation.dev_score import dev_score, is_better
from probekit.adaptation.inputs import Inputs, make_batch
from probekit.adaptation.live import Live
from probekit.adaptation.schedule import SCHEDULES
from probekit.adaptation.strategy import Tuning
from probekit.errors import ModelError
from probekit.glossary import Progress, silent

WINDOW = 50
"""Batches are cut from so many batches' worth of shuffled examples, sorted by length."""

LOOKS = 20
"""On CUDA, whether the loss is a number is looked at every so many steps; on the CPU at each."""

NO_MEMORY = ("not enough memory", "can't allocate memory")
"""What torch says on the CPU where memory is at an end; it has no error of its own for it there."""

DIVERGED = 10.0
"""A run whose mean loss over an epoch is so many times what guessing costs has diverged."""


class TrainingFailed(ModelError):
    """The loss of a fine-tuning run is no number any more, or the run diverged."""


@dataclass(frozen=True, kw_only=True)
class LoopPlan:
    """What a fine-tuning run does. ``class_weight`` holds a weight per class code; ``patience`` counts epochs."""

    epochs: float
    rate: float
    batch_size: int
    weight_decay: float
    warmup: float
    clip: float | None
    seed: int
    accumulate: int = 1
    schedule: str = "linear"
    precision: str = "float32"
    patience: int | None = None
    metric: str = "loss"
    class_weight: tuple[float, ...] | None = None


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
    keeper: Keeper | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Train; the history, a record per epoch. With dev examples the best epoch's weights stand in the end.

    Raises TrainingFailed where the loss or a gradient is no number or the loss diverges, and ModelError where memory
    does not suffice.
    """
    remedy = f"lower batch_size ({plan.batch_size}; raise accumulate), max_pieces, or train less of the model"
    with own_generators(plan.seed, live.model.device), plain_memory("training", remedy):
        return _Run(live, tuning, train, dev, plan, keeper, progress).history()


@dataclass(eq=False)
class _Run:
    """One training, on its way."""

    live: Live
    tuning: Tuning
    train: Labelled
    dev: Labelled | None
    plan: LoopPlan
    keeper: Keeper | None
    progress: Progress
    optimizer: torch.optim.Optimizer | None = None
    best: dict[str, Tensor] | None = None
    done: Progressed = field(default_factory=Progressed)
    losses: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)

    def history(self) -> list[dict[str, Any]]:
        """Go on from the checkpoint, or begin; to the last epoch, or until patience ends."""
        plan, done = self.plan, self.done
        rows = self.train.inputs.readable
        lengths = self.train.inputs.lengths[rows]
        per_epoch = math.ceil(math.ceil(len(lengths) / plan.batch_size) / plan.accumulate)
        steps = max(1, round(plan.epochs * per_epoch))
        epochs = math.ceil(steps / per_epoch)
        if self.keeper is not None and (kept := self.keeper.read()) is not None:
            done = self.done = kept.progressed
            for epoch in range(done.epoch + done.begun):
                self._begin(epoch, epochs)
            self.best = kept.restore(self.live, self.optimizer)
        clock = time.process_time() - done.cpu_seconds
        while done.epoch < epochs and not done.stopped:
            if not done.begun:
                self._begin(done.epoch, epochs)
                done.begun = True
            self.live.train()
            rng = np.random.default_rng([plan.seed, 1, done.epoch])
            batches = [rows[batch] for batch in epoch_batches(lengths, plan.batch_size, rng)]
            groups = [batches[at : at + plan.accumulate] for at in range(0, len(batches), plan.accumulate)]
            for group in groups[done.batch :]:
                if done.step == steps:
                    break
                self._step(group, steps)
                done.step, done.batch = done.step + 1, done.batch + 1
                done.cpu_seconds = time.process_time() - clock
                self.progress("fine-tuning", done.step, steps)
                self._keep()
            self._look(force=True)
            self._end_epoch()
            done.cpu_seconds = time.process_time() - clock
            done.history[-1]["cpu_seconds"] = done.cpu_seconds - done.epochs_seconds
            done.epochs_seconds = done.cpu_seconds
            done.epoch, done.batch, done.begun = done.epoch + 1, 0, False
            done.loss_sum, done.loss_count = 0.0, 0
            if done.epoch < epochs and not done.stopped:
                self._keep()
        self._restore_best()
        if self.keeper is not None:
            self.keeper.clear()
        return done.history

    def _begin(self, epoch: int, epochs: int) -> None:
        """What is trained from this epoch on. Moments of what was trained before are kept."""
        if not (self.tuning.begin_epoch(self.live, epoch, epochs) or self.optimizer is None):
            return
        optimizer = make_optimizer(self.live, self.tuning, self.plan)
        if self.optimizer is not None:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter in self.optimizer.state:
                        optimizer.state[parameter] = self.optimizer.state[parameter]
        self.optimizer = optimizer
        if self.best is not None:
            named = dict(self.live.named_parameters())
            for name in self.live.trained - set(
                self.best
            ):  # not trained so far: the best epoch had it as it is
                self.best[name] = named[name].detach().clone()

    def _step(self, group: Sequence[NDArray[np.int64]], steps: int) -> None:
        """One step of the optimiser over one or more batches, as if they were one batch."""
        live, plan, optimizer = self.live, self.plan, self.optimizer
        assert optimizer is not None
        device = torch.device(live.model.device)
        batches = [make_batch(self.train.inputs, rows, live.model.pad_piece, device) for rows in group]
        shares = [float(_weights(self.train.y[batch.units], plan.class_weight).sum()) for batch in batches]
        if not (whole := sum(shares)):
            return  # classes of weight 0 alone
        value = torch.zeros((), device=device)
        for batch, share in zip(batches, shares, strict=True):
            if not share:
                continue
            with mixed(device, plan.precision):
                outputs = live(batch)
            loss = unit_loss(outputs.float(), self.train.y[batch.units], plan.class_weight) * (share / whole)
            loss.backward()  # type: ignore[no-untyped-call]
            value = value + loss.detach()
        trained = [p for own in optimizer.param_groups for p in own["params"]]
        limit = math.inf if plan.clip is None else plan.clip
        norm = torch.nn.utils.clip_grad_norm_(trained, limit, foreach=True)
        self.losses.append((self.done.step + 1, value, norm.detach()))
        self._look(force=device.type == "cpu")
        for own in optimizer.param_groups:
            own["lr"] = own["base"] * SCHEDULES[plan.schedule](self.done.step, steps, plan.warmup)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _look(self, *, force: bool) -> None:
        """Take the losses in, in order. TrainingFailed at the first that is no number."""
        if not force and len(self.losses) < LOOKS:
            return
        for step, loss, norm in self.losses:
            value = float(loss)
            for what, number in (("loss", value), ("gradient", float(norm))):
                if not math.isfinite(number):
                    raise TrainingFailed(
                        f"the {what} is {number} at step {step}; lower the rate ({self.plan.rate:g}), lengthen the "
                        "warm-up, or clip gradients (clip=1.0)"
                    )
            self.done.loss_sum, self.done.loss_count = self.done.loss_sum + value, self.done.loss_count + 1
        self.losses.clear()

    def _end_epoch(self) -> None:
        """The record of the epoch; with dev examples, whether it is the best so far."""
        done, plan = self.done, self.plan
        loss = done.loss_sum / done.loss_count if done.loss_count else None
        guess = 1.0 if self.train.y.dtype.kind == "f" else math.log(self.live.head.out_features)
        if loss is not None and loss > DIVERGED * guess:
            raise TrainingFailed(
                f"the run diverged: the mean loss of epoch {done.epoch + 1} is {loss:.3g}, guessing costs about "
                f"{guess:.3g}; lower the rate ({plan.rate:g})"
            )
        record: dict[str, Any] = {
            "epoch": done.epoch + 1,
            "loss": loss,
            "dev_loss": None,
            "dev_accuracy": None,
        }
        done.history.append(record)
        if self.dev is None:
            return
        outputs = predict_outputs(self.live, self.dev.inputs)
        if not np.isfinite(outputs[~self.dev.inputs.left_out]).all():
            raise TrainingFailed(
                f"outputs on dev are no numbers after epoch {done.epoch + 1}; lower the rate ({plan.rate:g})"
            )
        score = dev_score(outputs, self.dev.y, self.train.y, plan.metric)
        record |= {"dev_loss": score.loss, "dev_accuracy": score.accuracy, "dev_score": score.value}
        if is_better(score, done.best):
            done.best, done.best_epoch = score, done.epoch
            named = dict(self.live.named_parameters())
            self.best = {name: named[name].detach().clone() for name in sorted(self.live.trained)}
        elif plan.patience is not None and done.epoch - done.best_epoch >= plan.patience:
            done.stopped = True

    def _restore_best(self) -> None:
        """The best epoch's weights; its record says that they are kept."""
        done = self.done
        last = len(done.history) - 1
        chosen = last if self.best is None else done.best_epoch
        for number, record in enumerate(done.history):
            record["kept"] = number == chosen
        if self.best is not None and chosen != last:
            named = dict(self.live.named_parameters())
            with torch.no_grad():
                for name, value in self.best.items():
                    named[name].copy_(value)

    def _keep(self) -> None:
        """A checkpoint, where one is due."""
        if self.keeper is not None and self.keeper.due():
            self._look(force=True)
            self.keeper.write(self.live, self.optimizer, self.done, self.best)


def make_optimizer(live: Live, tuning: Tuning, plan: LoopPlan) -> torch.optim.Optimizer:
    """AdamW over what is trained now; biases and norms (all vectors) do not decay."""
    groups: list[dict[str, Any]] = []
    for group in tuning.groups(live):
        live.trained |= {name for name, _ in group.parameters}
        for decay, picked in (
            (plan.weight_decay, [p for _, p in group.parameters if p.dim() > 1]),
            (0.0, [p for _, p in group.parameters if p.dim() <= 1]),
        ):
            if picked:
                rate = plan.rate * group.rate
                groups.append({"params": picked, "weight_decay": decay, "lr": rate, "base": rate})
    return torch.optim.AdamW(groups, fused=True)


def mixed(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Multiplications in bfloat16 inside the block, where the plan says so."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def _weights(y: NDArray[Any], class_weight: Sequence[float] | None) -> NDArray[np.float64]:
    if class_weight is None or y.dtype.kind == "f":
        return np.ones(len(y))
    weights: NDArray[np.float64] = np.asarray(class_weight, np.float64)[y]
    return weights


def unit_loss(outputs: Tensor, y: NDArray[Any], class_weight: Sequence[float] | None = None) -> Tensor:
    """Mean cross entropy, weighted by class where asked, or mean squared error for numbers."""
    gold = torch.from_numpy(y).to(outputs.device)
    if y.dtype.kind == "f":
        return functional.mse_loss(outputs[:, 0], gold.to(outputs.dtype))
    weight = None if class_weight is None else outputs.new_tensor(class_weight)
    return functional.cross_entropy(outputs, gold, weight=weight)


@contextmanager
def plain_memory(what: str, remedy: str) -> Iterator[None]:
    """ModelError, in one line, where memory does not suffice inside the block."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(told in str(error) for told in NO_MEMORY):
            raise
        raise ModelError(f"{what} does not fit into memory; {remedy}") from error


@torch.no_grad()
def predict_outputs(live: Live, inputs: Inputs, *, pieces_per_batch: int = 4096) -> NDArray[np.float32]:
    """Outputs of all units [units, outputs], examples read by length; NaN for a unit without a piece."""
    live.eval()
    model = live.model
    found = np.full((len(inputs.places), live.head.out_features), np.nan, np.float32)
    rows = inputs.readable
    order = rows[np.argsort(-inputs.lengths[rows], kind="stable")]
    at = 0
    with plain_memory("reading the texts", "use max_pieces=..., or another device"):
        while at < len(order):
            size = max(1, pieces_per_batch // len(inputs.ids[order[at]]))
            batch = make_batch(inputs, order[at : at + size], model.pad_piece, torch.device(model.device))
            found[batch.units] = live(batch).float().cpu().numpy()
            at += size
    return found
