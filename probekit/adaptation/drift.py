"""How far the states of the same words moved when a model was adapted, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import DataError
from probekit.glossary import Layer
from probekit.maths.drift import common_shift, relative_change, row_cosines

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Drift:
    """The change of every row at every layer.

    ``relative`` (length of the change by that of the state before) and ``cosine`` (of a state with itself before)
    float64 [layers, rows], NaN for a state of zeros; ``shift`` float64 [layers], the share of the squared change that
    all rows have in common; ``cluster`` int64 [rows], the sentence of each row.
    """

    layers: tuple[Layer, ...]
    relative: Array
    cosine: Array
    shift: Array
    cluster: Array


def state_drift(before: Activations, after: Activations, split_rows: Array | None = None) -> Drift:
    """Compare the stored states of one corpus before and after a model was adapted.

    `split_rows` int64 are the rows that are compared, all where not given; one layer of them is in memory at a time,
    of both sides. Raises DataError where the two do not hold the same rows or layers.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(3, 1, 1), layers=[0, 3])
    >>> from probekit.adaptation.drift import state_drift
    >>> float(state_drift(acts, acts).relative.max())
    0.0
    """
    check_same_rows(before, after)
    rows = np.arange(before.n_rows) if split_rows is None else np.asarray(split_rows, np.int64)
    relative, cosine, shift = [], [], []
    for layer in before.layers:
        one, other = before.gather(layer, rows), after.gather(layer, rows)
        relative.append(relative_change(one, other))
        cosine.append(row_cosines(one, other))
        shift.append(common_shift(one, other))
    return Drift(
        before.layers, np.stack(relative), np.stack(cosine), np.array(shift), before.index.sentence[rows]
    )


def check_same_rows(before: Activations, after: Activations) -> None:
    """Raise DataError where two stores do not hold the same words at the same layers, row by row."""
    if before.layers != after.layers or before.dim != after.dim:
        raise DataError(
            f"states before are of layers {', '.join(before.layers)} ({before.dim} numbers each), after of "
            f"{', '.join(after.layers)} ({after.dim}); compare a model with an adapted copy of itself"
        )
    same = before.n_rows == after.n_rows and all(
        np.array_equal(getattr(before.index, name), getattr(after.index, name))
        for name in ("sentence", "number")
    )
    if not same:
        raise DataError(
            f"{before.model['name']} and {after.model['name']} do not hold states of the same words; read the same "
            "corpus with the same tokenizer, pooling and site"
        )
