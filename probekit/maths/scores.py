"""Scores of predictions, made from sums over units: a resample of sentences is one matrix product.

Classes are codes 0..K-1; a predicted -1 means "no answer" and is wrong. Numbers are float64.

What is not defined is NaN, never 0: the F1 and recall of a label that gold lacks, the precision of a label
never predicted, MCC and correlations where gold is constant. Macro-F1 is the mean over the labels that occur
in gold; a label never predicted counts 0 there. MCC is 0 where the predictions are constant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from probekit.errors import ConfigError, did_you_mean

Array = np.ndarray[Any, Any]

CLASS_METRICS = ("accuracy", "macro_f1", "weighted_f1", "mcc")
NUMBER_METRICS = ("r2", "pearson", "spearman")


class Counts(NamedTuple):
    """Per label: how often it was right, stood in gold, was predicted; each float64[..., K]."""

    hit: Array
    gold: Array
    predicted: Array


def confusion(gold: Array, predicted: Array, n_labels: int) -> Array:
    """Confusion counts int64[gold, predicted]; units without an answer (-1) are in no cell.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    answered = predicted >= 0
    cells = gold[answered].astype(np.int64) * n_labels + predicted[answered]
    counts: Array = np.bincount(cells, minlength=n_labels**2).reshape(n_labels, n_labels)
    return counts


def count(gold: Array, predicted: Array, n_labels: int) -> Counts:
    """Counts per label over all units; each float64[K].

    >>> count(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).hit.tolist()
    [1.0, 1.0]
    """
    sums = cluster_sums("macro_f1", gold, predicted, np.zeros(len(gold), np.int64), 1, n_labels)
    return _counts(sums[0])


def precision(counts: Counts) -> Array:
    """Per label, right / predicted; NaN where it was never predicted."""
    return _ratio(counts.hit, counts.predicted)


def recall(counts: Counts) -> Array:
    """Per label, right / in gold; NaN where gold lacks it."""
    return _ratio(counts.hit, counts.gold)


def f1(counts: Counts) -> Array:
    """Per label, 2 right / (in gold + predicted); NaN where gold lacks it, 0 where it was never predicted.

    >>> f1(count(np.array([0, 0, 1]), np.array([0, 2, 2]), 3)).round(3).tolist()
    [0.667, 0.0, nan]
    """
    return np.where(counts.gold > 0, _ratio(2 * counts.hit, counts.gold + counts.predicted), np.nan)


def accuracy(counts: Counts) -> Array:
    """Right / all, in 0..1."""
    return _ratio(counts.hit.sum(-1), counts.gold.sum(-1))


def macro_f1(counts: Counts) -> Array:
    """Mean F1 over the labels that occur in gold, in 0..1."""
    present = counts.gold > 0
    return _ratio(np.where(present, f1(counts), 0.0).sum(-1), present.sum(-1))


def weighted_f1(counts: Counts) -> Array:
    """Mean F1 over labels, weighted by how often gold has them, in 0..1."""
    return _ratio(np.where(counts.gold > 0, f1(counts) * counts.gold, 0.0).sum(-1), counts.gold.sum(-1))


def mcc(counts: Counts) -> Array:
    """Matthews correlation for K classes, in -1..1; 0 for constant predictions, NaN for constant gold.

    Gorodkin 2004: (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)), c right of s units, t_k
    gold, p_k predicted.
    """
    total = counts.gold.sum(-1)
    silent = total - counts.predicted.sum(-1)
    agreement = counts.hit.sum(-1) * total - (counts.predicted * counts.gold).sum(-1)
    spread_predicted = total**2 - (counts.predicted**2).sum(-1) - silent**2
    spread_gold = total**2 - (counts.gold**2).sum(-1)
    value = np.where(spread_predicted > 0, _ratio(agreement, np.sqrt(spread_predicted * spread_gold)), 0.0)
    return np.where(spread_gold > 0, value, np.nan)


def r2(gold: Array, predicted: Array) -> float:
    """Share of gold's variance explained, 1 - SSE/SST; at most 1; NaN where gold is constant."""
    return score("r2", gold, predicted)


def pearson(gold: Array, predicted: Array) -> float:
    """Linear correlation, in -1..1; NaN where either side is constant."""
    return score("pearson", gold, predicted)


def spearman(gold: Array, predicted: Array) -> float:
    """Correlation of mid-ranks, in -1..1; NaN where either side is constant."""
    from scipy.stats import rankdata

    return score("pearson", rankdata(gold), rankdata(predicted))


def score(metric: str, gold: Array, predicted: Array, n_labels: int = 0) -> float:
    """One score over all units, by the metric's name.

    Raises ConfigError for an unknown metric.

    >>> score("accuracy", np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    0.6666666666666666
    """
    check_metric(metric)
    if metric == "spearman":
        return spearman(gold, predicted)
    one = np.zeros(len(gold), np.int64)
    return float(from_sums(metric, cluster_sums(metric, gold, predicted, one, 1, n_labels))[0])


def check_metric(metric: str) -> None:
    """Raises ConfigError, with the nearest known name, for a metric that does not exist."""
    known = CLASS_METRICS + NUMBER_METRICS
    if metric not in known:
        raise ConfigError(f"no metric {metric!r}; {did_you_mean(metric, known)}")


def cluster_sums(
    metric: str, gold: Array, predicted: Array, cluster: Array, n_clusters: int, n_labels: int = 0
) -> Array:
    """What a metric needs of each cluster, float64[clusters, columns]; rows add up to what a union needs.

    `cluster` holds codes 0..n_clusters-1. Every metric but spearman, whose ranks do not add up.
    """
    if metric == "accuracy":
        columns = [gold == predicted, np.ones(len(gold))]
    elif metric in CLASS_METRICS:
        return _label_sums(gold, predicted, cluster, n_clusters, n_labels)
    else:
        # moments around a common centre: far from zero the squares would lose their digits
        centre = gold.mean() if len(gold) else 0.0
        y, z = gold - centre, predicted - centre
        columns = [np.ones(len(gold)), y, y * y]
        columns += [(y - z) ** 2] if metric == "r2" else [z, z * z, y * z]
    sums = [np.bincount(cluster, weights=column, minlength=n_clusters) for column in columns]
    return np.stack(sums, axis=1)


def from_sums(metric: str, sums: Array) -> Array:
    """The metric from (resampled) sums: float64[..., columns] -> float64[...]."""
    if metric == "accuracy":
        return _ratio(sums[..., 0], sums[..., 1])
    if metric in CLASS_METRICS:
        return {"macro_f1": macro_f1, "weighted_f1": weighted_f1, "mcc": mcc}[metric](_counts(sums))
    n, y, yy = sums[..., 0], sums[..., 1], sums[..., 2]
    spread_y = _spread(n, y, yy)
    if metric == "r2":
        return 1.0 - _ratio(sums[..., 3], spread_y)
    z, zz, yz = sums[..., 3], sums[..., 4], sums[..., 5]
    together = yz - _ratio(y * z, n)
    return np.clip(_ratio(together, np.sqrt(spread_y * _spread(n, z, zz))), -1.0, 1.0)


def _label_sums(gold: Array, predicted: Array, cluster: Array, n_clusters: int, n_labels: int) -> Array:
    cell = cluster.astype(np.int64) * n_labels
    shape = (n_clusters, n_labels)
    size = n_clusters * n_labels
    right, answered = gold == predicted, predicted >= 0
    parts = [
        np.bincount((cell + gold)[right], minlength=size),
        np.bincount(cell + gold, minlength=size),
        np.bincount((cell + predicted)[answered], minlength=size),
    ]
    return np.concatenate([part.reshape(shape) for part in parts], axis=1).astype(np.float64)


def _counts(sums: Array) -> Counts:
    return Counts(*np.split(sums, 3, axis=-1))


def _spread(n: Array, total: Array, squares: Array) -> Array:
    """Sum of squared deviations; exactly 0 where only rounding is left."""
    spread = squares - _ratio(total**2, n)
    return np.where(spread > 1e-12 * np.abs(squares), spread, 0.0)


def _ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where below is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = np.where(below != 0, np.true_divide(above, below), np.nan)
    return ratio
