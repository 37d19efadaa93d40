"""An epoch of fine-tuning against transformers' Trainer: padded to the maximum, and to the longest of each batch.

The same Transformer with the same mean pooling and linear head, the same examples, AdamW with the same settings, the
same clipping and dropout; Trainer draws its batches as it does by default, we draw ours by length. What is
timed is the epoch alone: model and tokenized texts are there before. A ratio counts as equal where, without dropout
and on the same batches, the mean loss over the first steps differs by less than 1e-3 nats. The texts are questions
of TREC (Li and Roth 2002) where they lie beside the checkout, else generated. Trainer needs `accelerate` (extra
`adapt`).
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from benchmarks.common import SHARED, Ratio, compare
from probekit.adaptation.examples import read_examples
from probekit.adaptation.inputs import Inputs, encode_inputs
from probekit.adaptation.live import Live
from probekit.adaptation.loop import Labelled, LoopPlan, epoch_batches, run_loop, unit_loss
from probekit.adaptation.strategies.parts import PlainTuning
from probekit.data.grammar import generate_corpus
from probekit.errors import MissingExtra
from probekit.models import load_model
from probekit.models.quiet import quiet

NAME = "finetuning"
EXAMPLES = 800
LONGEST = 64
CLOSE = 1e-3
STEPS = 6
PLAN = LoopPlan(
    epochs=1, rate=1e-4, batch_size=32, weight_decay=0.01, warmup=0.0, clip=1.0, seed=0, schedule="constant"
)
AIMS = (("padded to the maximum", True, 4.0), ("padded dynamically", False, 1.6))


def task() -> tuple[list[str], list[int], str]:
    """Texts, labels, and what they are."""
    path = SHARED / "data" / "trec" / "TREC.train.all"
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:EXAMPLES]
        return [line[2:] for line in lines], [int(line[0]) for line in lines], "TREC"
    corpus = generate_corpus(EXAMPLES, seed=0)
    return [s.text for s in corpus], [len(s.words) % 6 for s in corpus], "generated"


class Pooled(nn.Module):
    """What Trainer trains: the mean of ordinary pieces, dropout, a linear head. Its rows are padded by `Padded`."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.body, self.dropout, self.head = live.body, live.dropout, live.head

    def forward(self, input_ids: Any, attention_mask: Any, ordinary: Any, labels: Any) -> dict[str, Any]:
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        share = ordinary / ordinary.sum(1, keepdim=True)
        logits = self.head(self.dropout((states * share[..., None]).sum(1)))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Rows(torch.utils.data.Dataset[int]):
    """Numbers of examples; `Padded` makes batches of them."""

    def __init__(self, order: list[int]) -> None:
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> int:
        return self.order[index]


class Padded:
    """A collator: rows of the longest of a batch, or of LONGEST pieces."""

    def __init__(self, inputs: Inputs, y: Any, pad: int, *, full: bool) -> None:
        self.inputs, self.y, self.pad, self.full = inputs, y, pad, full

    def __call__(self, rows: list[int]) -> dict[str, Any]:
        width = LONGEST if self.full else max(len(self.inputs.ids[row]) for row in rows)
        ids = torch.full((len(rows), width), self.pad)
        mask, ordinary = torch.zeros_like(ids), torch.zeros(ids.shape)
        for at, row in enumerate(rows):
            own = self.inputs.ids[row]
            ids[at, : len(own)] = torch.from_numpy(own)
            mask[at, : len(own)] = 1
            ordinary[at, torch.from_numpy(self.inputs.places[row])] = 1.0
        return {
            "input_ids": ids, "attention_mask": mask, "ordinary": ordinary, "labels": torch.from_numpy(self.y[rows]),
        }  # fmt: skip


class Race:
    """One model's weights, one task, both ways to train on it."""

    def __init__(self) -> None:
        texts, labels, self.told = task()
        self.model = load_model("demo:minilm", device="cpu")
        self.start = {name: value.clone() for name, value in self.model.module.state_dict().items()}
        self.inputs = encode_inputs(self.model, read_examples(texts), max_pieces=LONGEST)
        self.y = np.array(labels, np.int64)

    def live(self, *, dropout: bool) -> Live:
        """The model as it was, with a fresh head."""
        self.model.module.load_state_dict(self.start)
        live = Live(self.model, 6, dropout=0.1 if dropout else 0.0, seed=0)
        for part in live.body.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.1 if dropout else 0.0
        for parameter in live.parameters():
            parameter.grad = None
        return live

    def ours(self) -> float:
        """CPU seconds of our epoch."""
        live = self.live(dropout=True)
        begun = time.process_time()
        run_loop(live, PlainTuning(), Labelled(self.inputs, self.y), None, PLAN)
        return time.process_time() - begun

    def theirs(self, *, full: bool) -> float:
        """CPU seconds of Trainer's epoch."""
        trainer = self._trainer(
            self.live(dropout=True), list(range(len(self.y))), full=full, sampling="random"
        )
        begun = time.process_time()
        trainer.train()
        return time.process_time() - begun

    def apart(self, *, full: bool) -> float:
        """How far the mean losses of the same few steps are apart, in nats, without dropout."""
        batches = epoch_batches(self.inputs.lengths, 32, np.random.default_rng([0, 1, 0]))[:STEPS]
        order = [int(row) for batch in batches for row in batch]
        live = self.live(dropout=False)
        trainer = self._trainer(live, order, full=full, sampling="sequential")
        theirs = trainer.train().training_loss
        live = self.live(dropout=False)
        losses = first_losses(live, self.inputs, self.y, batches)
        return abs(float(np.mean(losses)) - theirs)

    def _trainer(self, live: Live, order: list[int], *, full: bool, sampling: str) -> Trainer:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, num_train_epochs=1, per_device_train_batch_size=32, learning_rate=PLAN.rate,
                weight_decay=PLAN.weight_decay, max_grad_norm=1.0, lr_scheduler_type="constant", warmup_steps=0,
                optim="adamw_torch_fused", adam_epsilon=1e-8, save_strategy="no", report_to=[], disable_tqdm=True,
                logging_strategy="no", use_cpu=True, dataloader_num_workers=0, train_sampling_strategy=sampling,
                remove_unused_columns=False,
            )  # fmt: skip
        trainer = Trainer(
            Pooled(live), arguments, train_dataset=Rows(order),
            data_collator=Padded(self.inputs, self.y, self.model.pad_piece, full=full),
        )  # fmt: skip
        for callback in list(trainer.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                trainer.remove_callback(type(callback))
        return trainer


def first_losses(live: Live, inputs: Inputs, y: Any, batches: list[Any]) -> list[float]:
    """The losses of our loop over the examples of a few batches, in that very order."""
    rows = [int(row) for batch in batches for row in batch]
    part = Inputs(
        tuple(inputs.ids[row] for row in rows), None, tuple(inputs.places[row] for row in rows),
        np.arange(len(rows) + 1), 0,
    )  # fmt: skip
    found: list[float] = []

    def in_order(lengths: Any, size: int, rng: Any) -> list[Any]:
        return [np.arange(at, min(at + size, len(lengths))) for at in range(0, len(lengths), size)]

    def watched(*given: Any) -> Any:
        loss = unit_loss(*given)
        found.append(float(loss.detach()))
        return loss

    with (
        patch("probekit.adaptation.loop.epoch_batches", in_order),
        patch("probekit.adaptation.loop.unit_loss", watched),
    ):
        run_loop(live, PlainTuning(), Labelled(part, y[rows]), None, PLAN)
    return found


def run(rounds: int) -> Iterator[Ratio]:
    """One ratio for each way to pad. Raises MissingExtra without `accelerate`."""
    try:
        import accelerate  # noqa: F401
    except ImportError:
        raise MissingExtra("Trainer needs accelerate: pip install 'probekit-nlp[adapt]'") from None
    torch.set_num_threads(1)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        race = Race()
        taken: dict[str, list[float]] = {"ours": []}
        for _ in range(rounds):
            taken["ours"].append(race.ours())
            for name, full, _aim in AIMS:
                taken.setdefault(name, []).append(race.theirs(full=full))
        for name, full, aim in AIMS:
            apart = race.apart(full=full)
            note = (
                f"Trainer {name}; {race.told}, {len(race.y)} examples of {race.inputs.lengths.mean():.1f} pieces, "
                f"at most {race.inputs.lengths.max()}; difference of the mean loss over {STEPS} steps in nats"
            )
            yield compare(
                NAME, taken["ours"], taken[name], peer="transformers Trainer", aim=aim, equal=bool(apart <= CLOSE),
                difference=apart, note=note,
            )  # fmt: skip
