"""The swap test: all swaps counted on small inputs, sign flips where they are the same test, planted and null data."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from probekit.maths.resampling import paired_difference
from probekit.maths.score_swaps import swap_p
from probekit.maths.scores import cluster_sums, from_sums, score

K = 3


def sums_of(gold: np.ndarray, predicted: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    n = int(cluster.max()) + 1
    return np.stack([cluster_sums("macro_f1", gold, one, cluster, n, K) for one in predicted], axis=1)


def by(metric: str):  # type: ignore[no-untyped-def]
    return lambda sums: from_sums(metric, sums)


def data(seeds: tuple[int, int], right: tuple[float, float], clusters: int = 8, size: int = 2, draw: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(draw)
    cluster = np.repeat(np.arange(clusters), size)
    gold = rng.integers(0, K, size=len(cluster))
    sides = []
    for n, share in zip(seeds, right, strict=True):
        hit = rng.random((n, len(gold))) < share
        sides.append(np.where(hit, gold, (gold + rng.integers(1, K, size=hit.shape)) % K))
    return gold, cluster, sides


@pytest.mark.parametrize("metric", ["macro_f1", "mcc", "weighted_f1"])
@pytest.mark.parametrize("seeds", [(1, 1), (2, 2), (1, 3)])
def test_against_all_swaps_counted_on_predictions(metric: str, seeds: tuple[int, int]) -> None:
    gold, cluster, (a, b) = data(seeds, (0.8, 0.4))

    def difference(swapped: np.ndarray) -> float:
        """Predictions exchanged in the swapped clusters, then scored; unequal numbers: all meet all."""
        there = swapped[cluster]
        pairs = (
            list(zip(range(seeds[0]), range(seeds[1]), strict=True))
            if seeds[0] == seeds[1]
            else list(product(range(seeds[0]), range(seeds[1])))
        )
        found = []
        for s, t in pairs:
            one, two = np.where(there, b[t], a[s]), np.where(there, a[s], b[t])
            found.append(score(metric, gold, one, K) - score(metric, gold, two, K))
        return float(np.mean(found))

    observed = difference(np.zeros(8, bool))
    means = [np.mean([score(metric, gold, one, K) for one in side]) for side in (a, b)]
    assert observed == pytest.approx(means[0] - means[1])
    every = [
        abs(difference(np.array(swap, bool))) >= abs(observed) - 1e-9 for swap in product((0, 1), repeat=8)
    ]
    sums = [sums_of(gold, side, cluster) for side in (a, b)]
    p = swap_p(sums, [(0, 1)], {metric: by(metric)}, swaps=9999)[metric][0]
    assert p == pytest.approx(np.mean(every), abs=0.02)


def test_of_accuracy_it_is_the_sign_flip_test() -> None:
    gold, cluster, (a, b) = data((1, 1), (0.75, 0.5), clusters=40)
    sums = [sums_of(gold, side, cluster) for side in (a, b)]
    p = swap_p(sums, [(0, 1)], {"a": lambda s: s[..., :K].sum(-1) / s[..., K : 2 * K].sum(-1)})["a"][0]
    flips = paired_difference((a[0] == gold) * 1.0, (b[0] == gold) * 1.0, cluster)
    assert p == pytest.approx(flips.p, abs=0.015)


def test_swapping_words_one_by_one_would_claim_too_much() -> None:
    # one side is right in whole sentences, the other in others: as sentences 6 against 3, as words 60 against 30
    cluster = np.repeat(np.arange(9), 10)
    gold = np.zeros(90, np.int64)
    a = np.where(cluster < 6, 0, 1)[None]
    b = np.where(cluster < 6, 1, 0)[None]
    by_sentence, by_word = (
        swap_p([sums_of(gold, side, own) for side in (a, b)], [(0, 1)], {"f": by("weighted_f1")})["f"][0]
        for own in (cluster, np.arange(90))
    )
    assert by_sentence > 0.3
    assert by_word < 0.01


def test_planted_differences_are_found_and_none_is_where_there_is_none() -> None:
    gold, cluster, (a, b) = data((3, 3), (0.9, 0.6), clusters=60)
    sums = [sums_of(gold, side, cluster) for side in (a, b, a)]
    scores = {name: by(name) for name in ("macro_f1", "mcc")}
    found = swap_p(sums, [(0, 1), (0, 2), (1, 0)], scores)
    for name in scores:
        assert found[name][0] == found[name][2] == pytest.approx(1e-4)
        assert found[name][1] == 1.0


def test_under_the_null_p_is_even() -> None:
    low = 0
    for draw in range(150):
        gold, cluster, sides = data((2, 3), (0.7, 0.7), clusters=30, draw=draw)
        p = swap_p(
            [sums_of(gold, side, cluster) for side in sides], [(0, 1)], {"f": by("macro_f1")}, swaps=199
        )
        low += p["f"][0] <= 0.1
    assert 5 <= low <= 27  # 15 expected, binomial 0.1 % to 99.9 %


def test_numbers_that_are_no_counts_and_what_is_not_defined() -> None:
    rng = np.random.default_rng(1)
    gold = rng.normal(size=50)
    near, far = (gold + width * rng.normal(size=50) for width in (0.2, 3.0))
    sums = [cluster_sums("pearson", gold, one, np.arange(50), 50)[:, None] for one in (near, far)]
    assert swap_p(sums, [(0, 1)], {"pearson": by("pearson")})["pearson"][0] < 0.001
    constant = [cluster_sums("pearson", gold, np.zeros(50), np.arange(50), 50)[:, None], sums[0]]
    assert np.isnan(swap_p(constant, [(0, 1)], {"pearson": by("pearson")})["pearson"][0])
    assert np.isnan(swap_p([one[:1] for one in sums], [(0, 1)], {"r": by("pearson")})["r"]).all()
    assert swap_p(sums, [], {"r": by("pearson")})["r"].shape == (0,)
