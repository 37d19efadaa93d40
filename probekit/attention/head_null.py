"""How accurate the best of many heads would be by chance: gold links exchanged between sentences, best head again.

The best of 72 heads is a biased maximum, so its null distribution is that of a maximum too. Sentences that have as
many links of a kind exchange where their targets stand from their sources; sources, and what every head attends to,
stay. What is left to a head is the distribution of offsets, which a head that knows nothing else can follow as well.

An exchange that would put a target outside its sentence is not made. Without that rule chance is underestimated: heads
never look outside a sentence. The exchanges that remain are pairwise swaps that are their own inverse, so the chain
over arrangements is symmetric, and arrangements drawn from one hidden starting point are exchangeable with the one seen
(Besag & Clifford 1989, the parallel method): the p-value is valid however well the chain mixes. What it assumes is that
offsets are quasi-independent of the heads: distributed alike but for the room there is (Tsai 1990).

Where all links of a sentence lead to one word and a head looks at one word per sentence, hits come in clumps that an
exchange breaks up, and p is somewhat low: 400 simulations of such heads gave p <= 0.05 in 5 % with one link per
sentence, in 7 % with up to two, in 10 % with up to four. The test against the offset flips sentences and is not
touched by this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.attention.links import Links

Array = NDArray[Any]

SWEEPS = 5
AT_ONCE = 30_000
"""Links of all arrangements that are drawn together."""


class MaximumNull(NamedTuple):
    """The highest accuracy of any head, that of every permutation, and p: how often chance gives as much."""

    highest: float
    drawn: Array
    p: float


def maximum_null(
    links: Links, attended: Array, n_words: Array, *, permutations: int = 999, seed: int = 0
) -> MaximumNull:
    """Whether the best of many heads follows the links more than the distribution of their offsets explains.

    ``attended`` int [heads, n]: the word each head picks for each link's source (-1: none); ``n_words`` int [n]: words
    of each link's sentence. p is one-sided, (b + 1) / (permutations + 1).

    >>> from probekit.attention.links import Links
    >>> from probekit.attention.head_null import maximum_null
    >>> gold = np.random.default_rng(0).integers(1, 9, 60)
    >>> links = Links.of("x", "", [(i, 0, [word]) for i, word in enumerate(gold)])
    >>> null = maximum_null(links, gold[None], np.full(60, 9), permutations=99)
    >>> null.highest, null.p
    (1.0, 0.01)
    """
    n_words = np.asarray(n_words, np.int64)
    reach = int(n_words.max(initial=1))
    picked = np.where(attended < 0, reach, attended.astype(np.int64) - links.source).astype(np.int16)
    n = len(links)
    holder = np.arange(n)
    right = _Right(links, picked, reach)
    highest = right(holder)
    chain = _Chain(links, n_words, np.random.default_rng([seed, 11]))
    hidden = chain.walk(holder[None])
    at_once = max(1, min(permutations, AT_ONCE // max(1, n)))
    drawn = np.empty(permutations)
    for first in range(0, permutations, at_once):
        copies = min(at_once, permutations - first)
        arrangements = chain.walk(np.repeat(hidden, copies, axis=0))
        drawn[first : first + copies] = [right(one) for one in arrangements]
    as_high = int((drawn >= highest).sum())
    return MaximumNull(highest / n, drawn / n, (as_high + 1) / (permutations + 1))


class _Chain:
    """Arrangements of targets over links: link i holds the targets, seen from the source, of link ``holder[i]``."""

    def __init__(self, links: Links, n_words: Array, rng: np.random.Generator) -> None:
        self.rng = rng
        order = np.argsort(links.cluster, kind="stable")
        _, first, sizes = np.unique(links.cluster[order], return_index=True, return_counts=True)
        self.order, self.first, self.sizes = order, first, sizes
        offset = links.target - links.source[links.owner]
        self.low = np.minimum.reduceat(offset, links.start[:-1])
        self.high = np.maximum.reduceat(offset, links.start[:-1])
        self.room = (-links.source, n_words - 1 - links.source)

    def walk(self, holders: Array) -> Array:
        """Move each arrangement, int64 [copies, n], some sweeps on by itself.

        A sweep draws pairs of sentences with equally many links and swaps their targets where all of them have room.
        """
        copies, n = holders.shape
        holder = holders.reshape(-1).copy()
        copy = np.repeat(np.arange(copies), len(self.sizes))
        sizes, first = np.tile(self.sizes, copies), np.tile(self.first, copies)
        kind = copy * (int(self.sizes.max(initial=0)) + 1) + sizes
        for _ in range(SWEEPS):
            shuffled = np.argsort(kind + self.rng.random(len(kind)))
            kinds = kind[shuffled]
            rank = np.arange(len(kinds)) - np.searchsorted(kinds, kinds)
            left = np.flatnonzero((rank[:-1] % 2 == 0) & (kinds[:-1] == kinds[1:]))
            one, other = shuffled[left], shuffled[left + 1]
            repeat = sizes[one]
            within = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
            a, b = (self.order[np.repeat(first[side], repeat) + within] for side in (one, other))
            begin = np.repeat(copy[one] * n, repeat)
            held_a, held_b = holder[begin + a], holder[begin + b]
            fits = (
                np.logical_and.reduceat(
                    self._fits(a, held_b) & self._fits(b, held_a), np.cumsum(repeat) - repeat
                )
                if len(repeat)
                else np.zeros(0, bool)
            )
            swapped = np.repeat(fits, repeat)
            holder[(begin + a)[swapped]] = held_b[swapped]
            holder[(begin + b)[swapped]] = held_a[swapped]
        return holder.reshape(copies, n)

    def _fits(self, link: Array, targets: Array) -> Array:
        fits: Array = (self.low[targets] >= self.room[0][link]) & (self.high[targets] <= self.room[1][link])
        return fits


class _Right:
    """How many links the best head gets right, given which link's targets each link holds."""

    def __init__(self, links: Links, picked: Array, reach: int) -> None:
        offset = links.target - links.source[links.owner]
        self.single = len(offset) == len(links)
        self.offset, self.picked = offset.astype(np.int16), picked
        if not self.single:
            self.table = np.zeros((len(links), 2 * reach + 1), bool)
            self.table[links.owner, offset + reach] = True  # the last column, "no word", stays false
            self.picked = picked.astype(np.int64) + reach

    def __call__(self, holder: Array) -> int:
        found = self.picked == self.offset[holder] if self.single else self.table[holder, self.picked]
        return int(np.count_nonzero(found, axis=1).max(initial=0))
