"""Many paired comparisons of any score, tested by exchanging the two sides' answers sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
ROWS = 250


def swap_p(
    sums: Sequence[Array],
    pairs: Sequence[tuple[int, int]],
    scores: Mapping[str, Callable[[Array], Array]],
    *,
    swaps: int = 9999,
    seed: int = 0,
) -> dict[str, Array]:
    """Two-sided p of "no difference in score" for pairs of systems with one or more seeds: name -> float64 [pairs].

    `sums[i]` float64 [clusters, seeds, columns] is what each sentence adds to the columns that a score is made from
    (`maths.scores.cluster_sums`); `scores[name]` turns total columns [..., columns] into the score [...]. What is
    compared is the mean over seeds. Under the null a sentence's answers could as well have come from the other system:
    each swap exchanges the answers of about half of the sentences, those of all seeds together, and p counts how often
    the difference becomes as large, (b + 1) / (swaps + 1). Systems with as many seeds are exchanged seed by seed; where
    their numbers differ, every seed of one meets every seed of the other, and the differences are averaged. Exchanging
    is linear in the sums, so one matrix product serves all pairs and scores. NaN where a score is not defined, and with
    fewer than two sentences.

    Source: approximate randomisation, Noreen 1989, Yeh 2000; (b + 1) / (R + 1), Phipson & Smyth 2010.

    >>> right, wrong = np.ones((20, 1, 1)), np.zeros((20, 1, 1))
    >>> swap_p([right, wrong], [(0, 1)], {"accuracy": lambda sums: sums[..., 0] / 20})["accuracy"]
    array([0.0001])
    """
    clusters = len(sums[0]) if len(sums) else 0
    if clusters < 2 or not pairs:
        return {name: np.full(len(pairs), np.nan) for name in scores}
    used = sorted({system for pair in pairs for system in pair})
    shapes = {system: sums[system].shape[1:] for system in used}
    # whole numbers below 2**24 are exact in single precision, which is twice as fast
    whole = all(_small_counts(sums[system]) for system in used)
    dtype: Any = np.float32 if whole else np.float64
    flat = np.concatenate([sums[system].reshape(clusters, -1) for system in used], axis=1).astype(dtype)
    totals = {system: sums[system].sum(axis=0, dtype=np.float64) for system in used}
    met = {pair: _meetings(shapes[pair[0]][0], shapes[pair[1]][0]) for pair in pairs}
    middle = {(a, b): (totals[a][met[a, b][0]] + totals[b][met[a, b][1]]) / 2 for a, b in pairs}
    bound = {name: np.empty(len(pairs)) for name in scores}
    for number, (a, b) in enumerate(pairs):
        half = (totals[a][met[a, b][0]] - totals[b][met[a, b][1]]) / 2
        for name, score in scores.items():
            bound[name][number] = abs(_difference(score, middle[a, b], half))
    rng = np.random.default_rng([seed, 5])
    as_large = {name: np.zeros(len(pairs), np.int64) for name in scores}
    for start in range(0, swaps, ROWS):
        signs = rng.integers(0, 2, size=(min(ROWS, swaps - start), clusters), dtype=np.int8)
        product = ((signs * dtype(2) - dtype(1)) @ flat).astype(np.float64)
        swung = _apart(product, used, shapes)
        for number, (a, b) in enumerate(pairs):
            half = (swung[a][:, met[a, b][0]] - swung[b][:, met[a, b][1]]) / 2
            for name, score in scores.items():
                drawn = np.abs(_difference(score, middle[a, b], half))
                limit = bound[name][number] * (1 - 1e-9) - 1e-12  # equal up to rounding counts as equal
                as_large[name][number] += int((~(drawn < limit)).sum())
    return {
        name: np.where(np.isnan(bound[name]), np.nan, (as_large[name] + 1) / (swaps + 1)) for name in scores
    }


def _difference(score: Callable[[Array], Array], middle: Array, half: Array) -> Array:
    """Score of one side minus that of the other, averaged over the seeds that meet: [..., seeds, columns] -> [...]."""
    return np.asarray((score(middle + half) - score(middle - half)).mean(axis=-1))


def _meetings(a: int, b: int) -> tuple[Array, Array]:
    """Which seed of one system meets which of the other: each its own, or, where numbers differ, everyone everyone."""
    if a == b:
        return np.arange(a), np.arange(b)
    return np.repeat(np.arange(a), b), np.tile(np.arange(b), a)


def _small_counts(values: Array) -> bool:
    return bool((values == np.round(values)).all() and np.abs(values).sum(axis=0).max(initial=0.0) < 2**24)


def _apart(product: Array, used: Sequence[int], shapes: Mapping[int, tuple[int, ...]]) -> dict[int, Array]:
    """The columns of each system out of one product: system -> [rows, seeds, columns]."""
    found, at = {}, 0
    for system in used:
        width = int(np.prod(shapes[system]))
        found[system] = product[:, at : at + width].reshape(len(product), *shapes[system])
        at += width
    return found
