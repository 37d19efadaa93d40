"""How the ranks of many columns go with labels or numbers, and how large the largest of them is by chance.

Both effects are linear in the ranks, so a block of permutations is one matrix product:

"area"         AUC - 1/2 = t . R / (n1 n0), t the centred indicator of a label, R the centred mid-ranks (Mann & Whitney
               1947); its z divides by what it would be spread by without ties.
"correlation"  Spearman's, t the centred ranks of a number; with numbers held fixed, partial: both sides are less what
               ranks of those predict. A permuted t is made free of them again (Kennedy 1995).

Under the null the labels of whole sentences change places: within a sentence labels stay in their order, because words
of one sentence are not independent. The maximum over columns is taken in every permutation, so its p is corrected for
the choice of the best column; taken over labels too, for the choice of the label (Westfall & Young 1993).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from probekit.errors import DataError
from probekit.maths.resampling import (
    Interval,
    dense_clusters,
    draw_weights,
    percentile_interval,
)

Array = np.ndarray[Any, Any]

COLUMNS = 128  # ranked at once
PRODUCTS = 4_000_000  # numbers of permuted targets held at once
FREE = 1e-9  # of its sum of squares: less is left by rounding alone


@dataclass(frozen=True, eq=False)
class Target:
    """What ranks are compared with: a label (bool [n]) or a number (float64 [n]), with numbers held fixed [n, k]."""

    kind: Literal["area", "correlation"]
    values: Array
    given: Array | None = None

    def vector(self) -> Array:
        """The centred target float64 [n]; of a number the ranks, less what those of `given` predict."""
        if self.kind == "area":
            values = self.values.astype(np.float64)
            return np.asarray(values - values.mean())
        vector = centred_ranks(self.values[:, None])[:, 0].astype(np.float64)
        before = float(vector @ vector)
        vector = self.free(vector)
        return np.where(float(vector @ vector) > FREE * before, vector, 0.0)

    def basis(self) -> Array:
        """An orthonormal basis of the centred ranks of what is held fixed, float64 [n, k]."""
        n = len(self.values)
        if self.given is None:
            return np.zeros((n, 0))
        left, size, _ = np.linalg.svd(centred_ranks(self.given).astype(np.float64), full_matrices=False)
        basis: Array = left[:, size > 1e-9 * max(float(size[0]), 1e-300)]
        return basis

    def free(self, vectors: Array) -> Array:
        """Vectors [..., n] less what the basis predicts."""
        basis = self.basis()
        freed: Array = vectors - (vectors @ basis) @ basis.T
        return freed


def centred_ranks(X: Array) -> Array:
    """Mid-ranks of every column less their mean, float32 [n, columns]; a constant column is 0.

    >>> centred_ranks(np.array([[3.0, 1.0], [9.0, 1.0], [3.0, 1.0]])).T.tolist()
    [[-0.5, 1.0, -0.5], [0.0, 0.0, 0.0]]
    """
    X = np.asarray(X)
    n, columns = X.shape
    ranks = np.empty((n, columns), np.float32)
    at = np.arange(n)
    for start in range(0, columns, COLUMNS):
        own = np.ascontiguousarray(X[:, start : start + COLUMNS].T)
        order = np.argsort(own, axis=1)
        values = np.take_along_axis(own, order, axis=1)
        differs = values[:, 1:] != values[:, :-1]
        first, last = np.zeros(own.shape, np.int64), np.full(own.shape, n - 1)
        first[:, 1:] = np.where(differs, at[1:], 0)
        last[:, :-1] = np.where(differs, at[:-1], n - 1)
        first = np.maximum.accumulate(first, axis=1)
        last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
        middle = ((first + last) / 2 - (n - 1) / 2).astype(np.float32)
        found = np.empty(own.shape, np.float32)
        np.put_along_axis(found, order, middle, axis=1)
        ranks[:, start : start + COLUMNS] = found.T
    return ranks


@dataclass(frozen=True, eq=False)
class Effects:
    """Of every target and column: ``effect`` (AUC, or correlation) and ``z``, each float64 [targets, columns]; of every
    permutation and target the largest |z| over columns, ``largest`` float64 [permutations, targets]."""

    effect: Array
    z: Array
    largest: Array


def rank_effects(
    X: Array, targets: Sequence[Target], cluster: Array, *, permutations: int = 0, seed: int = 0
) -> Effects:
    """Effects of the columns of X [n, columns] on targets, and their maxima under permutation; rows by cluster int [n].

    Rows of a cluster stand together. The same seed gives the same permutations for other columns, so that maxima over
    several blocks of columns can be taken afterwards. A column that is constant, or that what is held fixed predicts
    wholly, has effect 0.5 (area) or 0 (correlation). Raises DataError where X holds a value that is not finite.
    """
    X = np.asarray(X)
    if not np.isfinite(X).all():
        raise DataError("features hold a value that is not a finite number; leave such rows out")
    ranks = centred_ranks(X)
    n = len(ranks)
    vectors = [target.vector() for target in targets]
    bases = [target.basis() for target in targets]
    scales = [_scale(target, ranks, basis) for target, basis in zip(targets, bases, strict=True)]

    def z_of(products: Array, number: int, length: float) -> Array:
        scale = scales[number]
        return np.divide(products, length * scale, out=np.zeros_like(products), where=scale > 0)

    z = np.zeros((len(targets), ranks.shape[1]))
    effect = np.zeros_like(z)
    for number, (target, vector) in enumerate(zip(targets, vectors, strict=True)):
        products = vector.astype(np.float32) @ ranks
        products = products.astype(np.float64)
        if target.kind == "area":
            ones = float(target.values.sum())
            effect[number] = 0.5 + products / max(ones * (n - ones), 1.0)
            z[number] = z_of(products, number, 1.0)
        else:
            size = float(np.linalg.norm(vector))
            effect[number] = np.clip(z_of(products, number, size), -1, 1) if size else 0.0
            z[number] = effect[number] * np.sqrt(n)
    largest = np.zeros((permutations, len(targets)))
    step = max(1, PRODUCTS // max(1, n * len(targets)))
    orders = block_orders(cluster, permutations, seed)
    for start in range(0, permutations, step):
        chosen = np.stack([next(orders) for _ in range(min(step, permutations - start))])
        for number, (target, vector) in enumerate(zip(targets, vectors, strict=True)):
            drawn, length = vector[chosen], np.ones((len(chosen), 1))
            if target.kind == "correlation":
                drawn = drawn - (drawn @ bases[number]) @ bases[number].T
                length = np.linalg.norm(drawn, axis=1, keepdims=True) / np.sqrt(n)
                length[length == 0] = np.inf
            products = (drawn.astype(np.float32) @ ranks).astype(np.float64)
            found = np.divide(
                products, length * scales[number], out=np.zeros_like(products),
                where=np.broadcast_to(scales[number] > 0, products.shape),
            )  # fmt: skip
            largest[start : start + len(chosen), number] = np.abs(found).max(axis=1, initial=0.0)
    return Effects(effect, z, largest)


def block_orders(cluster: Array, permutations: int, seed: int) -> Iterator[Array]:
    """Orders int64 [n] in which whole clusters have changed places and each keeps its own order.

    >>> [order.tolist() for order in block_orders(np.array([4, 4, 9]), 1, seed=2)]
    [[2, 0, 1]]
    """
    codes, n_clusters = dense_clusters(np.asarray(cluster))
    rng = np.random.default_rng([seed, 9])
    for _ in range(permutations):
        yield np.argsort(rng.permutation(n_clusters)[codes], kind="stable")


def maximum_p(observed: Array, largest: Array) -> tuple[Array, Array]:
    """p of each target's largest |z| [targets]: against its own maxima, and against those over all targets together.

    `largest` is [permutations, targets]; (b + 1) / (permutations + 1), so never 0 (Phipson & Smyth 2010).

    >>> maximum_p(np.array([3.0, 1.0]), np.array([[1.0, 2.0], [2.0, 0.0], [0.5, 0.5]]))
    (array([0.25, 0.5 ]), array([0.25, 0.75]))
    """
    bound = np.asarray(observed) * (1 - 1e-9)
    all_of_them = largest.max(axis=1, keepdims=True, initial=0.0)
    own, joint = (((drawn >= bound).sum(axis=0) + 1) / (len(largest) + 1) for drawn in (largest, all_of_them))
    return own, joint


def rank_correlation_interval(
    x: Array, target: Target, cluster: Array, *, resamples: int = 1000, seed: int = 0
) -> tuple[Interval, Array]:
    """A (partial) rank correlation of float64 [n] with a target, its interval over clusters, and the draws.

    Ranks are those of all rows; resamples do not rank anew. NaN where either side does not vary.
    """
    parts = [centred_ranks(np.asarray(x)[:, None]), centred_ranks(target.values[:, None])]
    if target.given is not None:
        parts.append(centred_ranks(target.given))
    columns = np.concatenate(parts, axis=1).astype(np.float64)
    columns /= max(float(np.abs(columns).max(initial=0.0)), 1.0)
    codes, n_clusters = dense_clusters(np.asarray(cluster))
    k = columns.shape[1]
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    cells = [np.ones(len(columns)), *columns.T, *(columns[:, i] * columns[:, j] for i, j in pairs)]
    sums = np.stack([np.bincount(codes, weights=cell, minlength=n_clusters) for cell in cells], axis=1)

    def statistic(total: Array) -> Array:
        return _partial(total, k, pairs)

    value = float(statistic(sums.sum(axis=0)))
    draws = np.concatenate([statistic(chunk @ sums) for chunk in draw_weights(n_clusters, resamples, seed)])
    return drawn_interval(value, draws, codes), draws


def drawn_interval(value: float, draws: Array, cluster: Array) -> Interval:
    """A value between the bounds of its draws; bounds are NaN with fewer than two clusters."""
    if np.isnan(value) or len(np.unique(cluster)) < 2:
        return Interval(value, np.nan, np.nan)
    low, high = percentile_interval(draws)
    return Interval(value, float(low), float(high))


def paired_interval(a: float, b: float, draws_a: Array, draws_b: Array) -> Interval:
    """a - b with the interval of their paired draws."""
    low, high = percentile_interval(draws_a - draws_b)
    return Interval(a - b, float(low), float(high))


def _scale(target: Target, ranks: Array, basis: Array) -> Array:
    """What a product with each column is divided by, float64 [columns]; 0 for a column without an effect."""
    squares = np.einsum("ij,ij->j", ranks, ranks, dtype=np.float64)
    if target.kind == "area":
        n, ones = len(ranks), float(target.values.sum())
        return np.where(squares > 0, np.sqrt(ones * (n - ones) * (n + 1) / 12), 0.0)
    left = squares - ((basis.T.astype(np.float32) @ ranks).astype(np.float64) ** 2).sum(axis=0)
    return np.where(left > 1e-6 * squares, np.sqrt(np.maximum(left, 0.0)), 0.0)


def _partial(sums: Array, k: int, pairs: Sequence[tuple[int, int]]) -> Array:
    """The correlation of the first two of k columns with the others held fixed, from sums [..., 1 + k + pairs]."""
    n, totals = sums[..., 0], sums[..., 1 : 1 + k]
    covariance = np.empty((*sums.shape[:-1], k, k))
    for number, (i, j) in enumerate(pairs):
        own = sums[..., 1 + k + number] / n - totals[..., i] * totals[..., j] / n**2
        covariance[..., i, j] = covariance[..., j, i] = own
    for z in range(k - 1, 1, -1):  # one held number after the other is taken out
        size = covariance[..., z, z][..., None, None]
        row = covariance[..., z, :]
        out = row[..., :, None] * row[..., None, :]
        covariance = covariance - np.divide(out, size, out=np.zeros_like(out), where=size > 1e-12)
    spread = covariance[..., 0, 0] * covariance[..., 1, 1]
    fine = (covariance[..., 0, 0] > 1e-12) & (covariance[..., 1, 1] > 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(fine, covariance[..., 0, 1] / np.sqrt(np.where(fine, spread, 1.0)), np.nan)
    return np.clip(found, -1.0, 1.0)
