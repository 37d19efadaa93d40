"""What happened to every single unit of one cell: the ground that measurements and comparisons stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from probekit.errors import DataError
from probekit.results.bundle import load_bundle, save_bundle
from probekit.results.files import canonical_json, read_json, tagged_hash, write_bytes

Array = np.ndarray[Any, Any]
ARRAYS = ("cluster", "gold", "predicted", "margin")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Gold and prediction of n units, with the sentence each belongs to.

    ids
        "sentence id:word number" (1-based), or the sentence id; unique.
    cluster : int32[n]
        Ordinal of the sentence: what intervals resample.
    gold, predicted : int32[n] codes into `labels`, or float64[n] where `labels` is empty
        A predicted code may be -1: no answer.
    margin : float32[n]
        Log-probability of gold minus that of the best other label; NaN where unknown.
    left_out
        Reason -> number of units that could not be scored.

    Raises DataError where lengths, codes or ids do not fit together.

    >>> o = Outcomes(("s1:1", "s1:2"), [0, 0], [0, 1], [0, 0], labels=("NOUN", "VERB"))
    >>> o.correct.tolist(), o.kind
    ([1.0, 0.0], 'classes')
    """

    ids: tuple[str, ...]
    cluster: Array
    gold: Array
    predicted: Array
    margin: Array = field(default_factory=lambda: np.empty(0, np.float32))
    labels: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        answer = np.int32 if self.labels else np.float64
        types = {"cluster": np.int32, "gold": answer, "predicted": answer, "margin": np.float32}
        if n and not len(self.margin):
            object.__setattr__(self, "margin", np.full(n, np.nan, np.float32))
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "left_out", {str(k): int(v) for k, v in sorted(self.left_out.items())})
        for name, dtype in types.items():
            array = np.array(getattr(self, name), dtype=dtype)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
            if array.shape != (n,):
                raise DataError(f"outcomes: {name} has shape {array.shape} for {n} ids")
        if len(set(self.ids)) != n:
            raise DataError("outcomes: the same id twice; a unit is scored once")
        if self.labels and n:
            low, high = int(self.gold.min()), int(max(self.gold.max(), self.predicted.max()))
            if low < 0 or int(self.predicted.min()) < -1 or high >= len(self.labels):
                raise DataError(f"outcomes: a label code outside 0..{len(self.labels) - 1}")

    def __repr__(self) -> str:
        return f"Outcomes({len(self)} units, {self.kind}, {self.n_left_out} left out)"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> str:
        """ "classes" or "number"."""
        return "classes" if self.labels else "number"

    @property
    def correct(self) -> Array:
        """float64[n]: 1 where the prediction is the gold label, else 0."""
        correct: Array = (self.gold == self.predicted).astype(np.float64)
        return correct

    @property
    def n_left_out(self) -> int:
        """How many units could not be scored."""
        return sum(self.left_out.values())

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and `<stem>.json`. Raises DiskError.

        Ids, which many cells share, lie once beside them in `units-<hash>.json`.
        """
        content = canonical_json(list(self.ids))
        ids_file = f"units-{tagged_hash('outcome-ids', content)[:16]}.json"
        ids_path = Path(stem).parent / ids_file
        if not ids_path.exists():
            write_bytes(ids_path, content)
        arrays = {name: getattr(self, name) for name in ARRAYS}
        words = {"labels": list(self.labels), "left_out": dict(self.left_out), "ids_file": ids_file}
        save_bundle(stem, arrays, words)

    @classmethod
    def load(cls, stem: str | Path) -> Outcomes:
        """Read outcomes back. Raises DataError where a file is absent, StoreError where one is damaged."""
        arrays, words = load_bundle(stem)
        ids_path = Path(stem).parent / Path(words["ids_file"]).name
        return cls(
            ids=tuple(read_json(ids_path)),
            labels=tuple(words["labels"]),
            left_out=words["left_out"],
            **{name: arrays[name] for name in ARRAYS},
        )
