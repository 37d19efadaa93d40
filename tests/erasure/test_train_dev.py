"""Rows of train and dev: coded, copied, held out by whole clusters, or refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.erasure.train_dev import labelled
from probekit.errors import DataError
from tests.erasure.planted_states import planted_states

X, Y = planted_states(200, classes=3)


def test_codes_and_majority() -> None:
    data = labelled(X, np.array(["b", "c", "a"])[Y], X[:5], ["c", "c", "c", "a", "new"])
    assert data.classes.tolist() == ["a", "b", "c"]
    assert data.dev_codes.tolist() == [2, 2, 2, 0, -1]
    assert data.majority == 0.6
    assert data.about["counts"] == [int(np.sum(k == Y)) for k in (2, 0, 1)]
    np.testing.assert_allclose(data.mean, X.mean(0))


def test_rows_are_copies_of_the_right_kind() -> None:
    for given, kept in ((np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)):
        rows = X.astype(given)
        data = labelled(rows, Y, rows, Y)
        assert data.X.dtype == data.X_dev.dtype == kept
        assert not np.shares_memory(data.X, rows)
        assert data.X.flags.c_contiguous


def test_a_fifth_is_held_out() -> None:
    data = labelled(X, Y)
    assert (len(data.X), len(data.X_dev)) == (160, 40)
    assert data.about["dev"] == "held out of train"
    again, other = labelled(X, Y), labelled(X, Y, seed=1)
    np.testing.assert_array_equal(data.X_dev, again.X_dev)
    assert not np.array_equal(data.X_dev, other.X_dev)
    together = np.concatenate([data.X, data.X_dev])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(X, axis=0))


def test_whole_sentences_are_held_out() -> None:
    sentence = np.repeat(np.arange(40), 5)
    marked = np.column_stack([X, sentence.astype(float)])
    data = labelled(marked, Y, cluster=sentence)
    train, dev = (set(rows[:, -1].tolist()) for rows in (data.X, data.X_dev))
    assert len(dev) == 8
    assert not train & dev


def test_a_label_is_never_held_out_entirely() -> None:
    y = np.zeros(50, int)
    y[7] = 1
    for seed in range(10):
        assert labelled(X[:50], y, seed=seed).classes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X, np.zeros(200)), "every label is 0.0"),
        ((X, Y[:-1]), "200 rows of states but 199 labels"),
        ((X, np.column_stack([Y, Y])), r"a classifier needs labels \[n\]"),
        ((X, Y + 0.5), "no whole numbers"),
        ((X, Y, X[:, :5], Y), "train has width 12, dev has width 5"),
        ((X, Y, X, Y[:-1]), "200 rows of states but 199 labels"),
        ((X, Y, X), "belong together"),
        ((X[0], Y), "must be a matrix"),
        ((X, np.array([0, "a"] * 100, dtype=object)), "of one kind; got int, str"),
        (
            (X, Y, X[:2], np.array([None, "a"], dtype=object)),
            "dev: labels must be of one kind; got NoneType, str",
        ),
        ((X[:2], [0, 1]), "too few to hold some out"),
    ],
)
def test_refused(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        labelled(*arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_row_that_is_not_finite_is_named(bad: float) -> None:
    rows = X.copy()
    rows[17, 3] = bad
    with pytest.raises(
        DataError, match="train: states hold a value that is not a finite number, first in row 17"
    ):
        labelled(rows, Y, X, Y)
    with pytest.raises(DataError, match=r"dev: .* first in row 17"):
        labelled(X, Y, rows, Y)
    with pytest.raises(DataError, match="200 rows but 3 clusters"):
        labelled(X, Y, cluster=[0, 1, 2])
