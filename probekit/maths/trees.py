"""Trees over the words of a sentence: maximum spanning trees of many maps at once, best rooted trees, shared edges.

Sources: Prim 1957; Chu & Liu 1965, Edmonds 1967 (best rooted tree); Klein & Manning 2004 (undirected attachment);
Moon 1970 (an edge is in a random labelled tree with probability 2 / n).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.errors import DataError

Array = np.ndarray[Any, Any]


def spanning_trees(weights: Array) -> Array:
    """The maximum spanning tree of every symmetric map: float[..., n, n] -> int64[..., n], the parent of each node.

    Node 0 is the root (parent -1); which node is the root changes no edge. All edges may be used, those of weight 0
    and below too; the diagonal is not read. Of equally heavy edges, the one to the lowest-numbered new node, from
    the node that joined first, is taken. Prim's algorithm, one step for all maps together. Raises DataError
    for maps that are not square or hold NaN.

    >>> spanning_trees(np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]])).tolist()
    [-1, 0, 1]
    """
    weights = np.asarray(weights)
    if weights.ndim < 2 or weights.shape[-1] != weights.shape[-2]:
        raise DataError(f"a spanning tree needs square maps; got the shape {weights.shape}")
    if np.isnan(weights).any():
        raise DataError("a spanning tree needs numbers; a map holds NaN")
    *outer, n, _ = weights.shape
    maps = weights.reshape(-1, n, n)
    rows = np.arange(len(maps))
    parent = np.full((len(maps), n), -1, dtype=np.int64)
    if n > 1 and len(maps):
        best = maps[:, 0, :].astype(np.float64)  # the heaviest edge from each node into the tree so far
        origin = np.zeros((len(maps), n), dtype=np.int64)
        outside = np.ones((len(maps), n), dtype=bool)
        outside[:, 0] = False
        for _ in range(n - 1):
            new = np.argmax(np.where(outside, best, -np.inf), axis=1)
            stuck = ~outside[rows, new]  # all that is left weighs -inf
            new[stuck] = np.argmax(outside[stuck], axis=1)
            parent[rows, new] = origin[rows, new]
            outside[rows, new] = False
            edges = maps[rows, new]
            better = outside & (edges > best)
            best = np.where(better, edges, best)
            origin = np.where(better, new[:, None], origin)
    return parent.reshape(*outer, n)


def shared_edges(parent: Array, edges: Array) -> Array:
    """How many of the undirected edges int[m, 2] a tree int[..., n] of parents has: int64[...].

    >>> int(shared_edges(np.array([-1, 0, 1]), np.array([[1, 0], [0, 2]])))
    1
    """
    a, b = np.asarray(edges, dtype=np.int64).reshape(-1, 2).T
    there = (parent[..., a] == b) | (parent[..., b] == a)
    found: Array = there.sum(axis=-1)
    return found


def gold_edges(heads: Array, kept: Array) -> Array:
    """The undirected edges between kept words, numbered among the kept: int64[m, 2] of (word, its head).

    `heads` int[n] is the number of each word's head from 0, negative for the root and where nothing is annotated;
    `kept` bool[n]. An edge with a word that is not kept is left out.

    >>> gold_edges(np.array([1, -1, 1]), np.array([True, True, False])).tolist()
    [[0, 1]]
    """
    heads = np.asarray(heads)
    number = np.cumsum(kept) - 1
    word = np.flatnonzero(kept & (heads >= 0))
    word = word[np.asarray(kept)[heads[word]]]
    return np.stack([number[word], number[heads[word]]], axis=1)


def uuas(parent: Array, heads: Array) -> float:
    """The share of gold edges that a tree has, all words kept: undirected unlabelled attachment score.

    >>> uuas(np.array([-1, 0, 1]), np.array([1, -1, 1]))
    1.0

    Raises DataError where there is no gold edge.
    """
    edges = gold_edges(heads, np.ones(len(heads), dtype=bool))
    if not len(edges):
        raise DataError("no gold edge: the attachment score of a sentence of one word is not defined")
    return float(shared_edges(parent, edges)) / len(edges)


def best_heads(scores: Array, root: Array) -> Array:
    """The best tree with exactly one root: the head of each word int64[n], -1 for the root.

    ``scores[i, j]`` is what it is worth that word j is the head of word i, ``root[i]`` that i is the root; minus
    infinity forbids. Chu-Liu/Edmonds; one root is had by making every root dearer than all edges together.
    Raises DataError for NaN, and where no tree is allowed.

    >>> best_heads(np.array([[0.0, 2.0], [3.0, 0.0]]), np.array([1.0, 1.0])).tolist()
    [-1, 0]
    """
    n = len(root)
    scores, root = np.asarray(scores, dtype=np.float64), np.asarray(root, dtype=np.float64)
    if scores.shape != (n, n) or np.isnan(scores).any() or np.isnan(root).any():
        raise DataError(
            f"a tree of {n} words needs numbers in the shapes ({n}, {n}) and ({n},); got {scores.shape}"
        )
    if not n:
        return np.zeros(0, dtype=np.int64)
    # node 0 is the root's own; row = node, column = its head
    full = np.full((n + 1, n + 1), -np.inf)
    full[1:, 1:] = scores
    full[1:, 0] = root
    np.fill_diagonal(full, -np.inf)
    heads = _greedy(full)
    if (heads[1:] == 0).sum() != 1 or _cycle(heads) is not None:
        finite = full[np.isfinite(full)]
        dear = 1.0 + (n + 1) * (finite.max() - finite.min()) if len(finite) else 0.0
        full[1:, 0] -= dear
        heads = _edmonds(full)
    if (heads[1:] == 0).sum() != 1 or np.isneginf(full[np.arange(1, n + 1), heads[1:]]).any():
        raise DataError(f"no tree of {n} words is allowed by these scores")
    found: Array = heads[1:] - 1
    return found


def _greedy(full: Array) -> Array:
    heads: Array = np.argmax(full, axis=1)
    heads[0] = -1
    return heads


def _cycle(heads: Array) -> Array | None:
    """The nodes of one cycle, or None; node 0 has head -1."""
    state = np.zeros(len(heads), dtype=np.int64)  # 0 not seen, else the walk in which it was seen
    for start in range(1, len(heads)):
        node = start
        while node > 0 and not state[node]:
            state[node] = start
            node = int(heads[node])
        if node > 0 and state[node] == start:
            found = [node]
            while (node := int(heads[node])) != found[0]:
                found.append(node)
            return np.array(found)
    return None


def _edmonds(full: Array) -> Array:
    """Heads of the best tree rooted at node 0: a cycle becomes one node, and the smaller problem is solved."""
    heads = _greedy(full)
    cycle = _cycle(heads)
    if cycle is None:
        return heads
    inside = np.zeros(len(full), dtype=bool)
    inside[cycle] = True
    rest = np.flatnonzero(~inside)  # keeps node 0 in front
    # worth of entering the cycle at a node: that edge instead of the one inside
    gain = full[np.ix_(cycle, rest)] - full[cycle, heads[cycle]][:, None]
    enter = np.argmax(gain, axis=0)
    leave = np.argmax(full[np.ix_(rest, cycle)], axis=1)
    size = len(rest)
    small = np.full((size + 1, size + 1), -np.inf)
    small[:size, :size] = full[np.ix_(rest, rest)]
    small[size, :size] = gain[enter, np.arange(size)]
    small[:size, size] = full[rest, cycle[leave]]
    solved = _edmonds(small)
    for number in range(1, size):
        head = solved[number]
        heads[rest[number]] = cycle[leave[number]] if head == size else rest[head]
    outer = int(solved[size])
    heads[cycle[enter[outer]]] = rest[outer]
    return heads
