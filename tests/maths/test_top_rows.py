"""The highest rows of a stream are those of the whole, one of a group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.top_rows import TopRows


def slow(X: np.ndarray, group: np.ndarray, column: int, k: int) -> list[int]:
    """Rows by going through all of them."""
    best: dict[int, int] = {}
    for row in range(len(X)):
        of = int(group[row])
        if of not in best or X[row, column] > X[best[of], column]:
            best[of] = row
    return sorted(best.values(), key=lambda row: (-X[row, column], row))[:k]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(1, 30), st.integers(1, 6), st.integers(1, 12), st.integers(0, 999))
def test_any_batches_give_the_rows_of_the_whole(n: int, size: int, k: int, groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3)).astype(np.float32)
    group = rng.integers(0, groups, n)
    top = TopRows(3, k)
    for start in range(0, n, size):
        rows = slice(start, start + size)
        top.add(X[rows], group[rows], np.arange(n)[rows])
    for column in range(3):
        expected = slow(X, group, column, k)
        assert top.tag[column][: len(expected)].tolist() == expected
        assert top.value[column][: len(expected)].tolist() == X[expected, column].tolist()
        assert (top.tag[column][len(expected) :] == -1).all()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_of_equal_values_the_first_is_kept(size: int) -> None:
    X, group = np.ones((40, 2), np.float32), np.arange(40) // 4
    top = TopRows(2, 3)
    for start in range(0, 40, size):
        rows = slice(start, start + size)
        top.add(X[rows], group[rows], np.arange(40)[rows])
    assert top.tag.tolist() == [[0, 4, 8]] * 2


def test_a_group_that_comes_again_counts_once() -> None:
    top = TopRows(1, 2)
    for value in (1.0, 3.0, 2.0):
        top.add(np.array([[value]], np.float32), np.array([7]), np.array([int(value)]))
    top.add(np.zeros((0, 1), np.float32), np.zeros(0, int), np.zeros(0, int))
    assert top.value.tolist() == [[3.0, -np.inf]]
    assert top.tag.tolist() == [[3, -1]]
