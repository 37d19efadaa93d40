"""Intervals and p-values that resample sentences, not words: words of one sentence are not independent.

Everything is computed from sums per sentence: 1000 resamples of 2,000 sentences are one matrix product. The
same seed and the same number of sentences give the same resamples, so paired things are resampled together.

Sources: Efron & Tibshirani 1993 (percentile interval); Field & Welsh 2007 (clusters); Phipson & Smyth 2010
((b + 1) / (R + 1)); Holm 1979.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from probekit.maths.scores import check_metric, cluster_sums, from_sums, score

Array = np.ndarray[Any, Any]

CELLS = 4_000_000  # weights held at once: 32 MB
INTERVAL = "cluster bootstrap over sentences, {resamples} resamples, {level:.0%} percentile"


class Interval(NamedTuple):
    """A value between its bounds; bounds are NaN where fewer than two clusters make them meaningless."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A paired difference a - b, its interval, and the two-sided p of "no difference"."""

    difference: float
    low: float
    high: float
    p: float


def describe_interval(resamples: int = 1000, level: float = 0.95) -> str:
    """How the intervals of this file are made, in the words that a measurement carries.

    >>> describe_interval()
    'cluster bootstrap over sentences, 1000 resamples, 95% percentile'
    """
    return INTERVAL.format(resamples=resamples, level=level)


def dense_clusters(cluster: Array) -> tuple[Array, int]:
    """Any cluster numbers as codes 0..C-1 (int64[n]) and C; the order of the numbers is kept.

    >>> dense_clusters(np.array([7, 7, 3]))
    (array([1, 1, 0]), 2)
    """
    found, codes = np.unique(cluster, return_inverse=True)
    return codes.reshape(-1), len(found)


def resample_sums(sums: Array, *, resamples: int = 1000, seed: int = 0) -> Array:
    """Draw as many clusters as there are, with replacement, and add up their rows.

    float64[clusters, columns] (dense, or a sparse array of scipy) -> float64[resamples, columns]; memory is
    bounded whatever the number of clusters.
    """
    from scipy.sparse import issparse

    if not issparse(sums):
        sums = np.ascontiguousarray(sums, dtype=np.float64)
    return np.concatenate([chunk @ sums for chunk in draw_weights(sums.shape[0], resamples, seed)])


def draw_weights(n_clusters: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each cluster is drawn, float64[rows, clusters], in chunks of at most CELLS numbers."""
    rows = max(1, CELLS // max(1, n_clusters))
    if rows >= resamples:
        yield _all_weights(n_clusters, resamples, seed)
        return
    rng = np.random.default_rng([seed, 0])
    for start in range(0, resamples, rows):
        yield _draw(rng, min(rows, resamples - start), n_clusters)


def percentile_interval(draws: Array, level: float = 0.95) -> tuple[Array, Array]:
    """The central `level` share of resampled values along the first axis; NaN (no value) is left out."""
    tail = (1.0 - level) / 2.0
    draws = np.asarray(draws, dtype=np.float64)
    empty = np.isnan(draws).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, draws), [tail, 1.0 - tail], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def cluster_bootstrap(
    sums: Array,
    statistic: Callable[[Array], Array],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Array, Array, Array]:
    """Value, low and high of a statistic of sums: float64[..., columns] -> float64[...] or float64[..., k].

    `sums` is float64[clusters, columns]. Bounds are NaN with fewer than two clusters.

    >>> sums = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 2.0]])  # right and all, per sentence
    >>> value, low, high = cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1])
    >>> float(value), bool(low < value < high)
    (0.75, True)
    """
    value = np.asarray(statistic(np.asarray(sums, dtype=np.float64).sum(axis=0)))
    if len(sums) < 2:
        return value, np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    low, high = percentile_interval(statistic(resample_sums(sums, resamples=resamples, seed=seed)), level)
    return value, low, high


def mean_interval(
    values: Array, cluster: Array, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The mean of float64[n] (accuracy, where values are 0 and 1) with its interval over clusters int[n].

    >>> words, sentence = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])
    >>> mean_interval(words, sentence)
    Interval(value=0.5, low=0.0, high=1.0)
    """
    sums = _mean_sums(values, *dense_clusters(cluster))
    return _interval(cluster_bootstrap(sums, _mean, resamples=resamples, seed=seed, level=level))


def score_interval(
    metric: str,
    gold: Array,
    predicted: Array,
    cluster: Array,
    *,
    n_labels: int = 0,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A score by name (see `probekit.maths.scores`) with its interval over clusters int[n].

    Raises ConfigError for an unknown metric.
    """
    check_metric(metric)
    codes, n_clusters = dense_clusters(cluster)
    if metric == "spearman":
        value = score(metric, gold, predicted)
        if n_clusters < 2:
            return Interval(value, np.nan, np.nan)
        draws = spearman_draws(gold, predicted, codes, n_clusters, resamples, seed)
        low, high = percentile_interval(draws, level)
        return Interval(value, float(low), float(high))
    sums = cluster_sums(metric, gold, predicted, codes, n_clusters, n_labels)
    combine = _combiner(metric)
    return _interval(cluster_bootstrap(sums, combine, resamples=resamples, seed=seed, level=level))


def paired_difference(
    a: Array,
    b: Array,
    cluster: Array,
    *,
    resamples: int = 1000,
    flips: int = 9999,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """mean(a) - mean(b) of float64[n] on the same units, its interval and its p, by sentences.

    Under "no difference" each sentence could as well have had its two answers exchanged; p counts how often
    such an exchange gives a difference as large (two-sided, (b + 1) / (flips + 1)).

    >>> a, b = np.ones(20), np.zeros(20)
    >>> paired_difference(a, b, np.arange(20))
    Difference(difference=1.0, low=1.0, high=1.0, p=0.0001)
    """
    codes, n_clusters = dense_clusters(cluster)
    sums_a, sums_b = _mean_sums(a, codes, n_clusters), _mean_sums(b, codes, n_clusters)
    return _paired(sums_a, sums_b, _mean, resamples, flips, seed, level)


def paired_score_difference(
    metric: str,
    gold: Array,
    a: Array,
    b: Array,
    cluster: Array,
    *,
    n_labels: int = 0,
    resamples: int = 1000,
    flips: int = 9999,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """score(a) - score(b) of two predictions of the same gold, as `paired_difference` does for means.

    Spearman has an interval but no p (NaN): its ranks do not add up over sentences.
    """
    check_metric(metric)
    codes, n_clusters = dense_clusters(cluster)
    if metric == "spearman":
        difference = score(metric, gold, a) - score(metric, gold, b)
        if n_clusters < 2:
            return Difference(difference, np.nan, np.nan, np.nan)
        draws = [spearman_draws(gold, x, codes, n_clusters, resamples, seed) for x in (a, b)]
        low, high = percentile_interval(draws[0] - draws[1], level)
        return Difference(difference, float(low), float(high), np.nan)
    sums_a, sums_b = (cluster_sums(metric, gold, x, codes, n_clusters, n_labels) for x in (a, b))
    return _paired(sums_a, sums_b, _combiner(metric), resamples, flips, seed, level)


def holm(p: Array) -> Array:
    """Holm's step-down adjustment of p-values float64[m]; NaN is not in the family and stays NaN.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _paired(
    sums_a: Array,
    sums_b: Array,
    combine: Callable[[Array], Array],
    resamples: int,
    flips: int,
    seed: int,
    level: float,
) -> Difference:
    columns = sums_a.shape[1]

    def difference(both: Array) -> Array:
        return combine(both[..., :columns]) - combine(both[..., columns:])

    value, low, high = cluster_bootstrap(
        np.concatenate([sums_a, sums_b], axis=1), difference, resamples=resamples, seed=seed, level=level
    )
    if np.isnan(value) or len(sums_a) < 2:
        return Difference(float(value), float(low), float(high), np.nan)
    # exchanging a and b in a sentence flips the sign of half their difference around their middle
    middle = (sums_a + sums_b).sum(axis=0) / 2
    half = (sums_a - sums_b) / 2
    half = half[(half != 0).any(axis=1)]
    bound = abs(float(value)) * (1 - 1e-9) - 1e-15  # equal up to rounding counts as equal
    as_large = 0
    for signs in _signs(len(half), flips, seed):
        swing = signs @ half
        drawn = combine(middle + swing) - combine(middle - swing)
        as_large += int((np.abs(drawn) >= bound).sum())
    return Difference(float(value), float(low), float(high), (as_large + 1) / (flips + 1))


@lru_cache(maxsize=4)
def _all_weights(n_clusters: int, resamples: int, seed: int) -> Array:
    weights = _draw(np.random.default_rng([seed, 0]), resamples, n_clusters)
    weights.flags.writeable = False
    return weights


def _draw(rng: np.random.Generator, rows: int, n_clusters: int) -> Array:
    picks = rng.integers(0, n_clusters, size=(rows, n_clusters))
    picks += np.arange(rows)[:, None] * n_clusters
    counts = np.bincount(picks.reshape(-1), minlength=rows * n_clusters)
    return counts.reshape(rows, n_clusters).astype(np.float64)


def _signs(n_clusters: int, flips: int, seed: int) -> Iterator[Array]:
    """+1 and -1 by fair coin, float64[rows, clusters]."""
    rng = np.random.default_rng([seed, 1])
    rows = max(1, CELLS // max(1, n_clusters))
    for start in range(0, flips, rows):
        size = (min(rows, flips - start), n_clusters)
        yield rng.integers(0, 2, size=size, dtype=np.int8) * 2.0 - 1.0


def spearman_draws(
    gold: Array, predicted: Array, codes: Array, n_clusters: int, resamples: int, seed: int
) -> Array:
    """Spearman of every resample, ranked anew: a rank follows from how often each value was drawn."""
    from scipy.sparse import csr_array

    sides = []
    for values in (gold, predicted):
        found, value_code = np.unique(values, return_inverse=True)
        shape = (n_clusters, len(found))
        sides.append((csr_array((np.ones(len(codes)), (codes, value_code)), shape=shape), value_code))
    step = max(1, CELLS // max(1, len(codes)))
    draws = []
    for chunk in draw_weights(n_clusters, resamples, seed):
        for start in range(0, len(chunk), step):
            weights = chunk[start : start + step]
            drawn = weights[:, codes]
            total = drawn.sum(axis=1)
            ranks = []
            for per_value, value_code in sides:
                times = weights @ per_value
                rank = np.cumsum(times, axis=1) - times / 2 - total[:, None] / 2  # centred: their mean is 0
                ranks.append(rank[:, value_code])
            y, z = ranks
            moments = [np.einsum("rn,rn,rn->r", drawn, one, two) for one, two in ((y, y), (z, z), (y, z))]
            with np.errstate(divide="ignore", invalid="ignore"):
                draws.append(moments[2] / np.sqrt(moments[0] * moments[1]))
    return np.concatenate(draws)


def _mean_sums(values: Array, codes: Array, n_clusters: int) -> Array:
    totals = np.bincount(codes, weights=np.asarray(values, dtype=np.float64), minlength=n_clusters)
    return np.stack([totals, np.bincount(codes, minlength=n_clusters)], axis=1)


def _mean(sums: Array) -> Array:
    mean: Array = sums[..., 0] / sums[..., 1]
    return mean


def _combiner(metric: str) -> Callable[[Array], Array]:
    return lambda sums: from_sums(metric, sums)


def _interval(bounds: tuple[Array, Array, Array]) -> Interval:
    value, low, high = (float(bound) for bound in bounds)
    return Interval(value, low, high)
