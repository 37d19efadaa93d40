"""A training so small that it takes a moment."""

from __future__ import annotations

import copy
from typing import Any

TEXTS = [
    f"the {noun} near the {other} {verb} ."
    for noun in ("key", "dog", "cat", "king", "poet")
    for other in ("tables", "birds", "lamps", "rivers")
    for verb in ("sings", "rests", "falls", "waits", "stands")
]

BASE: dict[str, Any] = {
    "name": "tiny",
    "steps": 6,
    "save_seconds": 1000.0,
    "corpus": {"generated": {"train": 60, "dev": 12, "test": 1}},
    "tokenizer": {"kind": "words", "size": 400},
    "objective": {"kind": "causal"},
    "model": {"family": "gpt2", "layers": 1, "width": 16, "heads": 2, "dropout": 0.1},
    "batches": {"pieces": 64, "length": 16},
    "optimizer": {"rate": 0.003, "warmup": 2},
}


def tiny(**changes: Any) -> dict[str, Any]:
    """The tiny configuration with some tables and keys changed; a table is merged, not replaced."""
    document = copy.deepcopy(BASE)
    for key, value in changes.items():
        if isinstance(value, dict) and key != "corpus":
            document[key] = {**document.get(key, {}), **value}
        else:
            document[key] = value
    return document


def masked(**changes: Any) -> dict[str, Any]:
    """The same with the masked objective."""
    model = {"family": "roberta-prelayernorm", **changes.pop("model", {})}
    objective = {"kind": "masked", **changes.pop("objective", {})}
    return tiny(model=model, objective=objective, **changes)
