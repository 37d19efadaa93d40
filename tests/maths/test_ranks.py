"""The area under the ROC curve equals counting pairs; its interval equals drawing clusters in a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.maths import ranks
from probekit.maths.ranks import auc, auc_interval
from probekit.maths.resampling import draw_weights


def plain_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    return float(np.mean(pairs)) if pairs else float("nan")


def test_by_hand() -> None:
    # pairs: (3,1) right, (3,2) right, (1,1) tied, (1,2) wrong
    scores, labels = np.array([3.0, 1.0, 1.0, 2.0]), np.array([1, 1, 0, 0])
    assert auc(scores, labels) == 2.5 / 4
    assert auc(np.zeros(5), np.array([1, 0, 0, 1, 0])) == 0.5
    assert np.isnan(auc(scores, np.ones(4)))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=1, max_size=40))
def test_equals_counting_pairs(units: list[tuple[int, int]]) -> None:
    scores, labels = np.array([u[0] for u in units], float), np.array([u[1] for u in units])
    expected = plain_auc(scores, labels)
    assert auc(scores, labels) == pytest.approx(expected, nan_ok=True)
    assert auc(-scores, labels) == pytest.approx(1 - expected, nan_ok=True)
    assert auc(np.exp(scores), labels) == pytest.approx(expected, nan_ok=True)  # only the order counts


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([40, 1_000_000]))
def test_interval_equals_drawing_whole_clusters(seed: int, cells: int) -> None:
    rng = np.random.default_rng(seed)
    n, clusters = 40, 9
    scores, labels = rng.integers(0, 12, n).astype(float), rng.integers(0, 2, n)
    cluster = rng.integers(0, clusters, n)
    cluster[:clusters] = np.arange(clusters)
    draws = []
    for weights in np.concatenate(list(draw_weights(clusters, 50, 7))).astype(int):
        units = np.repeat(np.arange(n), weights[cluster])
        draws.append(plain_auc(scores[units], labels[units]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "CELLS", cells)
        one = auc_interval(scores, labels, cluster * 10, resamples=50, seed=7)
    assert one.value == plain_auc(scores, labels)
    np.testing.assert_allclose([one.low, one.high], np.nanquantile(draws, [0.025, 0.975]))


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    topic = np.repeat(np.arange(12), 25)
    labels = rng.integers(0, 2, 300)
    scores = rng.normal(size=12)[topic] + 0.3 * labels
    wide, narrow = auc_interval(scores, labels, topic), auc_interval(scores, labels, np.arange(300))
    assert wide.value == narrow.value
    assert np.isnan(auc_interval(scores, labels, np.zeros(300)).low)
    assert wide != narrow


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(DataError, match=r"must be 0 or 1; got \[0, 1, 2\]"):
        auc(np.arange(3.0), np.arange(3))
    with pytest.raises(DataError, match="1 of 2 scores are not numbers"):
        auc(np.array([1.0, np.nan]), np.array([0, 1]))
