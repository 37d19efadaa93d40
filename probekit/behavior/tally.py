"""Accuracies of many systems in many groups, and their differences, with one resampling of clusters for them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.groups import Grouping
from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import Interval, percentile_interval, resample_sums

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tally:
    """Means of several score columns in every group, and what each resample of clusters makes of them.

    Attributes
    ----------
    mean : float64 (columns, groups): NaN where nothing was judged
    n : int64 (columns, groups): cases with a score
    n_clusters : int64 (columns, groups)
    draws : float64 (resamples, columns, groups)
    starts : the first group of each grouping, and their number
    shares : whether a column holds shares of 0 ... 1, whose extremes get exact bounds
    """

    mean: Array
    n: Array
    n_clusters: Array
    draws: Array
    starts: Array
    shares: tuple[bool, ...]

    def interval(self, column: int, group: int) -> Interval:
        """A mean with its bounds: percentiles of the draws, or exact where it is 0 or 1."""
        value, n_clusters = float(self.mean[column, group]), int(self.n_clusters[column, group])
        if self.shares[column] and value in (0.0, 1.0):
            return all_or_none_interval(value, n_clusters)
        return self._bounded(value, n_clusters, self.draws[:, column, group])

    def macro(self, column: int, groups: slice) -> tuple[Interval, int]:
        """The mean over groups, each counting alike, its bounds, and over how many groups it goes."""
        means = self.mean[column, groups]
        found = ~np.isnan(means)
        if not found.any():
            return Interval(np.nan, np.nan, np.nan), 0
        draws = self.draws[:, column, groups][:, found]
        n_clusters = int(self.n_clusters[column, groups][found].sum())
        value = float(means[found].mean())
        if self.shares[column] and value in (0.0, 1.0):
            return all_or_none_interval(value, n_clusters), int(found.sum())
        filled = ~np.isnan(draws)
        total = np.where(filled, draws, 0.0).sum(axis=1) / np.maximum(filled.sum(axis=1), 1)
        return self._bounded(value, n_clusters, total), int(found.sum())

    def difference(self, column: int, group: int, other: int) -> Interval:
        """mean(group) - mean(other group) of one column; both are drawn in the same resamples."""
        value = float(self.mean[column, group] - self.mean[column, other])
        fewest = int(min(self.n_clusters[column, group], self.n_clusters[column, other]))
        return self._bounded(value, fewest, self.draws[:, column, group] - self.draws[:, column, other])

    def _bounded(self, value: float, n_clusters: int, draws: Array) -> Interval:
        if np.isnan(value) or n_clusters < 2:
            return Interval(value, np.nan, np.nan)
        low, high = percentile_interval(draws)
        return Interval(value, float(low), float(high))


def tally(
    columns: Sequence[Array],
    shares: Sequence[bool],
    groupings: Sequence[Grouping],
    cluster: Array,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Tally:
    """Count every column in every group, then resample whole clusters once for all of them.

    `columns` : float64 (cases,) each, NaN for a case without a score; `cluster` int (cases,). Because columns and
    groups share their resamples, differences between them are paired where they stand on the same clusters.
    """
    from scipy.sparse import coo_array, hstack

    _, clusters = np.unique(cluster, return_inverse=True)
    n_clusters = int(clusters.max()) + 1 if len(clusters) else 0
    starts = np.cumsum([0, *(len(one.names) for one in groupings)])
    n_groups, n_columns = int(starts[-1]), len(columns)
    size = n_columns * n_groups
    rows: list[Array] = []
    places: list[Array] = []
    values: list[Array] = []
    for number, scores in enumerate(columns):
        judged = ~np.isnan(scores)
        for start, one in zip(starts, groupings, strict=False):
            inside = np.flatnonzero(judged & (one.code >= 0))
            rows.append(clusters[inside])
            places.append(number * n_groups + start + one.code[inside])
            values.append(scores[inside])
    row, place, value = (np.concatenate([np.zeros(0), *part]) for part in (rows, places, values))
    row, place = row.astype(np.int64), place.astype(np.int64)
    shape = (n_clusters, size)
    sums = coo_array((value, (row, place)), shape=shape).tocsr()
    counts = coo_array((np.ones(len(value)), (row, place)), shape=shape).tocsr()
    n = np.asarray(counts.sum(axis=0)).reshape(n_columns, n_groups)
    total = np.asarray(sums.sum(axis=0)).reshape(n_columns, n_groups)
    filled = np.bincount(counts.tocoo().coords[1], minlength=size).reshape(n_columns, n_groups)
    if n_clusters:
        both = resample_sums(hstack([sums, counts], format="csr"), resamples=resamples, seed=seed)
        drawn, sizes = both[:, :size], both[:, size:]
    else:
        drawn = sizes = np.zeros((resamples, size))
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = (drawn / sizes).reshape(resamples, n_columns, n_groups)
        mean = total / n
    return Tally(mean, n.astype(np.int64), filled, draws, starts, tuple(shares))
