"""Scores equal scikit-learn's and scipy's, and say NaN where nothing is defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from probekit.errors import ConfigError
from probekit.maths import scores

codes = st.integers(0, 4)
pairs = st.lists(st.tuples(codes, codes), min_size=1, max_size=60)


def split(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    gold, predicted = np.array(found).T
    return gold, predicted


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_class_scores_equal_sklearn(found: list[tuple[int, int]]) -> None:
    gold, predicted = split(found)
    present = sorted(set(gold.tolist()))
    macro = metrics.f1_score(gold, predicted, labels=present, average="macro", zero_division=0)
    weighted = metrics.f1_score(gold, predicted, labels=present, average="weighted", zero_division=0)
    assert scores.score("accuracy", gold, predicted, 5) == pytest.approx(np.mean(gold == predicted))
    assert scores.score("macro_f1", gold, predicted, 5) == pytest.approx(macro)
    assert scores.score("weighted_f1", gold, predicted, 5) == pytest.approx(weighted)
    if len(present) > 1:
        expected = metrics.matthews_corrcoef(gold, predicted)
        assert scores.score("mcc", gold, predicted, 5) == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(scores.score("mcc", gold, predicted, 5))


@settings(max_examples=30, deadline=None)
@given(pairs)
def test_per_label_scores_equal_sklearn(found: list[tuple[int, int]]) -> None:
    gold, predicted = split(found)
    counts = scores.count(gold, predicted, 5)
    p, r, f, _ = metrics.precision_recall_fscore_support(gold, predicted, labels=range(5), zero_division=0)
    in_gold, was_predicted = np.bincount(gold, minlength=5) > 0, np.bincount(predicted, minlength=5) > 0
    np.testing.assert_allclose(scores.f1(counts), np.where(in_gold, f, np.nan))
    np.testing.assert_allclose(scores.recall(counts), np.where(in_gold, r, np.nan))
    np.testing.assert_allclose(scores.precision(counts), np.where(was_predicted, p, np.nan))
    expected = metrics.confusion_matrix(gold, predicted, labels=range(5))
    np.testing.assert_array_equal(scores.confusion(gold, predicted, 5), expected)


def test_macro_f1_averages_over_gold_labels_only() -> None:
    gold, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    # F1 of 0 is 2/3 and of 1 is 1; label 2 is predicted but never gold: the mean over three would be 0.556
    assert scores.score("macro_f1", gold, predicted, 3) == pytest.approx((2 / 3 + 1) / 2)


def test_no_answer_is_wrong_and_in_no_column() -> None:
    gold, predicted = np.array([0, 1, 1]), np.array([0, -1, 1])
    assert scores.score("accuracy", gold, predicted, 2) == pytest.approx(2 / 3)
    assert scores.confusion(gold, predicted, 2).tolist() == [[1, 0], [0, 1]]
    as_a_third_label = metrics.matthews_corrcoef(gold, np.array([0, 2, 1]))
    assert scores.score("mcc", gold, predicted, 2) == pytest.approx(as_a_third_label)


def test_constant_predictions() -> None:
    assert scores.score("mcc", np.array([0, 1]), np.array([0, 0]), 2) == 0.0
    with np.errstate(all="raise"):
        assert np.isnan(scores.spearman(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
        assert np.isnan(scores.r2(np.array([2.0, 2.0]), np.array([1.0, 3.0])))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_number_scores_equal_scipy_and_sklearn(offset: float) -> None:
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 9, 300).astype(float) + offset
    predicted = gold + rng.normal(size=300)
    assert scores.r2(gold, predicted) == pytest.approx(metrics.r2_score(gold, predicted))
    assert scores.pearson(gold, predicted) == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert scores.spearman(gold, predicted) == pytest.approx(stats.spearmanr(gold, predicted).statistic)


def test_unknown_metric_has_a_hint() -> None:
    with pytest.raises(ConfigError, match="did you mean 'macro_f1'"):
        scores.score("macrof1", np.array([0]), np.array([0]), 1)
