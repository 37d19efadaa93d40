"""How well a score ranks: the area under the ROC curve, with an interval over clusters.

Sources: Hanley & McNeil 1982 (the area is a probability of right order); Field & Welsh 2007 (clusters).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import DataError
from probekit.maths.resampling import CELLS, Interval, dense_clusters, draw_weights, percentile_interval

Array = np.ndarray[Any, Any]


def auc(scores: Array, labels: Array) -> float:
    """The share of pairs of a 1 and a 0 in which the 1 has the higher score; equal scores count one half.

    `scores` is float64[n], `labels` holds 0 and 1. 1 is perfect, 0.5 chance, NaN where a label is missing. Raises
    DataError for other labels and for scores that are not numbers.

    >>> auc(np.array([3.0, 1.0, 1.0]), np.array([1, 1, 0]))
    0.75
    """
    per_value, _ = _tables(scores, labels, np.zeros(len(scores), np.int64), 1)
    return float(_area(*(np.asarray(table.sum(axis=0))[None] for table in per_value))[0])


def auc_interval(
    scores: Array, labels: Array, cluster: Array, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The area under the ROC curve with its interval: clusters int[n] are drawn with all they hold.

    Resamples in which a label is missing have no area and are left out. Bounds are NaN with fewer than two clusters.

    >>> one = auc_interval(np.array([2.0, 3.0, 1.0, 0.0]), np.array([1, 1, 0, 0]), np.arange(4))
    >>> one.value, one.low
    (1.0, 1.0)
    """
    value = auc(scores, labels)
    if len(np.unique(cluster)) < 2 or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    draws = auc_draws(scores, labels, cluster, resamples=resamples, seed=seed)
    low, high = percentile_interval(draws, level)
    return Interval(value, float(low), float(high))


def auc_draws(scores: Array, labels: Array, cluster: Array, *, resamples: int = 1000, seed: int = 0) -> Array:
    """The area in every resample of clusters, float64[resamples]; NaN where a label is missing.

    The same seed and number of clusters give the same resamples, so draws of two scores are paired.
    """
    codes, n_clusters = dense_clusters(np.asarray(cluster))
    (ones, zeros), n_values = _tables(scores, labels, codes, n_clusters)
    step = max(1, CELLS // max(1, n_values))
    draws = []
    for chunk in draw_weights(n_clusters, resamples, seed):
        for start in range(0, len(chunk), step):
            weights = chunk[start : start + step]
            draws.append(_area(weights @ ones, weights @ zeros))
    return np.concatenate(draws)


def _tables(scores: Array, labels: Array, codes: Array, n_clusters: int) -> tuple[tuple[Any, Any], int]:
    """How often each cluster has each value among the 1s and among the 0s; sparse [clusters, values], by size."""
    from scipy.sparse import csr_array

    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if not np.isin(labels, (0, 1)).all():
        raise DataError(
            f"labels of an area under the curve must be 0 or 1; got {np.unique(labels)[:5].tolist()}"
        )
    if np.isnan(scores).any():
        raise DataError(
            f"{int(np.isnan(scores).sum())} of {len(scores)} scores are not numbers; leave them out first"
        )
    found, value = np.unique(scores, return_inverse=True)
    shape = (n_clusters, len(found))
    tables = [
        csr_array((np.ones(int(own.sum())), (codes[own], value[own])), shape=shape)
        for own in (labels == 1, labels == 0)
    ]
    return (tables[0], tables[1]), len(found)


def _area(ones: Array, zeros: Array) -> Array:
    """From how often each value (ascending) occurs among the 1s and the 0s: float64[..., values] -> float64[...]."""
    below = np.cumsum(zeros, axis=-1) - zeros / 2
    pairs = ones.sum(axis=-1) * zeros.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        area: Array = np.where(pairs > 0, (ones * below).sum(axis=-1) / pairs, np.nan)
    return area
