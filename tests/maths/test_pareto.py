"""The Pareto front against a plain twin, with equal points and missing ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probekit.maths.pareto import pareto_front


def test_equal_points_are_both_there_and_ties_in_one_are_beaten() -> None:
    cost, score = np.array([1.0, 1.0, 1.0, 2.0, 2.0]), np.array([0.5, 0.5, 0.4, 0.5, 0.6])
    assert pareto_front(cost, score).tolist() == [True, True, False, False, True]


def test_what_is_not_known_is_on_no_front_and_beats_nobody() -> None:
    cost, score = np.array([np.nan, 1.0, 0.1]), np.array([1.0, 0.5, np.nan])
    assert pareto_front(cost, score).tolist() == [False, True, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_as_the_plain_twin(points: list[tuple[int, int]]) -> None:
    front = pareto_front(*np.array(points, float).T)
    for own, (cost, score) in zip(front, points, strict=True):
        beaten = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert own != beaten
