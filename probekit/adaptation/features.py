"""Examples as the store gives them: vectors per unit and layer, read by the model once and by nobody again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations


@dataclass(frozen=True, eq=False)
class Source:
    """Where the vectors of n units lie. ``parts``: entries of the store, each with int64[n], the row there or -1."""

    parts: tuple[tuple[Activations, NDArray[np.int64]], ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers there are."""
        return self.parts[0][0].layers

    @property
    def dim(self) -> int:
        """Numbers per vector."""
        return self.parts[0][0].dim

    def __len__(self) -> int:
        return len(self.parts[0][1])

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """Which units have a row, bool[n]."""
        found = np.zeros(len(self), bool)
        for _, rows in self.parts:
            found |= rows >= 0
        return found

    def vectors(self, layer: str, which: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Vectors of units (all, or those with the numbers `which`), float32[units, dim]; 0 where there is no row."""
        n = len(self) if which is None else len(which)
        found = np.zeros((n, self.dim), np.float32)
        for acts, rows in self.parts:
            wanted = rows if which is None else rows[which]
            there = np.flatnonzero(wanted >= 0)
            if len(there) == n:
                return acts.gather(layer, wanted)
            if len(there):
                found[there] = acts.gather(layer, wanted[there])
        return found

    def take(self, which: NDArray[Any]) -> Source:
        """Some units, by number."""
        return Source(tuple((acts, rows[which]) for acts, rows in self.parts))


@dataclass(frozen=True, eq=False)
class WordRows:
    """The words of n texts: text i has those numbered ``start[i] ... start[i+1]-1`` in `source`; all of them have rows.

    Where words are what is labelled, ``unit[w]`` is the unit that word w is.
    """

    source: Source
    start: NDArray[np.int64]
    unit: NDArray[np.int64] | None = None

    @property
    def units(self) -> NDArray[np.int64]:
        """`unit`, where it is known that words are labelled."""
        assert self.unit is not None
        return self.unit

    @property
    def labelled(self) -> bool:
        """Whether words are what is labelled."""
        return self.unit is not None

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True, eq=False)
class Features:
    """The stored states of some examples: one vector per unit, or their words one by one.

    ``sides`` has one entry per text of an example (two for pairs), each a source per pool; where a strategy reads word
    by word it is empty, and ``words`` has one entry per text. ``truncated`` counts the texts that were cut.
    """

    sides: tuple[tuple[Source, ...], ...]
    words: tuple[WordRows, ...] = ()
    n_units: int = 0
    truncated: int = 0

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers there are."""
        return self.words[0].source.layers if self.words else self.sides[0][0].layers

    @property
    def dim(self) -> int:
        """Numbers per vector: a pair is [u, v, |u-v|, u*v], two pools stand one after the other."""
        if self.words:
            return self.words[0].source.dim
        own = sum(source.dim for source in self.sides[0])
        return own if len(self.sides) == 1 else 4 * own

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model that read them."""
        source = self.words[0].source if self.words else self.sides[0][0]
        return str(source.parts[0][0].recipe["model"]["weights"])

    def __len__(self) -> int:
        return self.n_units

    def vectors(self, layer: str, which: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """One vector per unit, float32[units, dim]; 0 for a unit without a row. Only what is asked for is read."""
        sides = [
            np.concatenate([source.vectors(layer, which) for source in side], axis=1)
            if len(side) > 1
            else side[0].vectors(layer, which)
            for side in self.sides
        ]
        return sides[0] if len(sides) == 1 else join_pair(*sides)

    @cached_property
    def left_out(self) -> NDArray[np.bool_]:
        """Which units have nothing to be read, bool[units]; of a pair, where either text has none."""
        if not self.words:
            there = [source.there for side in self.sides for source in side]
        elif self.words[0].labelled:
            there = [np.bincount(self.words[0].units, minlength=self.n_units) > 0]
        else:
            there = [np.diff(rows.start) > 0 for rows in self.words]
        missing = np.zeros(self.n_units, bool)
        for one in there:
            missing |= ~one
        return missing

    def take(self, which: NDArray[Any]) -> Features:
        """The vectors of some units, by number; for features without words."""
        sides = tuple(tuple(source.take(which) for source in side) for side in self.sides)
        return Features(sides, n_units=len(which))


def join_pair(u: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """Two texts' vectors [n, dim] as one of the pair [n, 4*dim]: [u, v, |u-v|, u*v] (Conneau et al. 2017).

    >>> join_pair(np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]])).tolist()
    [[1.0, 2.0, 3.0, -1.0, 2.0, 3.0, 3.0, -2.0]]
    """
    return np.concatenate([u, v, np.abs(u - v), u * v], axis=1)
