"""Continued pretraining on the texts of the task, then full fine-tuning (Gururangan et al. 2020, arXiv:2004.10964)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from probekit.adaptation.inputs import make_batch
from probekit.adaptation.live import Live
from probekit.adaptation.loop import TrainingFailed, epoch_batches
from probekit.adaptation.schedule import linear
from probekit.adaptation.strategies.parts import PlainTuning, no_options
from probekit.errors import ConfigError, ModelError
from probekit.models.head import OutputHead, has_language_model, load_head
from probekit.models.training.batches import Batch as Rows
from probekit.models.training.config import ObjectivePlan
from probekit.models.training.loss import mean_loss
from probekit.models.training.objective import Causal, Masked, make_objective

Array = NDArray[Any]

EPOCHS, RATE, SHARE = 3, 1e-4, 0.15
WARMUP = 0.06
"""Rate, share and warm-up are those of Gururangan et al. (2020, appendix B); they read the texts 100 times."""
BATCH, DECAY, CLIP = 32, 0.01, 1.0
LEAST = 3
"""Fewer pieces than this leave nothing to predict between the special ones."""


class Continued(PlainTuning):
    """The model goes on with what it was pretrained for, on the training texts without their labels; then all of it is
    fine-tuned.

    ``pretraining`` has a record per epoch of it: the mean loss in nats per predicted piece, and how many there were.
    Empty where nothing was read, as when a saved classifier is put together again.
    """

    def __init__(self, epochs: int, rate: float, share: float) -> None:
        self.epochs, self.rate, self.share = epochs, rate, share
        self.pretraining: list[dict[str, float]] = []

    def prepare(self, live: Live) -> None:
        """Pretrain on. ModelError where the checkpoint has no language-model head, or one of an encoder-decoder."""
        live.body.requires_grad_(True)
        self.pretraining = []
        if live.inputs is None:
            return
        if not has_language_model(live.model):
            raise _impossible(live, "its checkpoint has no language-model head to go on pretraining with")
        head = load_head(live.model)
        if head.kind == "encoder-decoder":
            raise _impossible(
                live, "an encoder-decoder has neither masked pieces nor the next one of its own text"
            )
        longer = np.flatnonzero(live.inputs.lengths >= LEAST)
        if not len(longer):
            raise ModelError(f"no text has {LEAST} pieces, so there is nothing to go on pretraining with")
        cuda = [live.model.device] if torch.device(live.model.device).type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(live.seed)
            self._read(live, head, longer)

    def _read(self, live: Live, head: OutputHead, examples: Array) -> None:
        assert live.inputs is not None
        objective = self.objective(live, head)
        own = head.parameters_of_its_own()
        parameters = [*(p for p in live.body.parameters() if p.requires_grad), *own]
        optimizer = make_optimizer(parameters, self.rate)
        lengths = live.inputs.lengths[examples]
        steps, step = self.epochs * -(-len(examples) // BATCH), 0
        live.train()
        for parameter in own:
            parameter.requires_grad_(True)
        for epoch in range(self.epochs):
            rng = np.random.default_rng([live.seed, 2, epoch])
            total, count = 0.0, 0
            for rows in epoch_batches(lengths, BATCH, rng):
                loss, n = language_loss(live, head, objective, examples[rows], rng)
                loss.backward()  # type: ignore[no-untyped-call]
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise TrainingFailed(
                        f"the loss of continued pretraining is {value} at step {step + 1}; lower pretrain_rate "
                        f"({self.rate:g})"
                    )
                torch.nn.utils.clip_grad_norm_(parameters, CLIP)
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * linear(step, steps, WARMUP)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                total, count, step = total + value * n, count + n, step + 1
            self.pretraining.append({"epoch": epoch + 1, "loss": total / count, "pieces": count})
        for parameter in own:
            parameter.requires_grad_(False)

    def objective(self, live: Live, head: OutputHead) -> Causal | Masked:
        """What the checkpoint was pretrained to say: the next piece, or masked ones."""
        if head.kind == "causal":
            return make_objective(ObjectivePlan(kind="causal"), live.model.tokenizer)
        if live.model.tokenizer.mask_token_id is None:
            raise _impossible(live, "its tokenizer has no mask")
        return make_objective(ObjectivePlan(kind="masked", share=self.share), live.model.tokenizer)


def _impossible(live: Live, reason: str) -> ModelError:
    return ModelError(
        f"{live.model.name}: strategy 'continued' is impossible for this model (family {live.model.family!r}): "
        f"{reason}; take 'full'"
    )


def language_loss(
    live: Live, head: OutputHead, objective: Causal | Masked, rows: Array, rng: np.random.Generator
) -> tuple[torch.Tensor, int]:
    """Mean cross-entropy in nats over the pieces to be predicted in some examples, and how many there are.

    Nothing is predicted from or at the pieces that fill a batch up.
    """
    assert live.inputs is not None
    device = torch.device(live.model.device)
    batch = make_batch(live.inputs, rows, live.model.pad_piece, device)
    lesson = objective.lesson(Rows(batch.ids.cpu().numpy()), rng)
    target = lesson.positions + (1 if isinstance(objective, Causal) else 0)
    row, column = np.divmod(target, batch.ids.shape[1])
    real = column < live.inputs.lengths[rows][row]
    positions, labels = (
        torch.from_numpy(part[real]).to(device) for part in (lesson.positions, lesson.labels)
    )
    states = live.states(replace(batch, ids=torch.from_numpy(lesson.ids).to(device)))
    scores = head(states.reshape(-1, states.shape[-1]).index_select(0, positions))
    return mean_loss(scores, labels), len(labels)


def make_optimizer(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """AdamW; biases and norms do not decay."""
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)


def tuning(options: Mapping[str, Any]) -> Continued:
    """``pretrain_epochs`` (3), ``pretrain_rate`` (1e-4), ``share`` of pieces to be masked (0.15)."""
    no_options("continued", options, ("pretrain_epochs", "pretrain_rate", "share"))
    epochs = options.get("pretrain_epochs", EPOCHS)
    rate, share = options.get("pretrain_rate", RATE), options.get("share", SHARE)
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ConfigError(f"continued: pretrain_epochs must be a whole number from 1 on; got {epochs!r}")
    if not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise ConfigError(f"continued: pretrain_rate must be above 0; got {rate!r}")
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise ConfigError(f"continued: share must lie between 0 and 1; got {share!r}")
    return Continued(epochs, float(rate), float(share))
