"""Scores of a strategy's runs: the mean over seeds, its interval over test sentences, and over seeds as well."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import (
    Interval,
    dense_clusters,
    percentile_interval,
    resample_sums,
    spearman_draws,
)
from probekit.maths.scores import (
    CLASS_METRICS,
    NUMBER_METRICS,
    Counts,
    accuracy,
    cluster_sums,
    f1,
    from_sums,
    precision,
    recall,
    score,
)

Array = NDArray[Any]
BY_LABEL = {"precision": precision, "recall": recall, "f1": f1}


class Scores:
    """All that is resampled of one strategy: predictions [seeds, units] against gold [units] in clusters.

    Sentences are drawn alike for all strategies (one seed of the resampling), seeds for each by itself: ``stream``
    tells them apart. One seed less is drawn than there are, so that the variance of a mean of few seeds is not too
    small (Rao & Wu 1988); drawing sentences and seeds crosswise is Owen's pigeonhole bootstrap (2007), which errs on
    the wide side. ``fixed`` answers have no seed, so sentences alone are drawn.
    """

    def __init__(
        self,
        gold: Array,
        predicted: Array,
        cluster: Array,
        n_labels: int,
        *,
        stream: int = 0,
        resamples: int = 1000,
        fixed: bool = False,
    ) -> None:
        self.gold, self.predicted, self.n_labels = gold, predicted, n_labels
        self.codes, self.n_clusters = dense_clusters(cluster)
        self.stream, self.resamples, self.fixed = stream, resamples, fixed
        self._draws: dict[str, Array] = {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics there are of classes or numbers."""
        return CLASS_METRICS if self.n_labels else NUMBER_METRICS

    @cached_property
    def label_sums(self) -> Array:
        """Right, gold and predicted units per label: float64 [clusters, seeds, 3 labels]."""
        return self._sums("macro_f1", self.gold, self.predicted)

    def sums(self, metric: str) -> Array:
        """What a metric is made of, by cluster: float64 [clusters, seeds, columns]; Spearman: ranks as numbers."""
        if self.n_labels:
            return self.label_sums
        if metric == "spearman":
            from scipy.stats import rankdata

            return self._sums("pearson", rankdata(self.gold), rankdata(self.predicted, axis=1))
        return self._sums(metric, self.gold, self.predicted)

    def _sums(self, metric: str, gold: Array, predicted: Array) -> Array:
        parts = [
            cluster_sums(metric, gold, one, self.codes, self.n_clusters, self.n_labels) for one in predicted
        ]
        return np.stack(parts, axis=1)

    def per_seed(self, metric: str) -> Array:
        """The score of each seed, float64 [seeds]."""
        return np.array([score(metric, self.gold, one, self.n_labels) for one in self.predicted])

    def value(self, metric: str) -> float:
        """Mean over seeds."""
        return float(self.per_seed(metric).mean())

    def sd(self, metric: str) -> float | None:
        """Standard deviation over seeds (n - 1); None for one seed."""
        return float(np.std(self.per_seed(metric), ddof=1)) if len(self.predicted) > 1 else None

    @cached_property
    def _label_draws(self) -> Array:
        flat = self.label_sums.reshape(self.n_clusters, -1)
        drawn = resample_sums(flat, resamples=self.resamples)
        return drawn.reshape(self.resamples, len(self.predicted), -1)

    def draws(self, metric: str) -> Array:
        """The score of each seed in every resample of sentences, float64 [resamples, seeds]."""
        if metric not in self._draws:
            self._draws[metric] = self._drawn(metric)
        return self._draws[metric]

    def _drawn(self, metric: str) -> Array:
        if self.n_labels:
            return np.asarray(combiner(metric)(self._label_draws))
        if metric == "spearman":
            each = [
                spearman_draws(self.gold, one, self.codes, self.n_clusters, self.resamples, 0)
                for one in self.predicted
            ]
            return np.stack(each, axis=1)
        sums = self.sums(metric)
        flat = resample_sums(sums.reshape(self.n_clusters, -1), resamples=self.resamples)
        return from_sums(metric, flat.reshape(self.resamples, *sums.shape[1:]))

    def over_items(self, metric: str) -> Array:
        """The mean over seeds in every resample of sentences, float64 [resamples]."""
        mean: Array = self.draws(metric).mean(axis=1)
        return mean

    def over_both(self, metric: str) -> Array:
        """The mean over as many seeds less one, drawn with replacement, in every resample of sentences."""
        draws = self.draws(metric)
        seeds = draws.shape[1]
        if self.fixed:
            return draws[:, 0]
        if seeds < 2:
            return np.full(len(draws), np.nan)
        rng = np.random.default_rng([0, 3, self.stream])
        picked = rng.integers(0, seeds, size=(len(draws), seeds - 1))
        mean: Array = np.take_along_axis(draws, picked, axis=1).mean(axis=1)
        return mean

    def interval(self, metric: str) -> Interval:
        """The mean over seeds with its interval over sentences; an accuracy of 0 or 1 has exact bounds."""
        value = self.value(metric)
        if metric == "accuracy" and value in (0.0, 1.0):
            return all_or_none_interval(value, self.n_clusters)
        return bounded(value, self.over_items(metric), self.n_clusters)

    def total(self, metric: str) -> Interval:
        """The mean with its interval over sentences and seeds; NaN bounds for one seed.

        An accuracy of 0 or 1, which no resample changes, has the exact bounds over sentences.
        """
        if (
            metric == "accuracy"
            and (len(self.predicted) > 1 or self.fixed)
            and self.value(metric) in (0.0, 1.0)
        ):
            return self.interval(metric)
        return bounded(self.value(metric), self.over_both(metric), self.n_clusters)

    def by_label(self, which: str) -> tuple[Array, Array, Array]:
        """Precision, recall or F1 of each label (mean over seeds that have one) with bounds over sentences."""
        seeds = BY_LABEL[which](_counts(self.label_sums.sum(axis=0)))
        value = mean_of_defined(seeds, axis=0)
        if self.n_clusters < 2:
            return value, np.full(value.shape, np.nan), np.full(value.shape, np.nan)
        drawn = mean_of_defined(BY_LABEL[which](_counts(self._label_draws)), axis=1)
        low, high = percentile_interval(drawn)
        return value, np.where(np.isnan(value), np.nan, low), np.where(np.isnan(value), np.nan, high)


def bounded(value: float, draws: Array, n_clusters: int) -> Interval:
    """A value between the percentiles of its resamples; NaN bounds where there are none."""
    if n_clusters < 2 or np.isnan(draws).all() or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    low, high = percentile_interval(draws)
    return Interval(value, float(low), float(high))


def combiner(metric: str) -> Any:
    """Sums of labels (or numbers) [..., columns] -> the metric [...]."""
    if metric == "accuracy":
        return lambda sums: accuracy(_counts(sums))
    return lambda sums: from_sums("pearson" if metric == "spearman" else metric, sums)


def mean_of_defined(values: Array, axis: int) -> Array:
    """The mean of what is defined; NaN where nothing is."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0.0).sum(axis=axis), there.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(count > 0, total / count, np.nan)
    return mean


def _counts(sums: Array) -> Counts:
    return Counts(*np.split(sums, 3, axis=-1))
