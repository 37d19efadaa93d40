"""Heads to ablate beside those that were found: as many, in the same layers, but others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from math import comb, prod

import numpy as np

Heads = dict[str, tuple[int, ...]]
"""Layer -> numbers of heads, ascending."""
ENUMERATED = 20_000


def draw_others(
    found: Mapping[str, Sequence[int]], n_heads: int, draws: int, *, seed: int = 0
) -> list[Heads]:
    """At most `draws` distinct sets with as many heads in each layer as `found`, none of them found.

    In a layer where fewer others are left than were found, a set may share heads with those found but is not the same
    set. All there are, where that is fewer than `draws`; none where a layer was found whole.

    >>> draw_others({"2": [1]}, 4, 5)
    [{'2': (0,)}, {'2': (2,)}, {'2': (3,)}]
    """
    choices = {layer: _Choices(tuple(sorted(set(heads))), n_heads) for layer, heads in found.items()}
    total = prod(one.n for one in choices.values()) if choices else 0
    if not total:
        return []
    if total <= min(draws, ENUMERATED):
        return [dict(zip(choices, one, strict=True)) for one in product(*(c.all() for c in choices.values()))]
    rng = np.random.default_rng([seed, 11])
    drawn: dict[tuple[tuple[int, ...], ...], None] = {}
    while len(drawn) < draws:
        drawn[tuple(one.draw(rng) for one in choices.values())] = None
    return [dict(zip(choices, one, strict=True)) for one in drawn]


class _Choices:
    """The sets of one layer that a draw may be."""

    def __init__(self, found: tuple[int, ...], n_heads: int) -> None:
        self.found = found
        others = [head for head in range(n_heads) if head not in found]
        self.apart = len(others) >= len(found)
        self.pool = others if self.apart else list(range(n_heads))
        self.n = comb(len(self.pool), len(found)) - (not self.apart)

    def all(self) -> list[tuple[int, ...]]:
        return [one for one in combinations(self.pool, len(self.found)) if one != self.found]

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        while True:
            one = tuple(sorted(int(head) for head in rng.choice(self.pool, len(self.found), replace=False)))
            if one != self.found:
                return one


def spoken(heads: Mapping[str, Sequence[int]]) -> str:
    """Heads as a reader names them, layer before number.

    >>> spoken({"1": [0, 3], "2": [1]})
    '1.0, 1.3, 2.1'
    """
    return ", ".join(f"{layer}.{head}" for layer, numbers in heads.items() for head in numbers)
