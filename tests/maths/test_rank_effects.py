"""Rank effects equal slow twins; the permuted maximum is calibrated, for dependent words too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, rankdata, spearmanr

from probekit.errors import DataError
from probekit.maths.rank_effects import (
    Target,
    block_orders,
    centred_ranks,
    maximum_p,
    paired_interval,
    rank_correlation_interval,
    rank_effects,
)
from probekit.maths.ranks import auc


def made(seed: int = 0, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns with ties, one of them constant; a label; a number that goes with a position; the position."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5)).round(1)
    X[:, 4] = 3.0
    position = np.tile(np.arange(12.0), n // 12)
    X[:, 0] += position
    return X, rng.random(n) < 0.3, rng.integers(0, 4, n) + position // 3, position


def slow_partial(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> float:
    """Pearson's correlation of what a least-squares fit to the ranks of what is held leaves of either side's ranks."""
    design = np.column_stack([np.ones(len(x)), *(rankdata(column) for column in held.T)])

    def left(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values)
        return ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]

    return float(np.corrcoef(left(x), left(y))[0, 1])


def test_ranks_are_mid_ranks() -> None:
    X = made()[0]
    np.testing.assert_allclose(centred_ranks(X), rankdata(X, axis=0) - (len(X) + 1) / 2)
    assert centred_ranks(np.zeros((1, 300))).tolist() == [[0.0] * 300]


def test_effects_equal_those_of_one_column_at_a_time() -> None:
    X, label, number, position = made()
    held = np.column_stack([position, X[:, 1] ** 2])
    targets = [
        Target("area", label), Target("correlation", number), Target("correlation", number, position[:, None]),
        Target("correlation", number, held),
    ]  # fmt: skip
    found = rank_effects(X, targets, np.arange(len(X)) // 12)
    for column in range(4):
        assert found.effect[0, column] == pytest.approx(auc(X[:, column], label.astype(int)), abs=1e-6)
        assert found.effect[1, column] == pytest.approx(spearmanr(X[:, column], number)[0], abs=1e-6)
        for row, given in ((2, position[:, None]), (3, held)):
            expected = slow_partial(X[:, column], number, given)
            assert found.effect[row, column] == pytest.approx(expected, abs=1e-5)
    assert abs(found.effect[2, 0]) < abs(found.effect[1, 0]) / 2  # what follows position alone falls
    assert found.effect[:, 4].tolist() == [0.5, 0.0, 0.0, 0.0]
    assert found.z[:, 4].tolist() == [0.0] * 4


def test_permuted_maxima_equal_effects_of_permuted_targets() -> None:
    X, label, number, _ = made()
    cluster = np.repeat([5, 2, 9], [30, 50, 40])
    targets = [Target("area", label), Target("correlation", number)]
    found = rank_effects(X, targets, cluster, permutations=7, seed=3)
    for row, order in enumerate(block_orders(cluster, 7, 3)):
        moved = [Target("area", label[order]), Target("correlation", number[order])]
        expected = np.abs(rank_effects(X, moved, cluster).z).max(axis=1)
        np.testing.assert_allclose(found.largest[row], expected, rtol=1e-4)
    halves = [
        rank_effects(X[:, part], targets, cluster, permutations=7, seed=3) for part in ([0, 1], [2, 3, 4])
    ]
    np.testing.assert_allclose(np.maximum(halves[0].largest, halves[1].largest), found.largest, rtol=1e-5)


def test_whole_clusters_change_places_and_keep_their_order() -> None:
    cluster = np.array([3, 3, 3, 1, 1, 8])
    orders = {tuple(order.tolist()) for order in block_orders(cluster, 60, 0)}
    assert len(orders) == 6
    for order in orders:
        places = np.argsort(order)
        assert (np.diff(places[:3]) == 1).all()
        assert places[4] - places[3] == 1


def false_positives(kind: str, *, blocks: bool) -> int:
    """In how many of 100 draws the best of 40 columns is beyond the permuted maximum at 5 %; clusters are alike."""
    found = 0
    for seed in range(100):
        rng = np.random.default_rng([seed, 77])
        n_clusters, size = 24, 5
        shared = np.repeat(rng.standard_normal((n_clusters, 40)), size, axis=0)
        X = shared + 0.3 * rng.standard_normal((n_clusters * size, 40))
        if kind == "area":
            target = Target("area", np.repeat(rng.permutation(n_clusters) < 8, size))
        else:
            position = np.tile(np.arange(size), n_clusters)
            number = np.repeat(rng.standard_normal(n_clusters), size) + position
            target = Target("correlation", number, position[:, None])
        cluster = np.arange(len(X)) // size if blocks else np.arange(len(X))
        effects = rank_effects(X, [target], cluster, permutations=19, seed=seed)
        found += bool(maximum_p(np.abs(effects.z).max(axis=1), effects.largest)[0][0] <= 0.05)
    return found


@pytest.mark.parametrize("kind", ["area", "correlation"])
def test_the_permuted_maximum_is_calibrated_on_dependent_words(kind: str) -> None:
    most = binom.ppf(0.999, 100, 0.05)
    assert false_positives(kind, blocks=True) <= most
    assert (
        false_positives(kind, blocks=False) > most
    )  # single words changed places: each sentence counts five times


def test_the_maximum_over_labels_is_never_below_the_own() -> None:
    rng = np.random.default_rng(1)
    own, joint = maximum_p(rng.random(4) * 3, rng.random((99, 4)) * 3)
    assert (joint >= own).all()
    assert own.min() >= 0.01


def test_an_interval_holds_the_value_and_partial_equals_the_slow_twin() -> None:
    X, _, number, position = made(3, 600)
    target = Target("correlation", number, position[:, None])
    interval, draws = rank_correlation_interval(X[:, 0], target, np.arange(600) // 12, resamples=200)
    assert interval.value == pytest.approx(slow_partial(X[:, 0], number, position[:, None]), abs=1e-6)
    assert interval.low < interval.value < interval.high
    assert draws.shape == (200,)
    plain = rank_correlation_interval(
        X[:, 1], Target("correlation", number), np.arange(600) // 12, resamples=200
    )
    assert plain[0].value == pytest.approx(spearmanr(X[:, 1], number)[0], abs=1e-6)
    apart = paired_interval(interval.value, plain[0].value, draws, plain[1])
    assert apart.low <= apart.value <= apart.high
    alone, _ = rank_correlation_interval(X[:, 1], Target("correlation", number), np.zeros(600), resamples=9)
    assert np.isnan(alone.low)
    still, _ = rank_correlation_interval(X[:, 4], target, np.arange(600) // 12, resamples=9)
    assert np.isnan(still.value)


def test_a_number_that_what_is_held_predicts_has_no_vector_left() -> None:
    position = np.tile(np.arange(6.0), 5)
    assert not Target("correlation", position**2, position[:, None]).vector().any()


def test_what_is_not_finite_is_refused() -> None:
    X, label, *_ = made()
    X[3, 2] = np.nan
    with pytest.raises(DataError, match="not a finite number"):
        rank_effects(X, [Target("area", label)], np.arange(len(X)))
