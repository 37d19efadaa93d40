"""Intervals resample sentences; their plain twins loop."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from probekit.maths import resampling
from probekit.maths.resampling import (
    cluster_bootstrap,
    holm,
    mean_interval,
    paired_difference,
    paired_score_difference,
    resample_sums,
    score_interval,
)
from probekit.maths.scores import score


def clustered(rng: np.random.Generator, sentences: int = 60, size: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Words of a sentence are right or wrong together: its own rate is drawn first."""
    rate = rng.beta(1.2, 0.6, sentences)
    correct = (rng.random((sentences, size)) < rate[:, None]).astype(float)
    return correct.reshape(-1), np.repeat(np.arange(sentences), size)


def test_resampling_words_would_give_another_interval() -> None:
    # ten sentences, each wholly right or wholly wrong: 100 words, but ten independent facts
    cluster = np.repeat(np.arange(10), 10)
    correct = np.repeat([1.0, 0.0] * 5, 10)
    by_sentence = mean_interval(correct, cluster)
    by_word = mean_interval(correct, np.arange(100))
    assert by_sentence.high - by_sentence.low == pytest.approx(0.6, abs=0.11)
    assert by_word.high - by_word.low == pytest.approx(0.196, abs=0.03)


def test_coverage_on_clustered_data() -> None:
    rng = np.random.default_rng(0)
    truth, trials = 1.2 / 1.8, 300
    by_sentence = by_word = 0
    for _ in range(trials):
        correct, cluster = clustered(rng)
        low, high = mean_interval(correct, cluster, resamples=300)[1:]
        by_sentence += low <= truth <= high
        low, high = mean_interval(correct, np.arange(len(correct)), resamples=300)[1:]
        by_word += low <= truth <= high
    assert 0.90 <= by_sentence / trials <= 0.985
    assert by_word / trials < 0.80


def test_equals_scipy_bootstrap_over_sentences() -> None:
    correct, cluster = clustered(np.random.default_rng(1), sentences=200)
    sums = np.bincount(cluster, weights=correct)
    sizes = np.bincount(cluster)

    def ratio(right: np.ndarray, n: np.ndarray, axis: int = -1) -> np.ndarray:
        return right.sum(axis) / n.sum(axis)

    theirs = stats.bootstrap(
        (sums, sizes), ratio, paired=True, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    ours = mean_interval(correct, cluster, resamples=4000)
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)


@pytest.mark.parametrize(
    "metric", ["accuracy", "macro_f1", "weighted_f1", "mcc", "r2", "pearson", "spearman"]
)
def test_sums_give_what_scoring_each_resample_gives(metric: str) -> None:
    rng = np.random.default_rng(4)
    cluster = np.sort(rng.integers(0, 12, 80)) * 7  # numbers with gaps
    gold = rng.integers(0, 4, 80)
    predicted = np.where(rng.random(80) < 0.6, gold, rng.integers(0, 4, 80))
    if metric in ("r2", "pearson", "spearman"):
        gold, predicted = gold.astype(float), gold + rng.normal(size=80).round(1)
    codes, n = resampling.dense_clusters(cluster)
    plain = []
    for weights in resampling._all_weights(n, 200, 5):
        words = np.concatenate([np.tile(np.flatnonzero(codes == c), int(w)) for c, w in enumerate(weights)])
        words = words.astype(int)
        plain.append(score(metric, gold[words], predicted[words], 4))
    low, high = np.nanquantile(plain, [0.025, 0.975])
    found = score_interval(metric, gold, predicted, cluster, n_labels=4, resamples=200, seed=5)
    assert found.value == pytest.approx(score(metric, gold, predicted, 4))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(6).random((50, 3))
    whole = resample_sums(sums, resamples=100, seed=9)
    monkeypatch.setattr(resampling, "CELLS", 700)
    # up to rounding: matrix products of other heights add up in another order
    np.testing.assert_allclose(resample_sums(sums, resamples=100, seed=9), whole, rtol=1e-14)


def test_same_seed_same_resamples_whatever_is_measured() -> None:
    a, b = np.random.default_rng(7).random((2, 40, 1))
    both = resample_sums(np.concatenate([a, b], axis=1), seed=3)
    np.testing.assert_allclose(both[:, :1], resample_sums(a, seed=3))
    np.testing.assert_allclose(both[:, 1:], resample_sums(b, seed=3))


def test_one_sentence_has_no_interval() -> None:
    found = mean_interval(np.array([1.0, 0.0]), np.array([4, 4]))
    assert found.value == 0.5
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(paired_difference(np.ones(3), np.zeros(3), np.zeros(3)).p)


def test_a_label_missing_in_some_resamples_leaves_an_interval() -> None:
    def share(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)

    sums = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    value, low, high = cluster_bootstrap(sums, share)
    assert (value, low, high) == (0.5, 0.5, 0.5)


def test_sign_flips_equal_the_exact_count() -> None:
    # six sentences with summed differences 3 1 1 2 -1 2; of the 64 sign patterns 10 reach |8|
    sums = np.array([3.0, 1.0, 1.0, 2.0, -1.0, 2.0])
    patterns = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1)
    exact = np.mean(np.abs(sums @ patterns) >= sums.sum())
    found = paired_difference(sums, np.zeros(6), np.arange(6), flips=20000)
    assert found.difference == pytest.approx(sums.mean())
    assert found.p == pytest.approx(exact, abs=0.01)


def test_p_is_taken_by_sentence_not_by_word() -> None:
    cluster = np.repeat(np.arange(5), 20)
    a = np.repeat([1.0, 1.0, 1.0, 1.0, 1.0], 20)
    found = paired_difference(a, np.zeros(100), cluster)
    assert found.p == pytest.approx(2 / 32, abs=0.01)  # five sentences can say no more
    assert paired_difference(a, np.zeros(100), np.arange(100)).p == pytest.approx(1 / 10_000)


def test_no_difference_has_p_one_and_p_is_uniform_under_the_null() -> None:
    same = np.random.default_rng(0).random(30)
    assert paired_difference(same, same, np.arange(30)).p == 1.0
    rng = np.random.default_rng(8)
    p = [
        paired_difference(*rng.normal(size=(2, 40)), np.arange(40), resamples=10, flips=199).p
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.1


def test_paired_scores_of_accuracy_equal_paired_means() -> None:
    rng = np.random.default_rng(9)
    gold, a, b = rng.integers(0, 3, (3, 90))
    cluster = np.repeat(np.arange(30), 3)
    means = paired_difference(a == gold, b == gold, cluster, flips=999)
    assert paired_score_difference("accuracy", gold, a, b, cluster, n_labels=3, flips=999) == pytest.approx(
        means
    )
    for metric in ("macro_f1", "mcc", "r2", "spearman"):
        x, y, z = (
            (gold, a, b) if metric in ("macro_f1", "mcc") else (gold * 1.0, a + gold * 1.0, b + gold * 1.0)
        )
        found = paired_score_difference(metric, x, y, z, cluster, n_labels=3, flips=99)
        assert found.difference == pytest.approx(score(metric, x, y, 3) - score(metric, x, z, 3))
        assert found.low <= found.difference <= found.high
        assert np.isnan(found.p) == (metric == "spearman")


def test_holm_by_hand() -> None:
    # sorted 0.005 0.01 0.03 0.04, times 4 3 2 1 = 0.02 0.03 0.06 0.04; never smaller than the one before
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with_gap = holm(np.array([np.nan, 0.6, 0.5]))
    assert np.isnan(with_gap[0])
    assert with_gap[1:] == pytest.approx([1.0, 1.0])
    assert holm(np.array([])).size == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_only_raises(values: list[float]) -> None:
    p = np.array(values)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_a_treebank_takes_well_under_a_second() -> None:
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 17, (2, 25_000))
    cluster = np.sort(rng.integers(0, 2000, 25_000))
    score_interval("accuracy", gold, predicted, cluster, n_labels=17)  # the resamples are drawn once
    begin = time.process_time()
    score_interval("macro_f1", gold, predicted, cluster, n_labels=17)
    assert time.process_time() - begin < 0.5
