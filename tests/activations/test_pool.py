"""Pooling against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.activations.pool import make_pooler, piece_ranges


def plain(states: np.ndarray, first: int, stop: int, pool: str) -> np.ndarray:
    part = states[first:stop].astype(np.float64)
    return {"first": part[0], "last": part[-1], "mean": part.mean(0), "max": part.max(0)}[pool]


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[int, int]]]:
    pieces, dim = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    states = (
        np.random.default_rng(draw(st.integers(0, 99))).normal(size=(pieces, dim)).astype(np.float32) * 10
    )
    ranges = []
    for _ in range(draw(st.integers(1, 8))):
        first = draw(st.integers(0, pieces - 1))
        ranges.append((first, draw(st.integers(first + 1, pieces))))
    return states, ranges


@pytest.mark.parametrize("pool", ["first", "last", "mean", "max"])
@given(case=cases())
def test_equals_plain_numpy(pool: str, case: tuple[np.ndarray, list[tuple[int, int]]]) -> None:
    states, ranges = case
    first, stop = np.array(ranges, np.int32).T
    rows = make_pooler(first, stop, pool)(torch.from_numpy(states)).numpy()
    expected = np.stack([plain(states, *each, pool) for each in ranges])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


def test_mean_keeps_its_accuracy_beside_a_huge_neighbour() -> None:
    """A running sum over the whole batch would lose the small unit beside the huge one."""
    states = np.full((1000, 2), 0.001, np.float32)
    states[0] = 5e4
    rows = make_pooler(np.array([0, 998]), np.array([2, 1000]), "mean")(torch.from_numpy(states)).numpy()
    np.testing.assert_allclose(rows[1], 0.001, rtol=1e-6)


def test_input_is_not_changed() -> None:
    states = torch.ones(3, 2)
    make_pooler(np.array([0]), np.array([3]), "mean")(states)
    assert torch.equal(states, torch.ones(3, 2))


def test_ranges() -> None:
    numbers, begins = piece_ranges(np.array([7, 0, 3], np.int32), np.array([8, 3, 5], np.int32))
    assert numbers.tolist() == [7, 0, 1, 2, 3, 4]
    assert begins.tolist() == [0, 1, 4]
