"""Random erasures: uniform, as many directions or as much change as another eraser, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

import probekit as pk
from probekit.erasure.random_erasure import mean_squared_change, random_directions
from probekit.errors import ConfigError, DataError
from tests.erasure.streams import check_refusals, check_stream


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(200) % 4
    X = rng.normal(size=(200, 12)) * np.arange(1, 13) ** -1.0 + rng.normal(size=(4, 12))[y] * 0.3
    return X + 5.0, y


def change(eraser: pk.Eraser, X: np.ndarray) -> float:
    return float(((eraser(X) - X) ** 2).sum(axis=1).mean())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 12))
def test_an_orthogonal_projection_around_the_mean(seed: int, rank: int) -> None:
    X, _ = drawn()
    eraser = pk.RandomErasure(rank=rank, seed=seed).fit(X).eraser_
    np.testing.assert_allclose(eraser.matrix, eraser.matrix.T, atol=1e-12)
    np.testing.assert_allclose(eraser(eraser(X)), eraser(X), atol=1e-11)
    assert eraser.rank == rank
    np.testing.assert_allclose(eraser(X).mean(axis=0), X.mean(axis=0), atol=1e-11)


def test_directions_are_uniform() -> None:
    # the first coordinate of a uniform unit vector in three dimensions is uniform in -1..1
    first = [random_directions(3, 1, seed)[0, 0] for seed in range(800)]
    assert kstest(first, "uniform", args=(-1, 2)).pvalue > 0.01
    second = [random_directions(3, 2, seed)[0, 1] for seed in range(800)]
    assert kstest(second, "uniform", args=(-1, 2)).pvalue > 0.01


def test_the_seed_decides_and_a_larger_rank_keeps_the_first_directions() -> None:
    X, _ = drawn()
    keys = [pk.RandomErasure(rank=3, seed=seed).fit(X).eraser_.key for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]
    np.testing.assert_allclose(random_directions(12, 7, 5)[:, :3], random_directions(12, 3, 5), atol=1e-12)


def test_as_many_directions_as_another() -> None:
    X, y = drawn()
    like = pk.Leace().fit(X, y).eraser_
    eraser = pk.RandomErasure(like=like, seed=1).fit(X).eraser_
    assert eraser.rank == like.rank == 3
    assert eraser.about["like"] == like.key
    assert eraser.method == "random"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["leace", "orthogonal", "pca", "random"]))
def test_as_much_change_as_another(seed: int, kind: str) -> None:
    X, y = drawn(seed % 7)
    fitters = {
        "leace": pk.Leace(), "orthogonal": pk.Leace(method="orthogonal"), "pca": pk.PcaErasure(2),
        "random": pk.RandomErasure(rank=5, seed=seed + 1),
    }  # fmt: skip
    like = fitters[kind].fit(X, y).eraser_
    eraser = pk.RandomErasure(like=like, match="norm", seed=seed).fit(X).eraser_
    assert change(eraser, X) == pytest.approx(change(like, X), rel=1e-9)
    assert eraser.method == "random, equal change"
    # all directions but the last go wholly, so with one fewer the change is smaller
    fewer = pk.RandomErasure(rank=max(eraser.rank - 1, 0), seed=seed).fit(X).eraser_
    assert change(fewer, X) <= change(like, X) * (1 + 1e-9)
    more = pk.RandomErasure(rank=eraser.rank, seed=seed).fit(X).eraser_
    assert change(more, X) >= change(like, X) * (1 - 1e-9)


def test_equal_rank_is_a_smaller_change_where_few_directions_are_large() -> None:
    X, y = drawn()
    like = pk.PcaErasure(1).fit(X, y).eraser_
    assert change(pk.RandomErasure(like=like).fit(X).eraser_, X) < 0.5 * change(like, X)


def test_the_change_follows_from_moments() -> None:
    X, y = drawn()
    one, two = pk.Leace().fit(X + 1.0, y).eraser_, pk.PcaErasure(2).fit(X).eraser_
    for eraser in (one, two, one.then(two)):
        found = mean_squared_change(eraser, X.mean(axis=0), np.cov(X.T, bias=True))
        assert found == pytest.approx(change(eraser, X), rel=1e-10)


def test_nothing_to_equal() -> None:
    X, _ = drawn()
    nothing = pk.RandomErasure(rank=0).fit(X).eraser_
    assert pk.RandomErasure(like=nothing, match="norm").fit(X).eraser_.rank == 0


def test_bad_input_is_refused() -> None:
    X, y = drawn()
    like = pk.Leace().fit(X, y).eraser_
    for options in ({}, {"rank": 1, "like": like}):
        with pytest.raises(ConfigError, match="either rank= or like="):
            pk.RandomErasure(**options).fit(X)
    with pytest.raises(ConfigError, match="needs like="):
        pk.RandomErasure(rank=1, match="norm").fit(X)
    with pytest.raises(ConfigError, match="no method 'size'"):
        pk.RandomErasure(rank=1, match="size").fit(X)
    with pytest.raises(ConfigError, match="from 0 to the width 12 of the states; got 13"):
        pk.RandomErasure(rank=13).fit(X)
    with pytest.raises(DataError, match="width 12, while the states have width 5"):
        pk.RandomErasure(like=like).fit(X[:, :5])
    far = pk.Leace().fit(X + 100.0, y).eraser_
    with pytest.raises(DataError, match="more than their whole variance"):
        pk.RandomErasure(like=far, match="norm").fit(X)


@pytest.mark.parametrize("kind", ["rank", "like", "norm"])
def test_a_stream_equals_the_whole(kind: str) -> None:
    X, y = drawn()
    like = pk.Leace().fit(X, y).eraser_
    fitter = {
        "rank": pk.RandomErasure(rank=3, seed=2), "like": pk.RandomErasure(like=like),
        "norm": pk.RandomErasure(like=like, match="norm"),
    }[kind]  # fmt: skip
    check_stream(fitter, X)
    check_refusals(fitter, X)


def test_a_stream_that_is_still_too_small_a_change_waits() -> None:
    X, y = drawn()
    fitter = (
        pk.RandomErasure(like=pk.Leace().fit(X, y).eraser_, match="norm")
        .partial_fit(X[:1])
        .partial_fit(X[:1])
    )
    with pytest.raises(DataError, match="more than their whole variance"):
        fitter.eraser_  # noqa: B018
    assert fitter.partial_fit(X[1:]).eraser_.rank > 0
    with pytest.raises(ConfigError, match="needs like="):
        pk.RandomErasure(rank=1, match="norm").partial_fit(X)
