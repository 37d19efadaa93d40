"""Scores of several seeds at once, their intervals, and differences between two such scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import Interval, cluster_bootstrap, dense_clusters, score_interval
from probekit.maths.scores import check_metric, cluster_sums, from_sums, score

Array = NDArray[Any]


@dataclass(frozen=True)
class Scored:
    """A score averaged over seeds, ready to be resampled by sentence.

    sums : float64 (clusters, seeds, columns), what each sentence contributes to the metric; None where the
        metric does not add up over sentences (Spearman)
    unit : float64 (units,), how well each unit was answered: share of seeds that were right, or minus the
        squared error over the variance of gold. Sign flips test this.
    per_seed : float64 (seeds,)
    """

    metric: str
    value: float
    per_seed: Array
    sums: Array | None
    unit: Array
    cluster: Array
    gold: Array
    predicted: Array

    @property
    def sd(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for one seed."""
        return float(np.std(self.per_seed, ddof=1)) if len(self.per_seed) > 1 else None


def scored(metric: str, gold: Array, predicted: Array, cluster: Array, n_labels: int) -> Scored:
    """Score predictions (seeds, units) against gold (units,) or (seeds, units); `cluster` int (units,)."""
    check_metric(metric)
    gold = np.broadcast_to(gold, predicted.shape)
    per_seed = np.array([score(metric, g, p, n_labels) for g, p in zip(gold, predicted, strict=True)])
    codes, n_clusters = dense_clusters(cluster)
    sums = None
    if metric != "spearman":
        parts = [
            cluster_sums(metric, g, p, codes, n_clusters, n_labels)
            for g, p in zip(gold, predicted, strict=True)
        ]
        sums = np.stack(parts, axis=1)
    if n_labels:
        unit = (gold == predicted).mean(axis=0)
    else:
        unit = -(((gold - predicted) ** 2).mean(axis=0)) / max(float(np.var(gold)), 1e-12)
    return Scored(metric, float(per_seed.mean()), per_seed, sums, unit, cluster, gold, predicted)


def interval_of(one: Scored, *, resamples: int, seed: int = 0) -> Interval:
    """The 95 % interval of the mean over seeds: sentences are resampled, seeds stay as they are.

    An accuracy of exactly 0 or 1, which resampling can only repeat, gets exact binomial bounds over sentences.
    """
    if one.metric == "accuracy" and one.value in (0.0, 1.0):
        return all_or_none_interval(one.value, len(np.unique(one.cluster)))
    if one.sums is None:
        if len(one.per_seed) > 1:
            return Interval(one.value, np.nan, np.nan)
        return score_interval(
            one.metric, one.gold[0], one.predicted[0], one.cluster, resamples=resamples, seed=seed
        )
    return _bootstrap([one], [1.0], resamples, seed)


def difference_of(a: Scored, b: Scored, *, resamples: int, seed: int = 0) -> Interval:
    """score(a) - score(b) with its interval; both are resampled together, sentence by sentence."""
    if a.sums is None or b.sums is None:
        return Interval(a.value - b.value, np.nan, np.nan)
    return _bootstrap([a, b], [1.0, -1.0], resamples, seed)


def _bootstrap(parts: list[Scored], signs: list[float], resamples: int, seed: int) -> Interval:
    stacks = [part.sums for part in parts if part.sums is not None]
    shapes = [stack.shape[1:] for stack in stacks]
    metric = parts[0].metric

    def statistic(total: Array) -> Array:
        result: Array = np.zeros(total.shape[:-1])
        start = 0
        for (seeds, columns), sign in zip(shapes, signs, strict=True):
            stop = start + seeds * columns
            block = total[..., start:stop].reshape(*total.shape[:-1], seeds, columns)
            result = result + sign * from_sums(metric, block).mean(axis=-1)
            start = stop
        return result

    flat = np.concatenate([stack.reshape(len(stack), -1) for stack in stacks], axis=1)
    value, low, high = cluster_bootstrap(flat, statistic, resamples=resamples, seed=seed)
    return Interval(float(value), float(low), float(high))
