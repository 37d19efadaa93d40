"""RSA against scipy's own distances and rank correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.maths.rsa import unit_ranks


@pytest.mark.parametrize("how", ["cosine", "correlation", "euclidean"])
def test_equals_scipy(how: Any) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(15, 6)) + 1, rng.normal(size=(15, 4))
    Y[:, :3] += X[:, :3]
    slow = spearmanr(pdist(X, how), pdist(Y, how)).statistic
    assert pk.rsa(X, Y, dissimilarity=how) == pytest.approx(slow, abs=1e-10)


def test_rotation_and_scale_change_nothing() -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(15, 6)) + 1, rng.normal(size=(15, 4))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    for how in ("cosine", "euclidean"):
        assert pk.rsa(4 * X @ turn, Y, dissimilarity=how) == pytest.approx(
            pk.rsa(X, Y, dissimilarity=how), abs=1e-9
        )
    moved = pk.rsa(X + 3, Y, dissimilarity="euclidean")
    assert moved == pytest.approx(pk.rsa(X, Y, dissimilarity="euclidean"), abs=1e-9)
    assert pk.rsa(X + 3, Y) != pytest.approx(pk.rsa(X, Y), abs=1e-3)


def test_equal_dissimilarities_share_their_rank() -> None:
    np.testing.assert_allclose(unit_ranks(np.array([2.0, 1.0, 1.0, 5.0])) * np.sqrt(4.5), [0.5, -1, -1, 1.5])


def test_bad_input_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(DataError, match="1 of 10 rows have no direction, so no cosine; use 'euclidean'"):
        pk.rsa(np.concatenate([X[:9], np.zeros((1, 3))]), X)
    with pytest.raises(DataError, match="equally far apart"):
        pk.rsa(np.eye(10), X)
    with pytest.raises(DataError, match="3 rows are too few"):
        pk.rsa(X[:3], X[:3])
    with pytest.raises(ConfigError, match="unknown dissimilarity 'cosin'; did you mean 'cosine'"):
        pk.rsa(X, X, dissimilarity="cosin")  # type: ignore[arg-type]
