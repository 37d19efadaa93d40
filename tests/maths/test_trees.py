"""Trees against all trees there are: every labelled tree of up to six words is written down and weighed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError
from probekit.maths.trees import best_heads, gold_edges, shared_edges, spanning_trees, uuas


def all_heads(n: int) -> Iterator[tuple[int, ...]]:
    """Every way to give n words one root and each other word a head, without cycles."""
    for heads in itertools.product(range(-1, n), repeat=n):
        if heads.count(-1) == 1 and all(_reaches_root(heads, word) for word in range(n)):
            yield heads


def _reaches_root(heads: tuple[int, ...], word: int) -> bool:
    for _ in heads:
        if word == -1:
            return True
        word = heads[word]
    return word == -1


def worth(scores: np.ndarray, root: np.ndarray, heads: tuple[int, ...]) -> float:
    return sum(root[i] if head < 0 else scores[i, head] for i, head in enumerate(heads))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 5), seed=st.integers(0, 10_000), whole=st.booleans())
def test_best_heads_are_the_best_of_all_trees(n: int, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    scores, root = rng.normal(size=(n, n)) * 3, rng.normal(size=n) * 3
    if whole:  # many ties
        scores, root = np.round(scores), np.round(root)
    found = tuple(best_heads(scores, root).tolist())
    assert found in set(all_heads(n))
    assert worth(scores, root, found) == pytest.approx(max(worth(scores, root, h) for h in all_heads(n)))


def test_number_of_trees_is_cayleys() -> None:
    assert sum(1 for _ in all_heads(4)) == 4**3  # n^(n-2) trees, n roots each


def test_two_good_roots_still_give_one() -> None:
    # each word alone is worth most as a root, and one tree has one root
    scores = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.5, 0.0]])
    assert best_heads(scores, np.full(3, 50.0)).tolist() == [-1, 0, 1]


def test_greedy_would_make_a_cycle() -> None:
    # 0 and 1 are each other's best head; the tree breaks the cycle where it costs least
    scores = np.array([[0.0, 9.0, 0.0], [8.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    assert best_heads(scores, np.array([0.0, 3.0, -5.0])).tolist() == [1, -1, 1]


def test_nested_cycles() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(6, 6))
    scores[[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]] += 10.0  # three pairs
    root = np.full(6, -20.0)
    found = tuple(best_heads(scores, root).tolist())
    assert worth(scores, root, found) == pytest.approx(max(worth(scores, root, h) for h in all_heads(6)))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 6), seed=st.integers(0, 10_000))
def test_spanning_tree_is_the_heaviest(n: int, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(n, n))
    weights = weights + weights.T
    parent = spanning_trees(weights)
    total = sum(weights[i, parent[i]] for i in range(1, n))
    trees = (
        {frozenset(frozenset((i, h)) for i, h in enumerate(heads) if h >= 0) for heads in all_heads(n)}
        if n < 6
        else set()
    )
    if trees:
        assert total == pytest.approx(max(sum(weights[min(e), max(e)] for e in tree) for tree in trees))
    assert _reaches_root(tuple(parent.tolist()), n - 1)


def test_many_maps_at_once_equal_one_by_one() -> None:
    maps = np.random.default_rng(0).random((3, 4, 7, 7))
    maps = maps + maps.swapaxes(-1, -2)
    together = spanning_trees(maps)
    for a, b in np.ndindex(3, 4):
        assert together[a, b].tolist() == spanning_trees(maps[a, b]).tolist()


def test_weight_zero_is_an_edge() -> None:
    # a sparse solver reads 0 as "no edge" and would return nothing
    assert spanning_trees(np.zeros((3, 3))).tolist() == [-1, 0, 0]
    assert spanning_trees(np.full((3, 3), -np.inf)).tolist() == [-1, 0, 0]
    assert spanning_trees(np.zeros((2, 1, 1))).tolist() == [[-1], [-1]]


def test_a_chain_is_found_whatever_the_diagonal() -> None:
    weights = np.zeros((5, 5))
    for i in range(4):
        weights[i, i + 1] = weights[i + 1, i] = 1.0
    np.fill_diagonal(weights, 100.0)
    assert spanning_trees(weights).tolist() == [-1, 0, 1, 2, 3]


def test_edges_are_undirected_and_left_out_with_their_words() -> None:
    heads = np.array([1, -1, 3, 1, 1])  # word 4 is punctuation, word 2 hangs on 3
    kept = np.array([True, True, True, True, False])
    edges = gold_edges(heads, kept)
    assert edges.tolist() == [[0, 1], [2, 3], [3, 1]]
    assert int(shared_edges(np.array([-1, 0, 1, 2]), edges)) == 2  # 0-1 and 2-3 of the chain
    kept[3] = False  # both edges of word 3 go
    assert gold_edges(heads, kept).tolist() == [[0, 1]]
    assert uuas(np.array([-1, 0, 1]), np.array([-1, 0, 0])) == 0.5


def test_random_trees_share_two_in_n_edges() -> None:
    n, edges = 4, np.array([[0, 1], [1, 2], [2, 3]])
    trees = {frozenset(frozenset((i, h)) for i, h in enumerate(heads) if h >= 0) for heads in all_heads(n)}
    shared = [sum(frozenset(edge) in tree for edge in edges.tolist()) for tree in trees]
    assert np.mean(shared) == pytest.approx(len(edges) * 2 / n)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="square maps; got the shape \\(2, 3\\)"):
        spanning_trees(np.zeros((2, 3)))
    with pytest.raises(DataError, match="holds NaN"):
        spanning_trees(np.full((2, 2), np.nan))
    with pytest.raises(DataError, match="one word is not defined"):
        uuas(np.array([-1]), np.array([-1]))
    with pytest.raises(DataError, match="needs numbers"):
        best_heads(np.full((2, 2), np.nan), np.zeros(2))
    for root in (0.0, -np.inf):
        with pytest.raises(DataError, match="no tree of 2 words"):
            best_heads(np.full((2, 2), -np.inf), np.full(2, root))
    assert best_heads(np.zeros((0, 0)), np.zeros(0)).tolist() == []
    assert best_heads(np.zeros((1, 1)), np.array([-3.0])).tolist() == [-1]
