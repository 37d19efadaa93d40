"""Numbers of pairs of items, some pairs of one class and some of two: how far apart, how sure, by chance.

A pair is no unit of its own: an item is in many. Items (or clusters of them) are resampled, and labels are exchanged
between items. Sources: Hoeffding 1948 and Arcones & Giné 1992 (means over pairs and their bootstrap); Phipson & Smyth
2010 ((b + 1) / (R + 1)).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from probekit.maths.resampling import CELLS, dense_clusters, draw_weights

Array = np.ndarray[Any, Any]


class Apart(NamedTuple):
    """Mean value within less mean value between; the area: how often a pair within has the higher value."""

    difference: float
    area: float


def apart(values: Array, within: Array) -> Apart:
    """How far values float64[pairs] of pairs within a class lie above those between classes, `within` bool[pairs].

    Equal values count one half in the area. NaN where one kind of pair is missing.

    >>> apart(np.array([0.9, 0.4, 0.5]), np.array([True, False, False]))
    Apart(difference=0.45, area=1.0)
    """
    if within.all() or not within.any():
        return Apart(np.nan, np.nan)
    ones, zeros = int(within.sum()), int((~within).sum())
    area = (_midranks(values)[within].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    return Apart(round(float(values[within].mean() - values[~within].mean()), 15), float(area))


def apart_draws(
    values: Array,
    within: Array,
    first: Array,
    second: Array,
    cluster: Array,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Array:
    """`apart` of resampled items, float64[resamples, 2]: difference and area.

    Pair p is of items ``first[p]`` and ``second[p]``, items of ``cluster`` int[items] are drawn together, and a pair
    counts as often as both are drawn, multiplied; pairs of a cluster with itself must not be among them. NaN where a
    resample has no pair of one kind. The same clusters and seed give the same resamples, so paired things stay paired.
    """
    codes, n_clusters = dense_clusters(np.asarray(cluster))
    order = np.argsort(values, kind="stable")
    left, right, own = codes[first][order], codes[second][order], within[order].astype(float)
    sorted_values = np.asarray(values, dtype=np.float64)[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(sorted_values) > 0]))
    tied = len(starts) < len(sorted_values)
    found = np.empty((resamples, 2))
    done = 0
    for chunk in draw_weights(n_clusters, resamples, seed):
        for weights in chunk:
            times = weights[left] * weights[right]
            ones = times * own
            zeros = times - ones
            n_ones, n_zeros = ones.sum(), zeros.sum()
            if not n_ones or not n_zeros:
                found[done] = np.nan
            else:
                difference = ones @ sorted_values / n_ones - zeros @ sorted_values / n_zeros
                if tied:
                    ones, zeros = np.add.reduceat(ones, starts), np.add.reduceat(zeros, starts)
                found[done] = difference, ones @ (np.cumsum(zeros) - zeros / 2) / (n_ones * n_zeros)
            done += 1
    return found


def apart_by_chance(
    values: Array,
    codes: Array,
    first: Array,
    second: Array,
    strata: Array,
    *,
    permutations: int = 999,
    seed: int = 0,
) -> Array:
    """`apart` of float64[sets, pairs] with classes dealt out anew, float64[permutations, sets, 2].

    ``codes`` int[items] are exchanged between items of one stratum (``strata`` int[items]) only; all sets of values
    see the same deals. NaN where a deal has no pair of one kind.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    sets, pairs = values.shape
    ranks = np.stack([_midranks(row) for row in values])
    columns = np.concatenate([values, ranks, np.ones((1, pairs))]).T
    total = columns.sum(axis=0)
    rng = np.random.default_rng([seed, 12])
    order = np.lexsort((np.arange(len(codes)), strata))
    found = np.empty((permutations, sets, 2))
    step = max(1, CELLS // max(1, pairs))
    for start in range(0, permutations, step):
        rows = min(step, permutations - start)
        # a random key within each stratum: sorting by it deals its classes out anew
        keys = rng.random((rows, len(codes)))
        dealt = np.empty((rows, len(codes)), dtype=np.int64)
        for row in range(rows):
            dealt[row, order] = codes[np.lexsort((keys[row], strata))]
        same = (dealt[:, first] == dealt[:, second]).astype(np.float64)
        within = same @ columns
        ones = within[:, -1:]
        zeros = pairs - ones
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, rank = within[:, :sets], within[:, sets : 2 * sets]
            found[start : start + rows, :, 0] = mean / ones - (total[:sets] - mean) / zeros
            found[start : start + rows, :, 1] = (rank - ones * (ones + 1) / 2) / (ones * zeros)
    found[~np.isfinite(found)] = np.nan
    return found


def p_above(observed: float, drawn: Array) -> float:
    """One-sided p: how often a value by chance, float64[permutations], is as large, (b + 1) / (R + 1).

    >>> p_above(0.8, np.array([0.5, 0.9, 0.4]))
    0.5
    """
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(observed) or not len(known):
        return float("nan")
    bound = observed - 1e-12 - 1e-9 * abs(observed)  # equal up to rounding counts as equal
    return float(((known >= bound).sum() + 1) / (len(known) + 1))


def _midranks(values: Array) -> Array:
    """Ranks from 1, equal values sharing the middle of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[which.reshape(-1)]
    return ranks


def mean_draws(
    values: Array, first: Array, second: Array, n_items: int, *, resamples: int = 1000, seed: int = 0
) -> Array:
    """Means of float64[sets, pairs] over resampled items, float64[resamples, sets]; a pair counts as in `apart_draws`.

    For questions made of two items each, such as analogies made of two word pairs. NaN where a resample has no pair.

    >>> draws = mean_draws(np.ones((1, 3)), np.array([0, 0, 1]), np.array([1, 2, 2]), 3, resamples=50)
    >>> float(np.nanmax(draws)), float(np.nanmin(draws))
    (1.0, 1.0)
    """
    columns = np.atleast_2d(np.asarray(values, dtype=np.float64)).T
    found = []
    for chunk in draw_weights(n_items, resamples, seed):
        step = max(1, CELLS // max(1, len(first)))
        for start in range(0, len(chunk), step):
            weights = chunk[start : start + step]
            times = weights[:, first] * weights[:, second]
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(times @ columns / times.sum(axis=1, keepdims=True))
    return np.concatenate(found)
