"""How much two kernels over the same rows say alike (HSIC), also without each sentence.

Three estimators of the same quantity:

"biased"     tr(K H L H) / n^2 (Gretton et al. 2005): a row is compared with itself too, so unrelated rows give
             more than 0.
"debiased"   pairs of a row with itself are left out (Song et al. 2012); Nguyen et al. 2021 use it for CKA.
"clustered"  pairs of rows of one cluster (words of one sentence) are left out too: means over pairs, triples and
             quadruples of rows of distinct clusters, as Song et al. take them over distinct rows. Where every row is
             its own cluster it is "debiased". With clusters of different sizes such means change with the origin, so
             the kernels are centred over all rows first, which leaves a bias of the order 1 / clusters^2.

Words of a sentence lie near each other in any space; "debiased" takes that for something shared, "clustered" does not.
All need rows ordered by cluster; a cluster is given by where it begins.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from probekit.errors import ConfigError, DataError, did_you_mean

Array = np.ndarray[Any, Any]
Estimator: TypeAlias = Literal["clustered", "debiased", "biased"]
ESTIMATORS = ("clustered", "debiased", "biased")


class Hsic(NamedTuple):
    """The value over all rows, and without each cluster, float64[clusters]."""

    value: float
    without: Array


def check_estimator(name: str) -> None:
    """Raises ConfigError for an unknown estimator."""
    if name not in ESTIMATORS:
        raise ConfigError(f"unknown estimator {name!r}; {did_you_mean(name, ESTIMATORS)}")


def cluster_starts(codes: Array) -> Array:
    """Where each cluster begins in rows that stand ordered by cluster, int64[clusters].

    Raises DataError where they do not.

    >>> cluster_starts(np.array([0, 0, 4])).tolist()
    [0, 2]
    """
    codes = np.asarray(codes)
    if (np.diff(codes) < 0).any():
        raise DataError("rows must stand ordered by their cluster; sort them first")
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1])


def combine(estimator: str, n: Array, pairs: Array, products: Array, all_k: Array, all_l: Array) -> Array:
    """HSIC "biased" or "debiased" from sums over a matrix pair: with ("biased") or without its diagonal.

    ``pairs`` is the sum of K_ij L_ij, ``products`` the sum over rows of (row sum of K)(row sum of L), ``all_k`` and
    ``all_l`` the sums of all entries; every argument is a number or float64[m].
    """
    n = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if estimator == "biased":
            return np.asarray((pairs - 2 * products / n + all_k * all_l / n**2) / n**2)
        inner = pairs + all_k * all_l / ((n - 1) * (n - 2)) - 2 * products / (n - 2)
        return np.asarray(np.where(n > 3, inner / (n * (n - 3)), np.nan))


def cluster_counts(sizes: Array) -> tuple[Array, Array, Array]:
    """How many pairs, triples and quadruples of rows have distinct clusters: for all, then without each cluster.

    Each is float64[1 + clusters].

    >>> [int(counts[0]) for counts in cluster_counts(np.array([2, 1, 1, 1]))]
    [18, 42, 48]
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    taken = np.concatenate([[0.0], sizes])
    n, two, three, four = ((sizes**power).sum() - (taken**power if power else 0.0) for power in (1, 2, 3, 4))
    pairs = n**2 - two
    triples = n**3 - 3 * n * two + 2 * three
    quadruples = n**4 - 6 * n**2 * two + 3 * two**2 + 8 * n * three - 6 * four
    return pairs, triples, quadruples


def gram_hsic(K: Array, L: Array, starts: Array, estimator: Estimator = "clustered") -> Hsic:
    """HSIC of two kernel matrices float64[n, n] over the same rows, ordered by cluster.

    Raises ConfigError for an unknown estimator. The value is NaN where there are too few rows or clusters.

    >>> x = np.arange(6.0)[:, None]
    >>> round(gram_hsic(x @ x.T, x @ x.T, np.arange(6), "biased").value, 6)
    8.506944
    """
    check_estimator(estimator)
    n = len(K)
    sizes = np.diff(np.append(starts, n))
    owner = np.repeat(np.arange(len(starts)), sizes)
    if estimator == "clustered":
        K, L = _centred(K), _centred(L)
    if estimator != "biased":
        left_out = owner[:, None] == owner if estimator == "clustered" else np.eye(n, dtype=bool)
        K, L = np.where(left_out, 0, K), np.where(left_out, 0, L)
    own = (np.arange(n), owner)
    # row i's sums over each cluster, and the same for products
    k_rows, l_rows, both = (np.add.reduceat(A, starts, axis=1, dtype=np.float64) for A in (K, L, K * L))
    k, l_, kl = (sums.sum(axis=1) for sums in (k_rows, l_rows, both))
    gone_k, gone_l, gone = (
        2 * np.add.reduceat(sums, starts) - np.add.reduceat(rows[own], starts)
        for sums, rows in ((k, k_rows), (l_, l_rows), (kl, both))
    )
    pairs, all_k, all_l = (
        _and_without(kl.sum(), gone),
        _and_without(k.sum(), gone_k),
        _and_without(l_.sum(), gone_l),
    )
    less = (k[:, None] - k_rows) * (l_[:, None] - l_rows)
    products = np.concatenate([[k @ l_], less.sum(axis=0) - np.add.reduceat(less[own], starts)])
    if estimator != "clustered":
        found = combine(estimator, np.concatenate([[n], n - sizes]), pairs, products, all_k, all_l)
        return Hsic(float(found[0]), found[1:])
    # sums over triples and quadruples of distinct clusters
    twice = np.einsum("ic,ic->i", k_rows, l_rows)
    same = _and_without(twice.sum(), np.add.reduceat(twice, starts) + (k_rows * l_rows).sum(axis=0))
    A, B = (np.add.reduceat(rows, starts, axis=0) for rows in (k_rows, l_rows))
    a, b = A.sum(axis=1), B.sum(axis=1)
    less = (a[:, None] - A) * (b[:, None] - B)
    crossed = np.concatenate([[a @ b], less.sum(axis=0) - np.diag(less)])
    squared = _and_without((A * B).sum(), 2 * np.einsum("cd,cd->c", A, B))
    found = clustered(sizes, pairs, products - same, all_k * all_l - 4 * crossed + 2 * squared)
    return Hsic(float(found[0]), found[1:])


def clustered(sizes: Array, pairs: Array, triples: Array, quadruples: Array) -> Array:
    """HSIC "clustered" from sums over pairs, triples and quadruples of rows of distinct clusters, [1 + clusters]."""
    counts = cluster_counts(sizes)
    enough = len(sizes) - np.concatenate([[0], np.ones(len(sizes), int)]) >= 4
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [total / count for total, count in zip((pairs, triples, quadruples), counts, strict=True)]
        return np.asarray(np.where(enough, means[0] - 2 * means[1] + means[2], np.nan))


def _centred(K: Array) -> Array:
    """A kernel matrix whose rows and columns have the mean 0."""
    middle = K.mean(axis=0, dtype=np.float64)
    return np.asarray(K - middle - (middle - middle.mean())[:, None])


def _and_without(total: Any, gone: Array) -> Array:
    """A sum, then what is left of it without each cluster."""
    return np.concatenate([[total], total - gone])
