"""R-LACE: its Fantope, its exact projection, and what it does to a planted concept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.erasure.rlace import Rlace, to_fantope
from probekit.errors import ConfigError, DataError
from tests.erasure.planted_states import linear_accuracy, planted_states

TRAIN, DEV, TEST = (planted_states(n, seed=s) for n, s in ((800, 0), (400, 1), (800, 2)))
THREE = [planted_states(n, classes=3, seed=s) for n, s in ((900, 0), (450, 1), (900, 2))]


def residual(eraser: Any, train: Any, test: Any) -> float:
    return linear_accuracy((eraser(train[0]), train[1]), (eraser(test[0]), test[1]))


def test_one_direction_takes_a_one_dimensional_concept_to_chance() -> None:
    rlace = Rlace(concept="number").fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])
    assert linear_accuracy(TRAIN, TEST) > 0.95
    assert residual(rlace.eraser_, TRAIN, TEST) < max(np.mean(TEST[1]), 1 - np.mean(TEST[1])) + 0.05
    P = rlace.eraser_.matrix
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    np.testing.assert_allclose(P, P.T, atol=1e-14)
    assert np.trace(np.eye(12) - P) == pytest.approx(1.0)
    assert rlace.eraser_.rank == 1
    first, *later = rlace.history_
    assert (first.moves, first.dev_accuracy > 0.95) == (0, True)
    assert min(check.dev_accuracy for check in later) == rlace.eraser_.about["dev_accuracy"]
    assert "within 0.01" in rlace.reason_


def test_classes_less_one_directions_are_enough() -> None:
    train, dev, test = THREE
    rlace = Rlace().fit(*train, X_dev=dev[0], y_dev=dev[1])
    assert rlace.eraser_.rank == 2
    assert linear_accuracy(train, test) > 0.95
    assert residual(rlace.eraser_, train, test) < 1 / 3 + 0.08


def test_the_game_finds_the_better_one_of_two_directions() -> None:
    """With one direction for three classes on a line, the line has to go, not one that tells two of them best."""
    draw = np.random.default_rng(0)

    def on_a_line(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = draw.integers(0, 3, n)
        X = draw.normal(size=(n, 8)) * np.geomspace(1.5, 0.3, 8)
        X[:, 2] += 5.0 * y
        X[:, 5] += 0.4 * (y == 1)
        return X, y

    train, dev = on_a_line(900), on_a_line(600)
    rlace = Rlace(rank=1, moves=30).fit(*train, X_dev=dev[0], y_dev=dev[1])
    direction = rlace.eraser_.basis[:, 0]
    assert abs(direction[2]) > 0.98
    assert rlace.history_[0].dev_accuracy > rlace.eraser_.about["dev_accuracy"] + 0.3
    losses = [check.loss for check in rlace.history_]
    assert losses[-1] > losses[0]


def test_the_mean_stays_or_goes_and_runs_repeat() -> None:
    kept = Rlace(moves=5).fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])
    gone = Rlace(moves=5, keep_mean=False).fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])
    np.testing.assert_allclose(kept.eraser_(TRAIN[0]).mean(0), TRAIN[0].mean(0), atol=1e-9)
    np.testing.assert_allclose(gone.eraser_(TRAIN[0]), TRAIN[0] @ gone.eraser_.matrix, atol=1e-9)
    again = Rlace(moves=5).fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])
    assert again.eraser_.key == kept.eraser_.key


def test_rows_are_sampled_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.erasure.rlace.FEWEST", 100)
    monkeypatch.setattr("probekit.erasure.rlace.ROWS_PER_FEATURE", 10)
    rlace = Rlace().fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])
    assert rlace.history_[-1].dev_accuracy < 0.65


@given(st.integers(2, 8), st.integers(0, 10_000), st.floats(0.01, 100.0))
@settings(max_examples=60, deadline=None)
def test_the_nearest_point_of_the_fantope(dim: int, seed: int, scale: float) -> None:
    draw = np.random.default_rng(seed)
    rank = int(draw.integers(1, dim))
    A = scale * draw.normal(size=(dim, dim))
    A = A + A.T
    inside = to_fantope(A, rank)
    values = np.linalg.eigvalsh(inside)
    assert values.min() > -1e-9
    assert values.max() < 1 + 1e-9
    assert np.trace(inside) == pytest.approx(rank, abs=1e-8)
    for _ in range(5):  # nearest: no way to any other point of the set leads closer
        other = np.linalg.qr(draw.normal(size=(dim, rank)))[0]
        assert np.vdot(A - inside, other @ other.T - inside) < 1e-7 * max(1.0, scale)
    np.testing.assert_allclose(to_fantope(inside, rank), inside, atol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"rank": 0}, ConfigError, "rank must be at least 1"),
        ({"moves": 0}, ConfigError, "moves must be"),
        ({"margin": -1.0}, ConfigError, "margin"),
        ({"C": float("nan")}, ConfigError, "C must be"),
        ({"rank": 12}, DataError, "rank 12 leaves nothing of width 12"),
    ],
)
def test_refused(parameters: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        Rlace(**parameters).fit(*TRAIN)


def test_states_that_are_all_alike_and_one_class() -> None:
    with pytest.raises(DataError, match="every row of train is the same"):
        Rlace().fit(np.ones((50, 4)), np.arange(50) % 2)
    with pytest.raises(DataError, match="every label"):
        Rlace().fit(TRAIN[0], np.zeros(800))
