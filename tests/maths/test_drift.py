"""How far rows moved: by hand, against a plain loop, and what a shift of all rows is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.maths.drift import common_shift, relative_change, row_cosines


def test_each_row_is_measured_by_its_own_length_and_not_by_the_mean_one() -> None:
    before = np.array([[3.0, 4.0], [0.3, 0.4]])
    after = before + np.array([[0.0, 5.0], [0.0, 5.0]])
    assert relative_change(before, after).tolist() == pytest.approx([1.0, 10.0])


def test_rows_of_zeros_have_no_number() -> None:
    zeros, one = np.zeros((1, 3)), np.ones((1, 3))
    assert np.isnan(relative_change(zeros, one)).all()
    assert np.isnan(row_cosines(zeros, one)).all()
    assert np.isnan(row_cosines(one, zeros)).all()
    assert relative_change(one, zeros).tolist() == [1.0]
    assert math.isnan(common_shift(one, one))


def test_a_shift_of_all_rows_is_one_and_changes_that_cancel_are_none() -> None:
    before = np.random.default_rng(0).normal(size=(40, 5))
    assert common_shift(before, before + 3.0) == pytest.approx(1.0)
    apart = np.ones((2, 2)) * np.array([[1.0], [-1.0]])
    assert common_shift(np.zeros((2, 2)), apart) == 0.0
    half = np.array([[2.0, 0.0], [0.0, 0.0]])  # the mean change is (1, 0): 2 rows x 1 of 4
    assert common_shift(np.zeros((2, 2)), half) == pytest.approx(0.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 5))
def test_as_a_plain_loop_has_it(seed: int, n: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, n, dim)).astype(np.float32)
    for k in range(n):
        x, y = before[k].astype(float), after[k].astype(float)
        moved = math.sqrt(sum((b - a) ** 2 for a, b in zip(x, y, strict=True)))
        length = math.sqrt(sum(a * a for a in x))
        other = math.sqrt(sum(b * b for b in y))
        assert relative_change(before, after)[k] == pytest.approx(moved / length)
        product = sum(a * b for a, b in zip(x, y, strict=True))
        assert row_cosines(before, after)[k] == pytest.approx(product / (length * other))
    assert 0 <= common_shift(before, after) <= 1 + 1e-9


def test_rows_must_be_the_same() -> None:
    with pytest.raises(DataError, match=r"must be the same, \[rows, dimensions\]; got \(2, 3\) and \(3, 3\)"):
        relative_change(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(DataError, match="rows before and after"):
        common_shift(np.ones(3), np.ones(3))
