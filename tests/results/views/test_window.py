"""What a view has room for, and which pieces and heads are chosen where it has none for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import ConfigError
from probekit.results.views.window import (
    ROOMS,
    choose_heads,
    choose_pieces,
    reach,
    room_for,
    told_heads,
    told_window,
)


@given(
    st.sampled_from(sorted(ROOMS)),
    st.integers(1, 2000),
    st.integers(1, 1200),
    st.sampled_from([0, 32, 64, 128]),
)
def test_what_there_is_room_for(view: str, pieces: int, heads: int, dim: int) -> None:
    room = room_for(view, pieces, heads, dim)
    assert 1 <= room <= min(pieces, ROOMS[view].pieces)
    if ROOMS[view].floor < room:
        assert heads * (room * room + 2 * room * dim) <= ROOMS[view].numbers
    if room < min(pieces, ROOMS[view].pieces, ROOMS[view].floor):
        pytest.fail("heads are given up before the window is that small")


@given(st.integers(1, 300), st.integers(1, 120), st.integers(0, 40), st.data())
def test_the_window_is_full_and_holds_the_special_pieces(
    n: int, room: int, count: int, data: st.DataObject
) -> None:
    special = sorted(data.draw(st.sets(st.integers(0, n - 1), max_size=min(count, n))))
    border = data.draw(st.none() | st.integers(1, n))
    chosen = choose_pieces(n, room, special, border).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(n, room)
    assert set(special[:room]) <= set(chosen)


def test_a_window_over_one_text_has_no_holes_and_begins_where_asked() -> None:
    assert choose_pieces(20, 6, [0, 19], start=7).tolist() == [0, 7, 8, 9, 10, 19]
    assert choose_pieces(20, 6, [0, 19]).tolist() == [0, 1, 2, 3, 4, 19]
    with pytest.raises(ConfigError, match="cannot start at piece 20: the text has pieces 0 to 19"):
        choose_pieces(20, 6, start=20)


def test_two_texts_share_the_window_and_a_short_one_leaves_its_room_to_the_other() -> None:
    assert choose_pieces(30, 9, [0, 14, 29], 15).tolist() == [0, 1, 2, 3, 14, 15, 16, 17, 29]
    assert choose_pieces(30, 9, [0, 26, 29], 27).tolist() == [0, 1, 2, 3, 4, 26, 27, 28, 29]
    assert choose_pieces(30, 9, [0, 2, 29], 3).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 29]


def test_reach_counts_neither_neighbours_nor_special_pieces() -> None:
    previous, special, far = np.zeros((3, 6, 6))
    for i in range(6):
        previous[i, max(0, i - 1)] = 1
        special[i, 5] = 1
        far[i, (i + 3) % 5] = 1  # two away at least, among the five pieces of the text
    weights = np.stack([previous, special, far])[None]
    assert reach(weights, [5]).tolist() == [[0.0, 0.0, 1.0]]
    # a slow twin: for every piece of the text, the largest weight on a piece of the text that is two away or more
    mixed = np.random.default_rng(0).random((2, 3, 7, 7))
    slow = [
        [
            np.mean([max(head[i, j] for j in range(1, 7) if abs(i - j) > 1) for i in range(1, 7)])
            for head in layer
        ]
        for layer in mixed
    ]
    np.testing.assert_allclose(reach(mixed, [0]), slow)


def test_heads_that_look_far_are_carried_first() -> None:
    n = 64
    weights = np.zeros((40, 16, n, n), np.float32)
    weights[..., 0] = 1
    weights[7, 3] = np.roll(np.eye(n), 5, axis=1)
    kept = choose_heads("model", weights, [0])
    assert kept[7, 3]
    assert kept.sum() == ROOMS["model"].numbers // (n * n)
    assert kept[0, 0]  # of equal heads the lower ones
    assert not kept[39, 15]
    assert choose_heads("head", np.full((1, 1, 3, 3), np.nan)).all()


def test_what_is_left_out_is_told() -> None:
    assert told_window(10, np.arange(10), 2) == ""
    assert "the first 1 of the text and 1 special one." in told_window(1000, np.arange(2), 1)
    assert told_window(1000, np.arange(2), 1).startswith("Shown: 2 of 1,000 pieces")
    assert "3 of the text from piece 40 on" in told_window(99, np.arange(4), 1, 40)
    assert "the others (25% of all weight of these pieces) is not" in told_window(
        9, np.arange(4), 1, gone=0.25
    )
    assert "3 from the beginnings of the two texts" in told_window(99, np.arange(4), 1, two=True)
    assert told_heads(np.ones((2, 3), bool)) == ""
    assert told_heads(np.eye(2, dtype=bool)).startswith("Carried: 2 of 4 heads")
