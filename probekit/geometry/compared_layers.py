"""Pairs of layers compared; as many layers are in memory as fit into `KEPT_BYTES`, and two at least."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import DataError
from probekit.geometry.joined_rows import JoinedRows
from probekit.geometry.similarity_measures import Measure
from probekit.geometry.stored import finite_rows, identical
from probekit.glossary import Layer, Progress
from probekit.maths.resampling import Interval

Array = NDArray[Any]
Cell = tuple[Hashable, Hashable]
KEPT_BYTES = 256 * 2**20
ROUNDING = 1e-9
STAGE = "similarity (pairs of layers)"


@dataclass
class Compared:
    """What was found for each pair: value and bounds float64 [cells], NaN where undefined, and then why.

    ``null`` float64 [permutations, cells]: the values when sentences of the second side are shuffled.
    """

    value: Array
    low: Array
    high: Array
    null: Array
    reasons: dict[int, str] = field(default_factory=dict)

    def p(self, *, distance: bool) -> tuple[Array, Array]:
        """p of "no more alike than shuffled", and that corrected for the maximum over all pairs; NaN where undefined.

        Every permutation shuffles all pairs alike. For the corrected p each pair's values are brought to mean 0 and
        variance 1 over observed and shuffled ones together, so that pairs of different levels are comparable.
        """
        sign = -1.0 if distance else 1.0
        p, adjusted = (np.full(len(self.value), np.nan) for _ in range(2))
        if not len(self.null):
            return p, adjusted
        every = sign * np.concatenate([self.value[None], self.null])
        tested = np.isfinite(every).all(axis=0)
        every = every[:, tested]
        if not every.size:
            return p, adjusted
        slack = 1e-12 + 1e-9 * np.abs(every[0])
        p[tested] = (every >= every[0] - slack).mean(axis=0)
        spread = every.std(axis=0)
        scaled = np.divide(every - every.mean(axis=0), spread, out=np.zeros_like(every), where=spread > 0)
        most = scaled.max(axis=1)
        adjusted[tested] = (most[:, None] >= scaled[0] - 1e-9).mean(axis=0)
        return p, adjusted


class _Sides:
    """Layers made ready for comparison; as many are kept as fit into `KEPT_BYTES`, and always the last two."""

    def __init__(
        self, measure: Measure, sources: Mapping[Hashable, tuple[Activations, Array, Layer]]
    ) -> None:
        self.measure, self.sources = measure, sources
        self.ready: OrderedDict[Hashable, Any] = OrderedDict()
        self.failed: dict[Hashable, str] = {}

    def get(self, key: Hashable) -> Any:
        """The side; raises DataError, saying which layer, where it cannot be compared."""
        if key in self.failed:
            raise DataError(self.failed[key])
        if key not in self.ready:
            acts, rows, layer = self.sources[key]
            X = finite_rows(acts, layer, rows)
            try:
                if identical(X):
                    raise DataError(f"all {len(X)} rows are identical: there is nothing to compare")
                self.ready[key] = self.measure.side(X, key)
            except DataError as problem:
                self.failed[key] = f"layer {layer} of {acts.model['name']}: {problem}"
                raise DataError(self.failed[key]) from None
        self.ready.move_to_end(key)
        while len(self.ready) > 2 and sum(map(self.measure.size, self.ready.values())) > KEPT_BYTES:
            self.ready.popitem(last=False)
        return self.ready[key]


def compare_cells(
    measure: Measure, sources: Mapping[Hashable, tuple[Activations, Array, Layer]], cells: Sequence[Cell],
    orders: Iterable[Array], *, interval: bool, progress: Progress,
) -> Compared:  # fmt: skip
    """Compare pairs of `sources` (extraction, its rows in the common order, layer), each named by its key.

    `orders` are the permutations of rows. A pair of a key with itself is the same by definition: it gets no
    interval and is not shuffled.
    """
    orders = list(orders)
    sides = _Sides(measure, sources)
    shape = len(cells)
    value, low, high = (np.full(shape, np.nan) for _ in range(3))
    found = Compared(value, low, high, np.full((len(orders), shape), np.nan))
    for number, (one, other) in enumerate(cells):
        progress(STAGE, number, shape)
        try:
            a, b = sides.get(one), sides.get(other)
            interval_of = measure.compare(a, b, interval and one != other)
            found.value[number], found.low[number], found.high[number] = _within(measure, interval_of)
            for row, order in enumerate(orders if one != other else ()):
                found.null[row, number] = measure.permuted(a, b, order)
        except DataError as problem:
            found.value[number] = found.low[number] = found.high[number] = np.nan
            found.reasons[number] = str(problem)
    progress(STAGE, shape, shape)
    return found


def _within(measure: Measure, found: Interval) -> Array:
    """Value and bounds inside the limits of the measure, and what misses "the same" by rounding alone the same."""
    bounded = np.clip(np.asarray(found, dtype=np.float64), *measure.limits)
    return np.where(np.abs(bounded - measure.same) <= ROUNDING, measure.same, bounded)


def shuffles(joined: JoinedRows, permutations: int, seed: int) -> list[Array]:
    """The permutations of rows by sentence; none where there are fewer than two sentences."""
    return [joined.shuffled(seed, number) for number in range(permutations if joined.sentences > 1 else 0)]
