"""Order, shards and batches cover every input once and keep to their limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probekit.activations.batches import cut_batches, cut_shards, order_by_length

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def covers(cuts: list[tuple[int, int]], n: int) -> bool:
    return cuts[0][0] == 0 and cuts[-1][1] == n and all(a[1] == b[0] for a, b in pairwise(cuts))


@given(sizes)
def test_order_is_stable_and_falls(lengths: list[int]) -> None:
    order = order_by_length(np.array(lengths, np.int32)).tolist()
    assert order == sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))


@given(sizes, st.integers(1, 50))
def test_shards(rows: list[int], limit: int) -> None:
    cuts = cut_shards(np.array(rows), limit)
    assert covers(cuts, len(rows))
    for start, stop in cuts:
        assert sum(rows[start : stop - 1]) < limit  # without its last input a shard is below the limit


@given(sizes, st.integers(1, 200))
def test_batches(lengths: list[int], budget: int) -> None:
    falling = np.array(sorted(lengths, reverse=True))
    cuts = cut_batches(falling, budget)
    assert covers(cuts, len(lengths))
    for start, stop in cuts:
        run = falling[start:stop]
        assert run.min() == run.max()
        assert len(run) == 1 or run.max() * len(run) <= budget


def test_exact_groups_fill_the_budget() -> None:
    assert cut_batches(np.full(10, 5), 20) == [(0, 4), (4, 8), (8, 10)]
