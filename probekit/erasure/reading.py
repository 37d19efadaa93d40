"""Many looks read together: equal inputs once, in batches of one length, nothing padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.pool import make_pooler
from probekit.erasure.partial_pass import states_up_to
from probekit.erasure.predictions import Look
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.erasure.predictions import Bound
    from probekit.models.model import Model

Array = NDArray[Any]
Ints = NDArray[np.int64]

STAGE = "reading erased copies"
ON_CPU = 1024
ON_ACCELERATOR = 16_384


class Change(Protocol):
    """What is changed inside the model while a batch is read; ``marks`` ``[batch, ...]`` are those of its inputs."""

    def __call__(self, marks: torch.Tensor) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True, eq=False)
class Flat:
    """The questions of many looks, one row of ``input``, ``first``, ``stop``, ``target``, ``weight`` and ``look`` each;
    ``inputs`` and ``marks`` are distinct."""

    inputs: list[Ints]
    marks: list[Ints]
    input: Ints
    first: Ints
    stop: Ints
    target: Ints
    weight: Array
    look: Ints
    n_looks: int


def flatten(looks: Sequence[Look]) -> Flat:
    """All questions of the looks; inputs that are equal, marks included, are kept once."""
    known: dict[tuple[bytes, bytes], int] = {}
    inputs: list[Ints] = []
    marks: list[Ints] = []
    columns: list[tuple[Ints, ...]] = []
    for which, look in enumerate(looks):
        own = np.zeros(len(look.inputs), np.int64)
        for i, ids in enumerate(look.inputs):
            mark = look.marks[i] if look.marks else np.zeros(0, np.int64)
            key = (ids.tobytes(), mark.tobytes())
            own[i] = known.setdefault(key, len(inputs))
            if own[i] == len(inputs):
                inputs.append(ids)
                marks.append(mark)
        n = len(look.input)
        columns.append((own[look.input], look.first, look.stop, look.target, np.full(n, which)))
    input_, first, stop, target, number = (
        np.concatenate([np.zeros(0, np.int64), *(row[i] for row in columns)]).astype(np.int64)
        for i in range(5)
    )
    weight = np.concatenate([np.zeros(0), *(look.weight for look in looks)])
    return Flat(inputs, marks, input_, first, stop, target, weight, number, len(looks))


def values_of(
    bound: Bound, looks: Sequence[Look], change: Change | None = None, progress: Progress = silent
) -> Array:
    """The value of the prediction for every look, float64; NaN for one that is left out."""
    flat = flatten(looks)
    scores = bound.answers(flat, change, progress) if len(flat.input) else np.zeros(0)
    values = np.bincount(flat.look, weights=flat.weight * scores, minlength=flat.n_looks)
    return np.where([bool(look.left_out) or not len(look.input) for look in looks], np.nan, values)


def read_states(
    model: Model,
    flat: Flat,
    layer: str,
    pool: str = "mean",
    change: Change | None = None,
    progress: Progress = silent,
) -> tuple[torch.Tensor, Ints]:
    """The states of a layer that the questions look at, float32 ``[rows, dim]``, and the row of every question.

    Questions about the same pieces of the same input share a row.
    """
    cells, row = np.unique(np.stack([flat.input, flat.first, flat.stop], axis=1), axis=0, return_inverse=True)
    row = row.reshape(-1)
    device = model.module.device
    found = torch.empty(0)
    shapes = [(len(ids), len(mark)) for ids, mark in zip(flat.inputs, flat.marks, strict=True)]
    begins = np.searchsorted(cells[:, 0], np.arange(len(flat.inputs) + 1))
    done = 0
    progress(STAGE, 0, len(flat.inputs))
    for numbers in batches(shapes, ON_CPU if device.type == "cpu" else ON_ACCELERATOR):
        ids = torch.from_numpy(np.stack([flat.inputs[i] for i in numbers])).to(device)
        marks = torch.from_numpy(np.stack([flat.marks[i] for i in numbers])).to(device)
        with change(marks) if change is not None else nullcontext():
            states = states_up_to(model, ids, layer)
        own = np.concatenate([np.arange(begins[i], begins[i + 1]) for i in numbers])
        shift = np.repeat(np.arange(len(numbers)) * ids.shape[1], begins[numbers + 1] - begins[numbers])
        pooler = make_pooler(cells[own, 1] + shift, cells[own, 2] + shift, pool, device)
        rows = pooler(states.reshape(-1, states.shape[-1]).float())
        if not len(found):
            found = torch.empty(len(cells), rows.shape[1], device=device)
        found[torch.from_numpy(own).to(device)] = rows
        done += len(numbers)
        progress(STAGE, done, len(flat.inputs))
    return found, row


def batches(shapes: Sequence[tuple[int, int]], budget: int) -> Iterator[Ints]:
    """Numbers of inputs of one and the same shape, at most ``budget`` pieces together, or one input."""
    keys = np.asarray(shapes, dtype=np.int64).reshape(-1, 2)
    order = np.lexsort(keys.T)
    ordered = keys[order]
    cuts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    for same in np.split(order, cuts):
        if len(same):
            step = max(1, budget // max(1, int(keys[same[0], 0])))
            for begin in range(0, len(same), step):
                yield same[begin : begin + step]
