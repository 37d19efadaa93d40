"""What a run will cost, said before it starts: rough on purpose, from sizes and a machine's rates."""

from __future__ import annotations

from dataclasses import dataclass

PIECES_PER_WORD = 1.35
PASSES = 45
"""How often a linear solve reads its rows; measured on UD English EWT, 17 labels."""


@dataclass(frozen=True)
class Rates:
    """Sustained speed of this machine in 10^9 multiply-adds per second (`probekit doctor --measure`)."""

    forward: float = 20.0
    solve: float = 8.0


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes on disk."""

    seconds: float
    bytes: int = 0


def extraction_cost(
    *, words: int, sentences: int, block_parameters: int, layers: int, rows: int, dim: int, rates: Rates
) -> Cost:
    """One forward pass over the corpus; every weight of a block is one multiply-add per piece."""
    pieces = words * PIECES_PER_WORD + 2 * sentences
    return Cost(pieces * block_parameters / (rates.forward * 1e9) + 2, rows * dim * 2 * layers)


def probing_cost(*, train: int, dim: int, labels: int, fits: int, layers: int, rates: Rates) -> Cost:
    """Linear solves of all layers: two products of rows x dim x labels per fit and pass."""
    work = 2.0 * train * dim * max(labels, 1) * fits * PASSES * layers
    return Cost(work / (rates.solve * 1e9) + layers)


def spoken_bytes(number: int) -> str:
    """A size in the unit that suits it.

    >>> spoken_bytes(2_160_000_000)
    '2.2 GB'
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
