"""CKA against its definition; what leaves it unchanged; and how often its interval holds the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.maths.cka import cka, cka_interval, rbf_gram
from tests.maths.test_hsic import slow_hsic

Array = np.ndarray[Any, Any]


def turned(rng: np.random.Generator, dim: int) -> Array:
    return np.linalg.qr(rng.normal(size=(dim, dim)))[0]


@pytest.mark.parametrize("estimator", ["biased", "debiased", "clustered"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_equals_the_definition(kernel: Any, estimator: Any) -> None:
    rng = np.random.default_rng(1)
    own = np.repeat(np.arange(6), [1, 2, 3, 1, 2, 2])
    X, Y = rng.normal(size=(11, 3)), rng.normal(size=(11, 2))
    Y[:, 0] += X[:, 0]
    H = np.eye(11) - 1 / 11
    grams = []
    for side in (X, Y):
        if kernel == "linear":
            K = side @ side.T
        else:
            d = np.array([[np.linalg.norm(p - q) for q in side] for p in side])
            width = 0.4 * np.median(d[np.triu_indices(11, 1)])
            K = np.exp(-(d**2) / (2 * width**2))
        grams.append(H @ K @ H if estimator == "clustered" else K)
    K, L = grams
    slow = slow_hsic(K, L, own, estimator)
    slow /= np.sqrt(slow_hsic(K, K, own, estimator) * slow_hsic(L, L, own, estimator))
    shuffled = rng.permutation(11)
    found = cka(X[shuffled], Y[shuffled], clusters=own[shuffled], kernel=kernel, estimator=estimator)
    assert found == pytest.approx(slow, abs=1e-10)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-3, 1.0, 400.0]), clustered=st.booleans())
def test_turning_moving_and_scaling_change_nothing(seed: int, scale: float, clustered: bool) -> None:
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(30, 6)), rng.normal(size=(30, 4))
    Y += X[:, :4]
    own = np.arange(30) // 3 if clustered else None
    for kernel in ("linear", "rbf"):
        one = cka(X, Y, clusters=own, kernel=kernel)
        assert cka(scale * X @ turned(rng, 6) + 3, Y, clusters=own, kernel=kernel) == pytest.approx(
            one, abs=1e-8
        )
        assert cka(Y, X, clusters=own, kernel=kernel) == pytest.approx(one, abs=1e-10)
    stretched = cka(X * [5, 1, 1, 1, 1, 1], Y, clusters=own)
    assert stretched != pytest.approx(
        cka(X, Y, clusters=own), abs=1e-4
    )  # not any linear map: CCA's invariance


def test_unrelated_noise_is_0_within_its_interval_where_the_biased_one_is_not() -> None:
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(60, 40)), rng.normal(size=(60, 50))
    found = cka_interval(X, Y)
    assert found.low < 0 < found.high
    assert abs(found.value) < 0.05
    biased = cka_interval(X, Y, estimator="biased")
    assert biased.low > 0.2


def sentences_alike(rng: np.random.Generator, n: int, shared: float) -> tuple[Array, Array, Array, float]:
    """Words that share half of their variance with their sentence; the true CKA is known from the covariances."""
    sizes = 1 + rng.poisson(5, size=n)
    own = np.repeat(np.arange(n), sizes)

    def words(dim: int) -> Array:
        return np.sqrt(0.5) * (rng.normal(size=(n, dim))[own] + rng.normal(size=(len(own), dim)))

    spread = np.linspace(1, 0.3, 12)
    A = np.random.default_rng(99).normal(size=(12, 10)) / np.sqrt(12)
    Z = words(12)
    Y = shared * Z @ A + np.sqrt(1 - shared**2) * words(10)
    cov_y = shared**2 * A.T @ A + (1 - shared**2) * np.eye(10)
    cross = spread[:, None] * shared * A
    truth = (cross**2).sum() / np.sqrt((spread**4).sum() * (cov_y**2).sum())
    return Z * spread + 1, Y - 2, own, float(truth)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(shared: float) -> None:
    held, values, truth = 0, [], 0.0
    for seed in range(100):
        X, Y, own, truth = sentences_alike(np.random.default_rng([seed, int(10 * shared)]), 30, shared)
        found = cka_interval(X, Y, clusters=own)
        held += found.low <= truth <= found.high
        values.append(found.value)
    assert held >= 89  # fewer than 89 of 100 at a true 95 % happen in 0.4 % of such tests
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / 10 + 0.002)


def test_words_of_one_sentence_fool_the_estimator_that_leaves_out_single_rows_only() -> None:
    found = {"debiased": [], "clustered": []}
    for seed in range(30):
        X, Y, own, _ = sentences_alike(np.random.default_rng(seed), 30, 0.0)
        for name, values in found.items():
            values.append(cka(X, Y, clusters=own, estimator=name))
    assert abs(np.mean(found["clustered"])) < 0.02
    assert np.mean(found["debiased"]) > 0.04


def test_drawing_sentences_with_replacement_would_invent_similarity() -> None:
    X, Y, own, _ = sentences_alike(np.random.default_rng(5), 40, 0.0)
    rng = np.random.default_rng(0)
    places = [np.flatnonzero(own == k) for k in range(40)]
    drawn = []
    for _ in range(60):
        picks = rng.integers(0, 40, 40)
        rows = np.concatenate([places[k] for k in picks])
        codes = np.repeat(np.arange(40), [len(places[k]) for k in picks])
        drawn.append(cka(X[rows], Y[rows], clusters=codes))
    assert np.quantile(drawn, 0.025) > 0  # this interval would not hold the truth, which is 0
    found = cka_interval(X, Y, clusters=own)
    assert found.low < 0 < found.high


def test_bad_input_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(DataError, match="all 12 rows of Y are identical: there is nothing to compare"):
        pk.cka(X, np.ones((12, 3)))
    with pytest.raises(DataError, match="the same rows; got"):
        pk.cka(X, X[:5])
    with pytest.raises(DataError, match="X holds a value that is not a finite number"):
        pk.cka(X * np.nan, X)
    with pytest.raises(DataError, match="3 rows are too few"):
        pk.cka(X[:3], X[:3])
    with pytest.raises(DataError, match="2 clusters are too few"):
        pk.cka(X, X, clusters=np.arange(12) // 6)
    with pytest.raises(DataError, match="give one for each row"):
        pk.cka(X, X, clusters=[1, 2])
    with pytest.raises(DataError, match="half of the rows are identical"):
        rbf_gram(np.concatenate([X[:1]] * 10 + [X[:2]]))
    with pytest.raises(ConfigError, match="unknown kernel 'liner'; did you mean 'linear'"):
        pk.cka(X, X, kernel="liner")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="bandwidth must be above 0"):
        pk.cka(X, X, kernel="rbf", bandwidth=0)
