"""Centred kernel alignment: how alike two representations of the same rows are, whatever their bases.

CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) (Kornblith et al. 2019), for linear kernels and for Gaussian ones, with
the estimators of `probekit.maths.hsic`. It does not change when a side is rotated, mirrored, moved or scaled.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.maths.hsic import Estimator, Hsic, check_estimator, cluster_starts, gram_hsic
from probekit.maths.jackknife import jackknife_interval
from probekit.maths.linear_hsic import CentredRows, linear_hsic
from probekit.maths.resampling import Interval, dense_clusters

Array = np.ndarray[Any, Any]
Kernel: TypeAlias = Literal["linear", "rbf"]
KERNELS = ("linear", "rbf")
BANDWIDTH = 0.4


def cka(
    X: Any, Y: Any, *, clusters: Any = None, kernel: Kernel = "linear", estimator: Estimator | None = None,
    bandwidth: float = BANDWIDTH,
) -> float:  # fmt: skip
    """The CKA of rows X [n, p] and Y [n, q]: 1 the same but for rotation and scale, 0 nothing in common.

    Parameters
    ----------
    clusters : which sentence each row is of, [n]
    kernel : "linear", or "rbf": exp(-d^2 / (2 s^2)), s being `bandwidth` times the median distance of two rows
    estimator : "debiased" (Song et al. 2012; also where no clusters are given), "clustered" (pairs of rows of one
        cluster are left out as well; where clusters are given) or "biased", which does not give 0 for unrelated rows

    Debiased values may fall below 0. Raises ConfigError for an unknown kernel or estimator, DataError for rows that do
    not fit together, do not vary or are too few. Kornblith et al. 2019; Nguyen et al. 2021.

    >>> X = np.random.default_rng(0).normal(size=(40, 30))
    >>> round(pk.cka(X, 3 * X[:, ::-1] + 1), 6)
    1.0
    >>> Y = np.random.default_rng(1).normal(size=(40, 30))
    >>> round(pk.cka(X, Y, estimator="biased"), 2), round(pk.cka(X, Y), 2)
    (0.42, 0.01)
    """
    return _sides(X, Y, clusters, kernel, estimator, bandwidth, False)[0]


def cka_interval(
    X: Any, Y: Any, *, clusters: Any = None, kernel: Kernel = "linear", estimator: Estimator | None = None,
    bandwidth: float = BANDWIDTH, level: float = 0.95,
) -> Interval:  # fmt: skip
    """`cka` with its interval, by leaving out each cluster (each row where none are given) once.

    The bandwidth stays that of all rows. Raises as `cka` does. Bounds are NaN with fewer than five clusters.

    >>> X = np.random.default_rng(0).normal(size=(40, 30))
    >>> Y = np.random.default_rng(1).normal(size=(40, 30))
    >>> found = cka_interval(X, Y)
    >>> found.low < 0 < found.high
    True
    """
    return jackknife_interval(*_sides(X, Y, clusters, kernel, estimator, bandwidth, True), level=level)


def alignment(both: Hsic, one: Hsic, other: Hsic) -> Hsic:
    """HSIC of two sides over that of each with itself, for all rows and without each cluster; NaN where undefined."""
    values = [np.append(h.value, h.without) for h in (both, one, other)]
    positive = (values[1] > 0) & (values[2] > 0)
    found = np.full(len(values[0]), np.nan)
    found[positive] = values[0][positive] / np.sqrt(values[1][positive] * values[2][positive])
    # values that exceed 1 by rounding alone are 1
    found = np.where((np.abs(found) > 1) & (np.abs(found) < 1 + 1e-6), np.sign(found), found)
    return Hsic(float(found[0]), found[1:])


def rbf_gram(X: Array, bandwidth: float = BANDWIDTH) -> Array:
    """exp(-d^2 / (2 s^2)) of all pairs of rows X [n, p], s = bandwidth times the median distance; float64[n, n].

    Raises ConfigError for a bandwidth that is not above 0, DataError where the median distance is 0.

    >>> rbf_gram(np.array([[0.0], [1.0], [3.0]]), 1.0).round(3).tolist()
    [[1.0, 0.882, 0.325], [0.882, 1.0, 0.607], [0.325, 0.607, 1.0]]
    """
    from scipy.spatial.distance import squareform

    if not bandwidth > 0:
        raise ConfigError(f"bandwidth must be above 0; got {bandwidth!r}")
    squares = squared_distances(X)
    median = float(np.median(np.sqrt(squareform(squares, checks=False))))
    if not median > 0:
        raise DataError("half of the rows are identical, so a Gaussian kernel has no width; use a linear one")
    return np.asarray(np.exp(squares / (-2 * (bandwidth * median) ** 2)))


def squared_distances(X: Array) -> Array:
    """Squared distances of all pairs of rows X [n, p], float64[n, n], exactly 0 on the diagonal.

    >>> squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 25.0], [25.0, 0.0]]
    """
    X = X - X.mean(axis=0, dtype=np.float64)
    lengths = np.einsum("ij,ij->i", X, X)
    squares = np.maximum(lengths[:, None] + lengths - 2 * (X @ X.T), 0.0)
    np.fill_diagonal(squares, 0.0)
    return np.asarray((squares + squares.T) / 2)


def paired_rows(X: Any, Y: Any, clusters: Any = None) -> tuple[Array, Array, Array]:
    """Two matrices over the same rows, ordered by cluster, and where each cluster begins.

    Raises DataError where they are no matrices of as many rows, or hold a value that is not a finite number.
    """
    X, Y = np.asarray(X), np.asarray(Y)
    if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or 0 in X.shape or 0 in Y.shape:
        raise DataError(f"X and Y must be [rows, dimensions] over the same rows; got {X.shape} and {Y.shape}")
    for name, side in (("X", X), ("Y", Y)):
        if not np.isfinite(side).all():
            raise DataError(f"{name} holds a value that is not a finite number; leave such rows out")
        if not (side != side[0]).any():
            raise DataError(f"all {len(side)} rows of {name} are identical: there is nothing to compare")
    if clusters is None:
        return X, Y, np.arange(len(X))
    codes = np.asarray(clusters)
    if codes.shape != (len(X),):
        raise DataError(f"{len(X)} rows, and clusters have the shape {codes.shape}; give one for each row")
    codes, _ = dense_clusters(codes)
    order = np.argsort(codes, kind="stable")
    return X[order], Y[order], cluster_starts(codes[order])


def _sides(
    X: Any, Y: Any, clusters: Any, kernel: str, estimator: Estimator | None, bandwidth: float, without: bool
) -> Hsic:
    X, Y, starts = paired_rows(X, Y, clusters)
    how: Estimator = estimator or ("debiased" if clusters is None else "clustered")
    check_estimator(how)
    if kernel == "linear":
        a, b = CentredRows(X, starts), CentredRows(Y, starts)
        found = alignment(*(linear_hsic(*pair, how, without=without) for pair in ((a, b), (a, a), (b, b))))
    elif kernel == "rbf":
        K, L = rbf_gram(X, bandwidth), rbf_gram(Y, bandwidth)
        found = alignment(*(gram_hsic(*pair, starts, how) for pair in ((K, L), (K, K), (L, L))))
    else:
        raise ConfigError(f"unknown kernel {kernel!r}; {did_you_mean(kernel, KERNELS)}")
    if not np.isfinite(found.value):
        what = f"{len(starts)} clusters" if how == "clustered" else f"{len(X)} rows"
        raise DataError(f"{what} are too few for this CKA ({how}); give more, or estimator='biased'")
    return found
