"""HSIC of linear kernels from products of features: no matrix of rows by rows is ever made.

n rows of p and q features cost three products n p q, also for the values without each cluster (sentence), which are
exact. Estimators as in `probekit.maths.hsic`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from probekit.errors import DataError
from probekit.maths.hsic import Estimator, Hsic, check_estimator, clustered, combine

Array = np.ndarray[Any, Any]

CHUNK = 4096  # rows multiplied at once, in their own dtype; added up in float64


class CentredRows:
    """Rows [n, p] less their mean, ordered by cluster, with what their clusters add up to.

    float32 stays float32 in products; sums are float64. Raises DataError where a value is not a finite number.

    >>> CentredRows(np.array([[1.0], [3.0], [5.0]]), np.array([0, 2])).sums.tolist()
    [[-2.0], [2.0]]
    """

    def __init__(self, X: Array, starts: Array) -> None:
        X = np.asarray(X)
        dtype = np.float32 if X.dtype.itemsize < 8 and X.dtype.kind == "f" else np.float64
        if not np.isfinite(X).all():
            raise DataError("rows hold a value that is not a finite number; leave such rows out")
        mean = X.mean(axis=0, dtype=np.float64)
        self._take(np.subtract(X, mean.astype(dtype), dtype=dtype), starts)

    def _take(self, centred: Array, starts: Array) -> None:
        self.X, self.starts = centred, starts
        self.sizes = np.diff(np.append(starts, len(centred)))
        self.sums = np.add.reduceat(centred, starts, axis=0).astype(np.float64)
        self.total = self.sums.sum(axis=0)

    def moved(self, order: Array) -> CentredRows:
        """The same rows in another order, in the clusters that stand where they come to lie.

        >>> CentredRows(np.array([[1.0], [3.0], [5.0]]), np.array([0, 2])).moved(np.array([2, 1, 0])).sums.tolist()
        [[2.0], [-2.0]]
        """
        other = CentredRows.__new__(CentredRows)
        other._take(self.X[order], self.starts)
        return other

    @cached_property
    def norms(self) -> Array:
        """Squared length of each row, float64[n]."""
        return np.asarray(np.einsum("ij,ij->i", self.X, self.X, dtype=np.float64))

    @cached_property
    def own(self) -> Array:
        """Product of each row with the sum of its cluster, float64[n]."""
        spread = np.repeat(self.sums, self.sizes, axis=0)
        return np.asarray(np.einsum("ij,ij->i", self.X, spread))

    @cached_property
    def overall(self) -> Array:
        """Product of each row with the sum of all rows: 0 but for rounding, float64[n]."""
        return np.asarray(self.X @ self.total)

    @cached_property
    def within(self) -> Array:
        """Products of all pairs of rows of one cluster, one cluster after the other, float64[sum of sizes^2]."""
        stops = self.starts + self.sizes
        parts = [self.X[start:stop] for start, stop in zip(self.starts, stops, strict=True)]
        return np.concatenate([(part @ part.T).ravel() for part in parts]).astype(np.float64)


def linear_hsic(
    a: CentredRows, b: CentredRows, estimator: Estimator = "clustered", *, without: bool = True
) -> Hsic:
    """HSIC of X X' and Y Y', each over the same n rows in the same clusters.

    ``without`` False leaves the values without each cluster out, which makes it three times as fast. Raises ConfigError
    for an unknown estimator, DataError where the two sides do not have the same clusters.

    >>> x = CentredRows(np.arange(6.0)[:, None], np.arange(6))
    >>> round(linear_hsic(x, x, "biased").value, 6)
    8.506944
    """
    check_estimator(estimator)
    if not np.array_equal(a.starts, b.starts) or len(a.X) != len(b.X):
        raise DataError(f"rows of both sides must be the same; got {len(a.X)} and {len(b.X)}")
    sums = _Sums(a, b, estimator, without)
    found = sums.clustered() if estimator == "clustered" else sums.others()
    return Hsic(float(found[0]), found[1:])


class _Sums:
    """The sums that the estimators are made of: for all rows, then without each cluster, float64[1 + clusters].

    Names: T = X'Y, S_c and T_c the sum of rows and X'Y of cluster c, M = sum of S_c S_c' over clusters.
    """

    def __init__(self, a: CentredRows, b: CentredRows, estimator: str, without: bool) -> None:
        self.a, self.b, self.estimator, self.leave = a, b, estimator, without
        self.T = _product(a.X, b.X)
        self.norm_T = float((self.T**2).sum())
        self.inside = np.add.reduceat(a.within * b.within, np.append(0, np.cumsum(a.sizes**2))[:-1])
        if estimator == "clustered":
            self.k, self.l = a.overall - a.own, b.overall - b.own
        elif estimator == "debiased":
            self.k, self.l = a.overall - a.norms, b.overall - b.norms
        else:
            self.k, self.l = a.overall, b.overall
        if without:
            self.seen_by_T = self._of_rows(self.T)
            self.sums_by_T = np.einsum("cp,pq,cq->c", a.sums, self.T, b.sums, optimize=True)
            self.own = self._add(a.own * b.own)

    def others(self) -> Array:
        """HSIC biased or debiased."""
        a, b = self.a, self.b
        diagonal = a.norms * b.norms if self.estimator == "debiased" else np.zeros(len(a.X))
        k_diagonal, l_diagonal = (
            side.norms if self.estimator == "debiased" else np.zeros(len(a.X)) for side in (a, b)
        )
        pairs = self._pairs(self._add(diagonal), float(diagonal.sum()))
        products = self._products()
        all_k, all_l = (
            self._both(side.total @ side.total, lambda s=side: ((s.total - s.sums) ** 2).sum(axis=1))
            - self._both(own.sum(), lambda o=own: o.sum() - self._add(o))
            for side, own in ((a, k_diagonal), (b, l_diagonal))
        )
        sizes = np.concatenate([[len(a.X)], len(a.X) - a.sizes if self.leave else []])
        return combine(self.estimator, sizes, pairs, products, all_k, all_l)

    def clustered(self) -> Array:
        """HSIC over rows of distinct clusters."""
        a, b = self.a, self.b
        M = a.sums.T @ b.sums
        pairs = self._pairs(self.inside, float(self.inside.sum()))
        alpha, beta = (np.einsum("cp,cp->c", side.sums, side.sums) for side in (a, b))
        own = self._add(a.own * b.own)
        TM = float((self.T * M).sum())
        same = self._both(
            TM - own.sum(),
            lambda: TM - self._of_rows(M) - self.sums_by_T + own - (own.sum() - own),
        )
        A, B = (side.sums @ side.total - one for side, one in ((a, alpha), (b, beta)))
        MM = np.einsum("cp,pq,cq->c", a.sums, M, b.sums, optimize=True)
        crossed = self._both(
            A @ B,
            lambda: (
                (A @ B - A * B)
                - (b.sums @ (A @ b.sums) - A * beta)
                - (a.sums @ (B @ a.sums) - B * alpha)
                + (MM - alpha * beta)
            ),
        )
        norm_M, ab = float((M**2).sum()), alpha * beta
        squared = self._both(norm_M - ab.sum(), lambda: norm_M - 2 * MM + ab - (ab.sum() - ab))
        all_k, all_l = (self._both(one.sum(), lambda o=one: o.sum() - 2 * o) for one in (A, B))
        quadruples = all_k * all_l - 4 * crossed + 2 * squared
        found = clustered(a.sizes, *self._as_all(pairs, self._products() - same, quadruples))
        return found if self.leave else found[:1]

    def _pairs(self, left_out: Array, all_left_out: float) -> Array:
        """Sum of K_ij L_ij less the pairs that are left out, which each cluster holds a part of."""
        return self._both(
            self.norm_T - all_left_out,
            lambda: self.norm_T - 2 * self.seen_by_T + self.inside - (all_left_out - left_out),
        )

    def _products(self) -> Array:
        """Sum over rows of (row sum of K)(row sum of L)."""
        a, b, k, l_ = self.a, self.b, self.k, self.l

        def less() -> Array:
            with_b, with_a = k @ b.X.astype(np.float64), l_ @ a.X.astype(np.float64)
            return np.asarray(
                k @ l_
                - self._add(k * l_)
                - (b.sums @ with_b - self._add(k * b.own))
                - (a.sums @ with_a - self._add(l_ * a.own))
                + (self.sums_by_T - self.own)
            )

        return self._both(k @ l_, less)

    def _of_rows(self, matrix: Array) -> Array:
        """Sum over the rows of each cluster of x_i' matrix y_i, float64[clusters]."""
        a, b = self.a.X, self.b.X
        matrix = matrix.astype(np.result_type(a, b))
        rows = np.concatenate(
            [
                np.einsum("ij,ij->i", a[i : i + CHUNK] @ matrix, b[i : i + CHUNK], dtype=np.float64)
                for i in range(0, len(a), CHUNK)
            ]
        )
        return self._add(rows)

    def _add(self, rows: Array) -> Array:
        """The sum over the rows of each cluster."""
        return np.asarray(np.add.reduceat(rows, self.a.starts))

    def _both(self, total: Any, less: Any) -> Array:
        """A sum over all, then without each cluster."""
        return np.concatenate([[float(total)], less()]) if self.leave else np.array([float(total)])

    def _as_all(self, *sums: Array) -> list[Array]:
        """Sums as long as the counts are: where nothing was left out, filled up."""
        length = len(self.a.sizes) + 1
        return [one if len(one) == length else np.full(length, one[0]) for one in sums]


def _product(X: Array, Y: Array) -> Array:
    """X'Y, multiplied in chunks of rows and added up in float64."""
    T = np.zeros((X.shape[1], Y.shape[1]))
    for start in range(0, len(X), CHUNK):
        T += X[start : start + CHUNK].T @ Y[start : start + CHUNK]
    return T
