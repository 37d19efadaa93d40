"""The measures of similarity, each as three steps: one layer made ready, two compared, two compared out of order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.geometry.stored import counted
from probekit.maths.cca import KEPT, Whitened, correlations, weighed
from probekit.maths.cka import BANDWIDTH, alignment, rbf_gram
from probekit.maths.grouped_moments import GROUPS, GroupedRows, sentence_groups
from probekit.maths.hsic import Estimator, Hsic, check_estimator, cluster_starts, gram_hsic
from probekit.maths.jackknife import FEWEST, describe_jackknife, jackknife_interval
from probekit.maths.linear_hsic import CentredRows, linear_hsic
from probekit.maths.procrustes import distance
from probekit.maths.resampling import Interval
from probekit.maths.rsa import DISSIMILARITIES, Dissimilarity, dissimilarities, unit_ranks

Array = NDArray[Any]
MeasureName: TypeAlias = Literal["cka", "cka-kernel", "svcca", "pwcca", "rsa", "procrustes"]
MEASURES = ("cka", "cka-kernel", "svcca", "pwcca", "rsa", "procrustes")
SYMMETRIC = ("cka", "cka-kernel", "svcca", "rsa", "procrustes")
MOST_ROWS = {
    "cka": 5_000, "svcca": 5_000, "pwcca": 5_000, "procrustes": 5_000, "cka-kernel": 1_500, "rsa": 1_000,
}  # fmt: skip
NO_INTERVAL = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a measure may be told; each reads what concerns it."""

    estimator: Estimator = "clustered"
    kept: float | None = None
    bandwidth: float = BANDWIDTH
    dissimilarity: Dissimilarity = "cosine"
    groups: int = GROUPS
    seed: int = 0

    def __post_init__(self) -> None:
        check_estimator(self.estimator)
        if self.dissimilarity not in DISSIMILARITIES:
            hint = did_you_mean(str(self.dissimilarity), DISSIMILARITIES)
            raise ConfigError(f"unknown dissimilarity {self.dissimilarity!r}; {hint}")
        if self.kept is not None and not 0 < self.kept <= 1:
            raise ConfigError(f"kept must be a share above 0 and up to 1; got {self.kept!r}")
        if not self.bandwidth > 0:
            raise ConfigError(f"bandwidth must be above 0; got {self.bandwidth!r}")
        if self.groups < 5:
            raise ConfigError(f"groups must be at least 5 for an interval; got {self.groups}")


class Measure(Protocol):
    """One way to say how alike two layers are. `compare` and `permuted` raise DataError where that is not defined.

    ``limits``: the smallest and largest value that there is; ``same``: that of a layer and itself.
    """

    words: str
    interval: str
    limits: tuple[float, float]
    same: float

    def side(self, X: Array, key: Any) -> Any:
        """Rows X [n, dim] of a layer made ready; ``key`` names the layer."""

    def compare(self, a: Any, b: Any, interval: bool) -> Interval:
        """The value with its bounds (NaN where not asked for)."""

    def permuted(self, a: Any, b: Any, order: Array) -> float:
        """The value when row i of the first meets row order[i] of the second."""

    def size(self, side: Any) -> int:
        """Bytes that a layer made ready holds."""


def check_measure(name: str) -> None:
    """Raises ConfigError for an unknown measure."""
    if name not in MEASURES:
        raise ConfigError(f"unknown measure {name!r}; {did_you_mean(name, MEASURES)}")


def make_measure(name: str, sentence: Array, options: Options) -> Measure:
    """The measure of this name over rows of these sentences, int64 [n], ascending. Raises ConfigError."""
    check_measure(name)
    if name == "cka":
        return _LinearCka(sentence, options)
    if name == "cka-kernel":
        return _KernelCka(sentence, options)
    if name == "rsa":
        return _Rsa(sentence, options)
    return _OfMoments(name, sentence, options)


@dataclass
class _Cka:
    """What both kinds of CKA share: how HSIC of each layer with itself is kept."""

    sentence: Array
    options: Options
    own: dict[Any, Hsic] = field(default_factory=dict)
    limits: tuple[float, float] = (-1.0, 1.0)
    same: float = 1.0

    def __post_init__(self) -> None:
        self.starts = cluster_starts(self.sentence)
        self.interval = describe_jackknife(len(self.starts))

    def _found(self, both: Hsic, key_a: Any, key_b: Any, *, only_value: bool = False) -> Hsic:
        one, other = self.own[key_a], self.own[key_b]
        if only_value:
            none = np.zeros(0)
            both, one, other = (Hsic(h.value, none) for h in (both, one, other))
        found = alignment(both, one, other)
        if not np.isfinite(found.value):
            raise DataError(
                f"{counted(len(self.sentence), 'row')} of {counted(len(self.starts), 'sentence')} are too few for CKA "
                f"({self.options.estimator})"
            )
        return found


@dataclass
class _Rows:
    key: Any
    rows: CentredRows


class _LinearCka(_Cka):
    words = "linear CKA"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = f"linear CKA, {self.options.estimator} estimator"

    def side(self, X: Array, key: Any) -> _Rows:
        rows = CentredRows(X, self.starts)
        if key not in self.own:
            self.own[key] = linear_hsic(rows, rows, self.options.estimator)
        return _Rows(key, rows)

    def compare(self, a: _Rows, b: _Rows, interval: bool) -> Interval:
        both = linear_hsic(a.rows, b.rows, self.options.estimator, without=interval)
        found = self._found(both, a.key, b.key, only_value=not interval)
        return jackknife_interval(*found)

    def permuted(self, a: _Rows, b: _Rows, order: Array) -> float:
        moved = b.rows.moved(order)
        both = linear_hsic(a.rows, moved, self.options.estimator, without=False)
        return self._found(both, a.key, b.key, only_value=True).value

    def size(self, side: _Rows) -> int:
        return int(3 * side.rows.X.nbytes)


@dataclass
class _Gram:
    key: Any
    K: Array


class _KernelCka(_Cka):
    words = "kernel CKA"

    def __post_init__(self) -> None:
        super().__post_init__()
        width = self.options.bandwidth
        self.words = (
            f"kernel CKA (Gaussian, {width:g} of the median distance), {self.options.estimator} estimator"
        )

    def side(self, X: Array, key: Any) -> _Gram:
        K = rbf_gram(X, self.options.bandwidth)
        if key not in self.own:
            self.own[key] = gram_hsic(K, K, self.starts, self.options.estimator)
        return _Gram(key, K)

    def compare(self, a: _Gram, b: _Gram, interval: bool) -> Interval:
        both = gram_hsic(a.K, b.K, self.starts, self.options.estimator)
        found = self._found(both, a.key, b.key, only_value=not interval)
        return jackknife_interval(*found)

    def permuted(self, a: _Gram, b: _Gram, order: Array) -> float:
        both = gram_hsic(a.K, b.K[np.ix_(order, order)], self.starts, self.options.estimator)
        return self._found(both, a.key, b.key, only_value=True).value

    def size(self, side: _Gram) -> int:
        return int(side.K.nbytes)


@dataclass
class _Moments:
    """Rows, and for all of them and without each group what they are divided by: made when first asked for."""

    rows: GroupedRows
    make: Callable[[Array, int], Any]
    made: dict[int | None, Any] = field(default_factory=dict)

    def scale(self, without: int | None) -> Any:
        if without not in self.made:
            self.made[without] = self.make(self.rows.covariance(self.rows, without), self.rows.n(without))
            if len(self.made) > self.rows.groups:
                self.rows.forget()
        return self.made[without]


class _OfMoments:
    """SVCCA, PWCCA and Procrustes: all that they need of rows is covariances."""

    def __init__(self, name: str, sentence: Array, options: Options) -> None:
        self.name = name
        self.limits, self.same = ((0.0, 2.0), 0.0) if name == "procrustes" else ((0.0, 1.0), 1.0)
        self.group = sentence_groups(sentence, options.groups, options.seed)
        self.kept = options.kept or (KEPT if name == "svcca" else 1.0)
        self.words = {
            "svcca": f"SVCCA, directions with {self.kept:.0%} of the variance kept",
            "pwcca": "PWCCA, weighed by the neurons of the first layer",
            "procrustes": "orthogonal Procrustes distance, 0 to 2",
        }[name]
        self.interval = describe_jackknife(int(self.group.max()) + 1, "groups of sentences")

    def side(self, X: Array, key: Any) -> _Moments:
        made = _Moments(GroupedRows(X, self.group), self._scale)
        made.scale(None)
        return made

    def compare(self, a: _Moments, b: _Moments, interval: bool) -> Interval:
        products = a.rows.cross(b.rows)

        def value(without: int | None) -> float:
            try:
                cross = a.rows.covariance(b.rows, without, products)
                return self._value(a.scale(without), b.scale(without), cross, fast=without is not None)
            except DataError:
                if without is None:
                    raise
                return float("nan")

        if not interval or a.rows.groups < FEWEST:
            return self._spoken(NO_INTERVAL._replace(value=value(None)))
        whole = value(None)
        without = [value(group) for group in range(a.rows.groups)]
        return self._spoken(jackknife_interval(whole, np.array(without)))

    def permuted(self, a: _Moments, b: _Moments, order: Array) -> float:
        back = np.argsort(b.rows.order)
        moved = b.rows.X[back[order][a.rows.order]]
        cross = a.rows.X.T @ moved / len(moved)
        return self._spoken(Interval(self._value(a.scale(None), b.scale(None), cross), 0.0, 0.0)).value

    def size(self, side: _Moments) -> int:
        square = 8 * side.rows.X.shape[1] ** 2
        return int(side.rows.X.nbytes + 3 * square * side.rows.groups)

    def _scale(self, covariance: Array, n: int) -> Any:
        """What a covariance is divided by: its trace, or whitening."""
        return (
            float(np.trace(covariance)) if self.name == "procrustes" else Whitened(covariance, n, self.kept)
        )

    def _value(self, a: Any, b: Any, cross: Array, *, fast: bool = True) -> float:
        """A similarity between 0 and 1."""
        if self.name == "procrustes":
            return 1.0 - distance(a, b, cross, fast=fast) / 2
        if self.name == "svcca":
            return float(correlations(a, b, cross, fast=fast).mean())
        return weighed(a, b, cross)

    def _spoken(self, found: Interval) -> Interval:
        """The similarity as it is reported: Procrustes as a distance."""
        if self.name != "procrustes":
            return found
        return Interval(2 - 2 * found.value, 2 - 2 * found.high, 2 - 2 * found.low)


@dataclass
class _Ranks:
    square: Array
    ranks: list[Array]


class _Rsa:
    """RSA: dissimilarities of pairs, ranked once for all rows and once without each group of sentences."""

    def __init__(self, sentence: Array, options: Options) -> None:
        self.options, self.limits, self.same = options, (-1.0, 1.0), 1.0
        self.group = sentence_groups(sentence, options.groups, options.seed)
        self.words = f"RSA, Spearman of {options.dissimilarity} dissimilarities"
        self.groups = int(self.group.max()) + 1
        self.interval = describe_jackknife(self.groups, "groups of sentences")
        self.upper = np.triu_indices(len(sentence), 1)

    def side(self, X: Array, key: Any) -> _Ranks:
        if len(X) < 4:
            raise DataError(f"{len(X)} rows are too few for similarities of pairs")
        pairs = dissimilarities(X, self.options.dissimilarity)[self.upper]
        ranks = [unit_ranks(pairs)]
        for number in range(self.groups):
            kept = (self.group[self.upper[0]] != number) & (self.group[self.upper[1]] != number)
            ranks.append(unit_ranks(pairs[kept]).astype(np.float32) if kept.sum() > 1 else np.full(1, np.nan))
        square = np.zeros((len(X), len(X)))
        square[self.upper] = ranks[0]
        return _Ranks(square + square.T, ranks)

    def compare(self, a: _Ranks, b: _Ranks, interval: bool) -> Interval:
        value = float(np.clip(a.ranks[0] @ b.ranks[0], -1.0, 1.0))
        if not interval:
            return NO_INTERVAL._replace(value=value)
        without = [
            float(np.clip(one @ other, -1, 1)) for one, other in zip(a.ranks[1:], b.ranks[1:], strict=True)
        ]
        return jackknife_interval(value, np.array(without))

    def permuted(self, a: _Ranks, b: _Ranks, order: Array) -> float:
        return float(a.ranks[0] @ b.square[np.ix_(order, order)][self.upper])

    def size(self, side: _Ranks) -> int:
        return int(side.square.nbytes + sum(ranks.nbytes for ranks in side.ranks))
