"""Intrinsic dimension on clouds whose dimension is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.errors import ConfigError, DataError
from probekit.maths.intrinsic import distances_of, neighbour_ratios, participation_ratio, slope_of, two_nn

Array = np.ndarray[Any, Any]


def embedded(points: Array, dim: int = 30, seed: int = 0) -> Array:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    return points @ turn[: points.shape[1]] + 5


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_flat_clouds_in_a_larger_space(dim: int) -> None:
    points = np.random.default_rng(dim).uniform(size=(1500, dim))
    assert two_nn(embedded(points)) == pytest.approx(dim, rel=0.1)


def test_without_an_edge_high_dimensions_are_found_and_an_edge_lowers_them() -> None:
    points = np.random.default_rng(8).uniform(size=(1500, 8))
    squares = np.zeros((1500, 1500))
    for column in points.T:
        apart = np.abs(column[:, None] - column)
        squares += np.minimum(apart, 1 - apart) ** 2  # each end of the cube meets the other
    distances = np.sqrt(squares)
    np.fill_diagonal(distances, np.inf)
    assert slope_of(neighbour_ratios(distances)) == pytest.approx(8, rel=0.1)
    assert 6 < two_nn(points) < 7.5


def test_curved_clouds() -> None:
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(0, 2 * np.pi, 1500), rng.uniform(0, 3, 1500)
    roll = np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1)
    assert two_nn(embedded(roll)) == pytest.approx(2, rel=0.1)
    sphere = rng.normal(size=(1500, 4))
    assert two_nn(embedded(sphere / np.linalg.norm(sphere, axis=1, keepdims=True))) == pytest.approx(
        3, rel=0.1
    )


def test_turning_moving_scaling_and_copies_change_nothing() -> None:
    X = np.random.default_rng(1).normal(size=(200, 4))
    one = two_nn(X)
    assert two_nn(7 * embedded(X)) == pytest.approx(one, rel=1e-6)
    assert two_nn(np.concatenate([X, X[:50]])) == pytest.approx(one, rel=1e-9)


def test_the_slope_is_the_published_fit() -> None:
    X = np.random.default_rng(2).normal(size=(60, 3))
    distances = np.sort([[np.linalg.norm(p - q) for q in X] for p in X], axis=1)
    ratios = np.sort(distances[:, 2] / distances[:, 1])
    np.testing.assert_allclose(neighbour_ratios(distances_of(X)), ratios)
    x = np.log(ratios[:54])
    y = -np.log(1 - np.arange(1, 55) / 61)
    assert slope_of(ratios) == pytest.approx(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0])


def test_participation_ratio_of_known_variances() -> None:
    rng = np.random.default_rng(0)
    X = embedded(rng.normal(size=(20000, 3)) * [2.0, 1.0, 1.0])
    assert participation_ratio(np.cov(X.T)) == pytest.approx(36 / 18, rel=0.02)
    assert participation_ratio(np.linalg.eigvalsh(np.cov(X.T))) == pytest.approx(
        participation_ratio(np.cov(X.T))
    )


def test_bad_input_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(DataError, match="1 distinct points are too few for a dimension; give at least 20"):
        two_nn(np.ones((40, 3)))
    with pytest.raises(DataError, match="finite"):
        two_nn(X * np.nan)
    with pytest.raises(ConfigError, match="discard must be a share"):
        two_nn(X, discard=1.0)
    with pytest.raises(DataError, match="do not vary"):
        participation_ratio(np.zeros((3, 3)))
    near = np.repeat(X[:15], 2, axis=0) + 1e-13 * np.arange(30)[:, None]
    with pytest.raises(DataError, match="lie apart from all others"):
        two_nn(near)
