"""Pieces a second in training against transformers' Trainer at equal settings.

The same module with the same weights, the same rows in the same order, AdamW with the same settings, the same
clipping, schedule and dropout. Two sizes: a small model on long rows, and a tiny one on short sentences, where what
surrounds the arithmetic weighs most. Trainer's fixed start-up is no training: each turn runs two numbers of steps,
and what counts is the difference of their CPU seconds. A ratio counts as equal where, without dropout, the mean loss
over the steps differs by less than 1e-3 nats from Trainer's. Trainer needs `accelerate` (extra `adapt`).
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.common import Ratio, compare
from probekit.errors import MissingExtra
from probekit.models.quiet import quiet
from probekit.models.training.config import OptimizerPlan
from probekit.models.training.lean import lean_forward
from probekit.models.training.loop import make_optimizer, rate_at
from probekit.models.training.loss import mean_loss

NAME = "training"
PLAN = OptimizerPlan(rate=1e-3, warmup=0, schedule="constant", weight_decay=0.01, clip=1.0)
CLOSE = 1e-3


@dataclass(frozen=True)
class Setting:
    """A size, an objective, and how long a turn is."""

    name: str
    masked: bool
    layers: int
    width: int
    vocabulary: int
    length: int
    rows: int
    few: int
    many: int
    aim: float
    dropout: float = 0.0

    def module(self) -> PreTrainedModel:
        """A fresh module; the same weights at every call."""
        torch.manual_seed(0)
        if self.masked:
            return BertForMaskedLM(BertConfig(
                vocab_size=self.vocabulary, hidden_size=self.width, num_hidden_layers=self.layers,
                num_attention_heads=4, intermediate_size=4 * self.width, max_position_embeddings=self.length,
                hidden_dropout_prob=self.dropout, attention_probs_dropout_prob=self.dropout,
            ))  # fmt: skip
        return GPT2LMHeadModel(GPT2Config(
            vocab_size=self.vocabulary, n_embd=self.width, n_layer=self.layers, n_head=4, n_positions=self.length,
            resid_pdrop=self.dropout, embd_pdrop=self.dropout, attn_pdrop=self.dropout, bos_token_id=0, eos_token_id=0,
        ))  # fmt: skip

    def rows_of(self, steps: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """What is read and what is asked, -100 where nothing is; 15 % of the places for a masked model."""
        generator = np.random.default_rng(1)
        ids = generator.integers(5, self.vocabulary, size=(steps * self.rows, self.length))
        if not self.masked:
            labels = ids.copy()
            labels[
                :, 0
            ] = -100  # Trainer counts the labels before it shifts them, and would divide by one too many
            return ids, labels
        labels = np.where(generator.random(ids.shape) < 0.15, ids, -100)
        return np.where(labels == -100, ids, 4), labels


SETTINGS = (
    Setting("causal, 4 x 256, rows of 128", False, 4, 256, 8000, 128, 16, 2, 8, 1.4),
    Setting("causal, 2 x 128, rows of 12", False, 2, 128, 500, 12, 64, 10, 110, 1.9),
    Setting("masked, 4 x 256, rows of 128", True, 4, 256, 8000, 128, 16, 2, 8, 1.4),
    Setting("masked, 2 x 128, rows of 12", True, 2, 128, 500, 12, 64, 10, 110, 1.9),
    Setting("causal, 4 x 256, rows of 128, dropout 0.1", False, 4, 256, 8000, 128, 16, 2, 8, 1.4, 0.1),
    Setting("causal, 2 x 128, rows of 12, dropout 0.1", False, 2, 128, 500, 12, 64, 10, 110, 1.9, 0.1),
)


def ours(setting: Setting, steps: int) -> list[float]:
    """The losses of our loop's step: lean forward, fused AdamW, head only where something is asked."""
    ids, labels = setting.rows_of(steps)
    module = setting.module().train()
    forward, optimizer = lean_forward(module), make_optimizer(module, PLAN)
    parameters = list(module.parameters())
    losses = []
    for step in range(steps):
        some = slice(step * setting.rows, (step + 1) * setting.rows)
        asked = (
            labels[some]
            if setting.masked
            else np.pad(labels[some][:, 1:], ((0, 0), (0, 1)), constant_values=-100)
        )
        positions = np.flatnonzero(asked.reshape(-1) != -100)
        answers = torch.from_numpy(asked.reshape(-1)[positions])
        logits = forward(torch.from_numpy(ids[some]), torch.from_numpy(positions))
        loss = mean_loss(logits, answers)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, PLAN.clip, foreach=True)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, PLAN)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    return losses


class Losses(TrainerCallback):
    """Trainer's losses as it logs them, step by step."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.found.append(float(logs["loss"]))


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows for Trainer, already tensors."""

    def __init__(self, ids: Any, labels: Any) -> None:
        self.ids, self.labels = torch.from_numpy(ids), torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.ids[index], "labels": self.labels[index]}


def theirs(setting: Setting, steps: int, *, watch: bool = False) -> list[float]:
    """Trainer over the same rows in the same order; `watch` logs every step."""
    losses = Losses()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=setting.rows, learning_rate=PLAN.rate,
            weight_decay=PLAN.weight_decay, max_grad_norm=PLAN.clip, lr_scheduler_type="constant", warmup_steps=0,
            optim="adamw_torch_fused", adam_epsilon=1e-8, save_strategy="no", report_to=[], disable_tqdm=True,
            logging_strategy="steps", logging_steps=1 if watch else steps, use_cpu=True, dataloader_num_workers=0,
            train_sampling_strategy="sequential",
        )  # fmt: skip
        trainer = Trainer(setting.module(), arguments, train_dataset=Rows(*setting.rows_of(steps)))
        trainer.add_callback(losses)
        for callback in list(trainer.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                trainer.remove_callback(type(callback))
        trainer.train()
    return losses.found


def seconds(work: Any, setting: Setting) -> float:
    """CPU seconds of the steps alone: many less few."""
    spent = []
    for steps in (setting.few, setting.many):
        begun = time.process_time()
        work(setting, steps)
        spent.append(time.process_time() - begun)
    return spent[1] - spent[0]


def run(rounds: int) -> Iterator[Ratio]:
    """One ratio for each size and objective. Raises MissingExtra without `accelerate`."""
    try:
        import accelerate  # noqa: F401
    except ImportError:
        raise MissingExtra("Trainer needs accelerate: pip install 'probekit-nlp[adapt]'") from None
    torch.set_num_threads(1)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for setting in SETTINGS:
            exact = replace(setting, dropout=0.0)
            apart = abs(np.mean(ours(exact, 8)) - np.mean(theirs(exact, 8, watch=True)))
            taken: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(rounds):
                taken["ours"].append(seconds(ours, setting))
                taken["theirs"].append(seconds(theirs, setting))
            pieces = (setting.many - setting.few) * setting.rows * setting.length
            note = (
                f"{setting.name}; pieces a second: ours {pieces / np.median(taken['ours']):,.0f}, Trainer "
                f"{pieces / np.median(taken['theirs']):,.0f}; difference of the mean loss over 8 steps in nats"
            )
            yield compare(
                NAME, taken["ours"], taken["theirs"], peer="transformers Trainer", aim=setting.aim,
                equal=bool(apart <= CLOSE), difference=float(apart), note=note,
            )  # fmt: skip
