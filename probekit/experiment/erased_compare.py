"""Means with their intervals and paired differences with their tests, many at once over the same units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.measurement import Measurement

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Ground:
    """The units that numbers are means over: what they are called, and the cluster of each."""

    cluster: Array
    clusters: str
    resamples: int

    @property
    def how(self) -> str:
        return f"cluster bootstrap over {self.clusters}, {self.resamples} resamples, 95% percentile"

    def mean(self, row: Measurement, values: Array) -> Measurement:
        """The mean of float64 (units,) with its interval; NaN marks a unit that is left out. Shares of exactly 0 or 1
        get exact bounds."""
        kept = ~np.isnan(values)
        row = replace(row, n=int(kept.sum()), n_left_out=int((~kept).sum()))
        if not kept.any():
            return replace(row, value=None, reason="every unit was left out")
        found = mean_interval(values[kept], self.cluster[kept], resamples=self.resamples)
        made = self.how
        if np.isin(values[kept], (0.0, 1.0)).all() and found.value in (0.0, 1.0):
            found = all_or_none_interval(found.value, len(np.unique(self.cluster[kept])))
            made = f"exact binomial over {self.clusters}, 95%: every unit was answered alike"
        return self._bounded(row, found, made)

    def differences(
        self, rows: Sequence[Measurement], pairs: Sequence[tuple[Array, Array]]
    ) -> list[Measurement]:
        """mean(a - b) over the units that both have, for a family of rows: paired intervals, p by sign flips of whole
        clusters, Holm-corrected over the family."""
        if not rows:
            return []
        apart = np.stack([a - b for a, b in pairs]).astype(np.float64)
        kept = ~np.isnan(apart)
        p = np.full(len(rows), np.nan)
        for mask in np.unique(kept, axis=0):
            same = np.flatnonzero((kept == mask).all(axis=1))
            if mask.any():
                p[same] = sign_flip_p(apart[same][:, mask], self.cluster[mask])
        adjusted, family = holm(p), int((~np.isnan(p)).sum())
        found = []
        for number, row in enumerate(rows):
            mask = kept[number]
            row = replace(row, n=int(mask.sum()), n_left_out=int((~mask).sum()))
            if not mask.any():
                found.append(replace(row, value=None, reason="no unit was answered by both"))
                continue
            bounds = mean_interval(apart[number][mask], self.cluster[mask], resamples=self.resamples)
            row = self._bounded(row, bounds, f"paired {self.how}")
            if not np.isnan(p[number]):
                row = replace(
                    row, p=float(p[number]), p_adjusted=float(adjusted[number]), family_size=family,
                    interval=f"{row.interval}; p: sign flips by {self.clusters}, two-sided",
                )  # fmt: skip
            found.append(row)
        return found

    def _bounded(self, row: Measurement, found: Any, made: str) -> Measurement:
        return replace(
            row, value=found.value, low=found.low, high=found.high, reason="",
            interval=made if np.isfinite(found.low) else "",
        )  # fmt: skip
