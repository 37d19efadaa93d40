"""Small tasks on tiny models, for tests of fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.adaptation.examples import Target, read_examples
from probekit.adaptation.inputs import encode_inputs
from probekit.adaptation.live import Live
from probekit.adaptation.loop import Labelled, LoopPlan
from probekit.models.ref import ModelRef
from tests.tiny_models import tiny_folder

TEXTS = [
    "the cat sat on the mat", "dogs run", "the cats sit on mats", "a dog runs", "the dogs bark at night",
    "a cat", "the keys to the cabinet are here", "she sits", "he runs at night", "cats and dogs", "the mat", "dogs",
]  # fmt: skip
LABELS = ["s", "p", "p", "s", "p", "s", "p", "s", "s", "p", "s", "p"]
FLIPPED = ["p" if label == "s" else "s" for label in LABELS]


def plan(**changed: Any) -> LoopPlan:
    """A plan of two epochs in batches of four."""
    settled: dict[str, Any] = {
        "epochs": 2, "rate": 1e-3, "batch_size": 4, "weight_decay": 0.01, "warmup": 0.1, "clip": 1.0, "seed": 0,
    }  # fmt: skip
    return LoopPlan(**settled | changed)


def live_model(kind: str = "bert", *, outputs: int = 2, dropout: float = 0.0, seed: int = 0) -> Live:
    """A freshly loaded tiny model with a head; nowhere any dropout unless asked for."""
    live = Live(
        ModelRef(name=str(tiny_folder(kind)), device="cpu").load(), outputs, dropout=dropout, seed=seed
    )
    for part in live.body.modules():
        if hasattr(part, "p") and not dropout:
            part.p = 0.0
        if isinstance(getattr(part, "attention_dropout", None), float) and not dropout:
            part.attention_dropout = 0.0
    return live


def labelled(live: Live, texts: Any = TEXTS, labels: Any = LABELS) -> Labelled:
    """Examples as the loop reads them; labels of any kind as codes."""
    examples = read_examples(texts, labels)
    target = Target.of(labels, examples)
    return Labelled(encode_inputs(live.model, examples), target.encode(labels, examples))


def weights(live: Live) -> dict[str, Any]:
    """All parameters as arrays of their own."""
    return {name: p.detach().numpy().copy() for name, p in live.named_parameters()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two sets of weights are the same to the bit."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
