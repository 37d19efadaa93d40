"""HSIC from kernel matrices and from features, against sums over all pairs, triples and quadruples of rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from probekit.errors import ConfigError, DataError
from probekit.maths.hsic import ESTIMATORS, cluster_counts, cluster_starts, gram_hsic
from probekit.maths.linear_hsic import CentredRows, linear_hsic

Array = np.ndarray[Any, Any]
SIZES = np.array([3, 1, 2, 4, 1, 2, 1])
OWN = np.repeat(np.arange(len(SIZES)), SIZES)
STARTS = cluster_starts(OWN)


def slow_hsic(K: Array, L: Array, own: Array, estimator: str) -> float:
    """The definition, one tuple of rows after the other."""
    n = len(K)
    if estimator == "biased":
        H = np.eye(n) - 1 / n
        return float(np.trace(K @ H @ L @ H) / n**2)
    if estimator == "debiased":
        own = np.arange(n)

    def distinct(k: int) -> list[tuple[int, ...]]:
        return [t for t in itertools.permutations(range(n), k) if len({own[i] for i in t}) == k]

    pairs = np.mean([K[i, j] * L[i, j] for i, j in distinct(2)])
    triples = np.mean([K[i, j] * L[i, k] for i, j, k in distinct(3)])
    quadruples = np.mean([K[i, j] * L[k, m] for i, j, k, m in distinct(4)])
    return float(pairs - 2 * triples + quadruples)


def two_sides(seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(len(OWN), 3)) + 1
    return X, X @ rng.normal(size=(3, 4)) + rng.normal(size=(len(OWN), 4)) / 2 - 3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_both_ways_equal_the_definition_with_and_without_each_cluster(estimator: Any) -> None:
    X, Y = two_sides()
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)  # "clustered" is defined on rows centred as a whole
    K, L = X @ X.T, Y @ Y.T
    slow = [slow_hsic(K, L, OWN, estimator)]
    for gone in range(len(SIZES)):
        kept = gone != OWN
        slow.append(slow_hsic(K[np.ix_(kept, kept)], L[np.ix_(kept, kept)], OWN[kept], estimator))
    by_gram = gram_hsic(K, L, STARTS, estimator)
    a, b = CentredRows(X, STARTS), CentredRows(Y, STARTS)
    by_features = linear_hsic(a, b, estimator)
    for found in (by_gram, by_features):
        np.testing.assert_allclose([found.value, *found.without], slow, atol=1e-11)
    assert linear_hsic(a, b, estimator, without=False).value == pytest.approx(slow[0], abs=1e-11)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_origin_does_not_matter(estimator: Any) -> None:
    X, Y = two_sides()
    one = gram_hsic(X @ X.T, Y @ Y.T, STARTS, estimator)
    moved = X + 7
    other = gram_hsic(moved @ moved.T, Y @ Y.T, STARTS, estimator)
    assert other.value == pytest.approx(one.value, abs=1e-9)


def test_clusters_of_one_row_each_make_clustered_the_published_estimator() -> None:
    X, Y = two_sides()
    K, L = X @ X.T, Y @ Y.T
    alone = np.arange(len(X))
    one, other = gram_hsic(K, L, alone, "clustered"), gram_hsic(K, L, alone, "debiased")
    assert one.value == pytest.approx(other.value, abs=1e-10)
    np.testing.assert_allclose(one.without, other.without, atol=1e-10)
    # Song et al. 2012, equation 5
    n = len(K)
    k, el = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    ones = np.ones(n)
    song = np.trace(k @ el) + (ones @ k @ ones) * (ones @ el @ ones) / ((n - 1) * (n - 2))
    song = (song - 2 / (n - 2) * (ones @ k @ el @ ones)) / (n * (n - 3))
    assert other.value == pytest.approx(song, abs=1e-10)


def test_counts_of_tuples() -> None:
    counts = cluster_counts(SIZES)
    for at, k in enumerate((2, 3, 4)):
        tuples = [t for t in itertools.permutations(range(len(OWN)), k) if len({OWN[i] for i in t}) == k]
        assert counts[at][0] == len(tuples)
        assert counts[at][4] == len([t for t in tuples if all(OWN[i] != 3 for i in t)])


def test_single_precision_rows_far_from_the_origin() -> None:
    X, Y = two_sides()
    far = CentredRows((X + 1000).astype(np.float32), STARTS)
    exact = linear_hsic(CentredRows(X, STARTS), CentredRows(Y, STARTS)).value
    assert linear_hsic(far, CentredRows(Y.astype(np.float32), STARTS)).value == pytest.approx(exact, rel=1e-3)


def test_too_few_clusters_are_not_scored() -> None:
    X, Y = two_sides()
    found = gram_hsic(
        (X @ X.T)[:6, :6], (Y @ Y.T)[:6, :6], cluster_starts(OWN[:6]), "clustered"
    )  # 3 clusters
    assert np.isnan(found.value)
    assert np.isnan(found.without).all()


def test_bad_input_is_refused() -> None:
    X, Y = two_sides()
    with pytest.raises(ConfigError, match="unknown estimator 'debiase'; did you mean 'debiased'"):
        gram_hsic(X @ X.T, Y @ Y.T, STARTS, "debiase")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="ordered by their cluster"):
        cluster_starts(np.array([0, 1, 0]))
    with pytest.raises(DataError, match="rows of both sides must be the same"):
        linear_hsic(CentredRows(X, STARTS), CentredRows(Y[:-1], STARTS[:-1]))
    with pytest.raises(DataError, match="not a finite number"):
        CentredRows(np.full_like(X, np.nan), STARTS)
