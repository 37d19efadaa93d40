"""The score that chooses an epoch, against hand-made outputs."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.adaptation.dev_score import DevScore, dev_score, is_better, metric_in_force
from probekit.errors import ConfigError, DataError

TRAIN = np.array([0, 1, 1, 1])


def test_unseen_labels_are_wrong_and_units_without_a_piece_are_the_most_frequent_class() -> None:
    outputs = np.array([[3.0, 0.0], [0.0, 3.0], [np.nan, np.nan], [np.nan, np.nan], [2.0, 0.0]])
    gold = np.array([0, -1, 1, 0, 0])
    score = dev_score(outputs, gold, TRAIN, "accuracy")
    assert score.accuracy == score.value == 3 / 5
    # over the first and the last unit: the others have no outputs, or a label that no output stands for
    assert score.loss == pytest.approx((np.log1p(np.exp(-3)) + np.log1p(np.exp(-2))) / 2)


def test_an_unseen_label_is_a_class_of_its_own_for_macro_f1() -> None:
    outputs = np.array([[3.0, 0.0], [0.0, 3.0], [0.0, 3.0]])
    score = dev_score(outputs, np.array([0, 1, -1]), TRAIN, "macro_f1")
    assert score.value == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_mcc_by_hand_and_not_defined_for_one_gold_class() -> None:
    outputs = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert dev_score(outputs, np.array([0, 1, 1, 1]), TRAIN, "mcc").value == pytest.approx(2 / np.sqrt(12))
    with pytest.raises(DataError, match="mcc is not defined on dev: its labels are all one"):
        dev_score(outputs, np.array([1, 1, 1, 1]), TRAIN, "mcc")


def test_numbers_have_a_loss_and_r2() -> None:
    outputs, gold = np.array([[1.0], [2.0], [np.nan]]), np.array([1.0, 3.0, 2.0])
    train = np.array([2.0, 4.0])
    assert dev_score(outputs, gold, train, "loss") == DevScore(-2 / 3, 2 / 3, None)
    assert dev_score(outputs, gold, train, "r2").value == pytest.approx(1 - 2 / 2)


def test_equals_are_told_apart_by_the_loss() -> None:
    best = DevScore(0.5, 0.7, 0.5)
    assert is_better(best, None)
    assert is_better(DevScore(0.5, 0.6, 0.5), best)
    assert not is_better(DevScore(0.5, 0.7, 0.5), best)
    assert not is_better(DevScore(0.4, 0.1, 0.4), best)
    assert not is_better(DevScore(0.5, None, 0.5), best)


def test_no_known_label_on_dev_is_said_where_the_loss_decides() -> None:
    with pytest.raises(DataError, match="no dev label occurs in training"):
        dev_score(np.zeros((1, 2)), np.array([-1]), TRAIN, "loss")


def test_the_metric_fits_what_is_predicted() -> None:
    assert metric_in_force(None, False) == "accuracy"
    assert metric_in_force(None, True) == "loss"
    with pytest.raises(ConfigError, match="metric 'accuracy' where numbers are predicted; use 'r2'"):
        metric_in_force("accuracy", True)
    with pytest.raises(ConfigError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        metric_in_force("acuracy", False)
