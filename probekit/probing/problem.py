"""A probing problem: everything a probe of one layer needs besides the vectors, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import UnitData
from probekit.data.controls import (
    majority_predictions,
    shuffled_labels,
    word_identity_predictions,
    word_type_labels,
)
from probekit.data.task import Task
from probekit.data.units import Units
from probekit.errors import DataError, StoreError
from probekit.glossary import SPLITS
from probekit.results.bundle import load_bundle, save_bundle

Array = NDArray[Any]


@dataclass(frozen=True)
class ProbeProblem:
    """The units of a task with their labels, control labels and baselines, aligned row by row.

    Class labels are codes into `labels`: first the labels seen in training, sorted, then those that occur only
    in dev or test, which no probe can predict and which count as wrong. Numeric tasks have no `labels` and hold
    float64 values.

    Attributes
    ----------
    rows : int64 (units,), the row of each unit in the stored entry
    gold : int32 codes or float64 values (units,)
    split : int8 (units,), index into ("train", "dev", "test")
    cluster : int32 (units,), the sentence of each unit: what intervals resample
    overlap : bool (units,), the unit's sentence text stands in train too
    word_type : (seeds, units) control labels; shuffled : (1, units); majority, word_identity : (units,) predictions
    """

    task: str
    unit: str
    kind: str
    metric: str
    labels: tuple[str, ...]
    n_train_labels: int
    ids: tuple[str, ...]
    rows: Array
    gold: Array
    split: Array
    cluster: Array
    overlap: Array
    word_type: Array
    shuffled: Array
    majority: Array | None
    word_identity: Array | None
    control_seeds: tuple[int, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, split: str) -> Array:
        """Positions of the units of one split, int64."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    @property
    def is_numeric(self) -> bool:
        return self.kind == "number"

    def save(self, stem: Path) -> None:
        """Write `stem`.safetensors and `stem`.json."""
        arrays = {name: value for name in _ARRAYS if (value := getattr(self, name)) is not None}
        save_bundle(stem, arrays, {name: getattr(self, name) for name in _PLAIN})

    @classmethod
    def load(cls, stem: Path) -> ProbeProblem:
        """Read what `save` wrote."""
        arrays, plain = load_bundle(stem)
        for name in ("labels", "ids", "control_seeds"):
            plain[name] = tuple(plain[name])
        given: dict[str, Any] = {**plain, **{name: arrays.get(name) for name in _ARRAYS}}
        return cls(**given)


_ARRAYS = (
    "rows",
    "gold",
    "split",
    "cluster",
    "overlap",
    "word_type",
    "shuffled",
    "majority",
    "word_identity",
)
_PLAIN = (
    "task",
    "unit",
    "kind",
    "metric",
    "labels",
    "n_train_labels",
    "ids",
    "control_seeds",
    "left_out",
    "notes",
)


def pose(data: UnitData, task: Task, *, control_seeds: Sequence[int] = range(5)) -> ProbeProblem:
    """The probing problem that a task poses over stored units, its controls drawn and its baselines predicted.

    Raises
    ------
    DataError
        if train, dev or test has no unit, or all training labels are the same.
    """
    units = data.units
    present = check_units(task, units, data.left_out)
    split = _codes_of_splits(units.split, task)
    train = split == 0
    wanted = task.controls
    type_labels = (
        [word_type_labels(units, seed=seed) for seed in control_seeds] if "word-type" in wanted else []
    )
    shuffles = (
        [shuffled_labels(units, seed=control_seeds[0] if len(control_seeds) else 0)]
        if "shuffled" in wanted
        else []
    )
    majority = majority_predictions(units) if "majority" in wanted else None
    identity = word_identity_predictions(units) if "word-identity" in wanted else None

    if task.kind == "number":
        labels: tuple[str, ...] = ()
        n_train_labels = 0

        def code(values: Array) -> Array:
            return np.asarray(values, dtype=np.float64)
    else:
        seen = sorted(set(units.labels[train].tolist()))
        unseen = sorted(set(units.labels.tolist()) - set(seen))
        labels, n_train_labels = (*seen, *unseen), len(seen)
        number = {label: index for index, label in enumerate(labels)}

        def code(values: Array) -> Array:
            return np.fromiter((number[value] for value in values.tolist()), np.int32, len(values))

    unseen_count = int(np.sum(code(units.labels) >= n_train_labels)) if labels else 0
    empty = np.zeros((0, len(split)), dtype=np.float64 if task.kind == "number" else np.int32)
    return ProbeProblem(
        task=task.name,
        unit=task.unit,
        kind=task.kind,
        metric=task.metric,
        labels=labels,
        n_train_labels=n_train_labels,
        ids=tuple(units.ids),
        rows=np.asarray(data.rows, dtype=np.int64),
        gold=code(units.labels),
        split=split,
        cluster=np.asarray(data.cluster, dtype=np.int32),
        overlap=np.asarray(units.overlap, dtype=bool),
        word_type=np.stack([code(values) for values in type_labels]) if type_labels else empty,
        shuffled=np.stack([code(values) for values in shuffles]) if shuffles else empty,
        majority=None if majority is None else code(majority),
        word_identity=None if identity is None else code(identity),
        control_seeds=tuple(int(seed) for seed in control_seeds) if type_labels else (),
        left_out=dict(data.left_out),
        notes={"units": present, "units_with_labels_unseen_in_train": unseen_count},
    )


def check_units(task: Task, units: Units, left_out: Mapping[str, int]) -> dict[str, int]:
    """The number of units per split; DataError as `pose` says."""
    split = _codes_of_splits(units.split, task)
    present = {name: int(np.sum(split == code)) for code, name in enumerate(SPLITS)}
    for name, n in present.items():
        if not n:
            raise DataError(
                f"task {task.name!r} has no unit in {name} (train {present['train']}, dev {present['dev']}, test "
                f"{present['test']}; left out: {_spoken(left_out)}); the corpus needs all three splits: give a "
                "file for each, or set split = 'sentence' in the task file"
            )
    seen = set(units.labels[split == 0].tolist())
    if len(seen) < 2 and task.kind == "classes":
        raise DataError(
            f"task {task.name!r}: every training unit has the label {min(seen)!r}; a probe needs two"
        )
    return present


def check_same_rows(entry: Mapping[str, Any], twin: Mapping[str, Any]) -> None:
    """Refuse a twin whose stored rows are not those of the model it stands beside (recipes of both)."""
    keys = [*entry, *(key for key in twin if key not in entry)]
    different = [key for key in keys if key != "model" and entry.get(key) != twin.get(key)]
    if entry["model"]["tokenizer"] != twin["model"]["tokenizer"]:
        different.append("tokenizer")
    if different:
        raise StoreError(
            f"the random twin was extracted otherwise than its model: {', '.join(different)} differ"
        )


def _codes_of_splits(splits: Array, task: Task) -> Array:
    known = {name: code for code, name in enumerate(SPLITS)}
    unknown = sorted(set(splits.tolist()) - set(known))
    if unknown:
        raise DataError(
            f"task {task.name!r}: units in split {unknown[0]!r}; expected train, dev and test. Name the files so that "
            "each split is told (en-train.conllu ...), or set split = 'sentence' in the task file"
        )
    return np.fromiter((known[name] for name in splits.tolist()), np.int8, len(splits))


def _spoken(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in left_out.items()) or "none"
