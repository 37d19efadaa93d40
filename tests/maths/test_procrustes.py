"""The Procrustes distance is the smallest over rotations, and does not see rotation, scale and place."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import DataError
from probekit.maths.procrustes import distance


def test_equals_the_distance_after_the_best_rotation() -> None:
    from scipy.linalg import orthogonal_procrustes

    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 4)) + 1, rng.normal(size=(20, 4))
    A, B = ((side - side.mean(axis=0)) / np.linalg.norm(side - side.mean(axis=0)) for side in (X, Y))
    turn, _ = orthogonal_procrustes(B, A)
    assert pk.procrustes(X, Y) == pytest.approx(((A - B @ turn) ** 2).sum(), abs=1e-12)
    for _ in range(100):
        other = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        assert ((A - B @ other) ** 2).sum() >= pk.procrustes(X, Y) - 1e-12


def test_rotation_scale_place_and_order_of_sides_change_nothing() -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert pk.procrustes(X, 5 * Y @ turn + 2) == pytest.approx(pk.procrustes(X, Y), abs=1e-10)
    assert pk.procrustes(Y, X) == pytest.approx(pk.procrustes(X, Y), abs=1e-10)
    assert pk.procrustes(X, np.concatenate([X, np.zeros((20, 3))], axis=1)) == pytest.approx(0, abs=1e-10)
    assert pk.procrustes(X, X @ np.diag([9.0, 1, 1, 1])) > 0.1


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="identical"):
        pk.procrustes(np.ones((5, 2)), np.eye(5))
    with pytest.raises(DataError, match="do not vary"):
        distance(0.0, 1.0, np.zeros((2, 2)))
