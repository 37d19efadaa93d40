"""Heads drawn beside those found: as many, in the same layers, others."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.experiment.other_heads import draw_others, spoken


def test_all_there_are_where_these_are_few() -> None:
    assert draw_others({"1": [0]}, 4, 10) == [{"1": (1,)}, {"1": (2,)}, {"1": (3,)}]
    both = draw_others({"1": [0], "2": [3]}, 3 + 1, 9)
    assert len(both) == 9
    assert all(one["1"] != (0,) and one["2"] != (3,) for one in both)


def test_a_layer_found_whole_has_no_others() -> None:
    assert draw_others({"1": [0, 1]}, 2, 5) == []
    assert draw_others({"1": [0, 1], "2": [0]}, 2, 5) == []
    assert draw_others({}, 4, 5) == []


def test_where_too_few_are_left_sets_overlap_but_differ() -> None:
    found = draw_others({"1": [0, 1, 2]}, 4, 10)
    assert found == [{"1": (0, 1, 3)}, {"1": (0, 2, 3)}, {"1": (1, 2, 3)}]


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 11), min_size=1, max_size=6), st.integers(1, 8), st.integers(0, 3))
def test_draws_are_distinct_disjoint_and_the_same_again(heads: set[int], draws: int, seed: int) -> None:
    found = draw_others({"3": sorted(heads)}, 12, draws, seed=seed)
    assert found == draw_others({"3": sorted(heads)}, 12, draws, seed=seed)
    sets = [frozenset(one["3"]) for one in found]
    assert len(set(sets)) == len(sets) <= draws
    assert all(len(one) == len(heads) and not one & heads for one in sets)
    assert len(sets) == draws or len(heads) == 6


def test_heads_in_words() -> None:
    assert spoken({"1": (0, 3), "decoder.2": (1,)}) == "1.0, 1.3, decoder.2.1"
