"""The same numbers as concept-erasure 0.2.4, and its own invariants, where that package is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification

import probekit as pk
from tests.erasure.probes import class_means

peer = pytest.importorskip(
    "concept_erasure",
    reason="no dependency: pip install concept-erasure==0.2.4",
    exc_type=ImportError,
)
pytestmark = pytest.mark.peer


def states(classes: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    X, y = make_classification(
        n_samples=2048, n_features=64, n_classes=classes, n_informative=20, n_redundant=0, random_state=42
    )
    return X, y, torch.nn.functional.one_hot(torch.from_numpy(y), classes).double()


def theirs(X: np.ndarray, Z: torch.Tensor, **options: object) -> np.ndarray:
    tensor = torch.from_numpy(X)
    eraser = peer.LeaceEraser.fit(tensor, Z, **({"shrinkage": False, "svd_tol": 1e-9} | options))
    return np.asarray(eraser(tensor))


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 20])
def test_leace_and_its_orthogonal_variant(classes: int) -> None:
    X, y, Z = states(classes)
    ours = pk.Leace().fit(X, y).eraser_(X)
    # theirs bounds the trace after erasure, by a step that only acts where the trace grew
    np.testing.assert_allclose(ours, theirs(X, Z, constrain_cov_trace=False), atol=1e-8)
    orthogonal = pk.Leace(method="orthogonal").fit(X, y).eraser_(X)
    np.testing.assert_allclose(orthogonal, theirs(X, Z, method="orth"), atol=1e-8)


def test_leace_with_shrinkage() -> None:
    X, y, Z = states(3)
    ours = pk.Leace(shrinkage=True).fit(X[:300], y[:300]).eraser_(X[:300])
    np.testing.assert_allclose(
        ours, theirs(X[:300], Z[:300], shrinkage=True, constrain_cov_trace=False), atol=1e-8
    )


def test_a_stream() -> None:
    X, y, Z = states(5)
    ours, other = pk.Leace(), peer.LeaceFitter(64, 5, dtype=torch.float64, shrinkage=False, svd_tol=1e-9)
    for start in range(0, 2048, 300):
        ours.partial_fit(X[start : start + 300], y[start : start + 300])
        other.update(torch.from_numpy(X[start : start + 300]), Z[start : start + 300])
    np.testing.assert_allclose(ours.eraser_(X), np.asarray(other.eraser(torch.from_numpy(X))), atol=1e-8)


def test_continuous_concepts() -> None:
    X, _, _ = states(2)
    Z = X[:, :3] + np.random.default_rng(0).normal(size=(2048, 3))
    np.testing.assert_allclose(
        pk.Leace().fit(X, Z).eraser_(X), theirs(X, torch.from_numpy(Z), constrain_cov_trace=False), atol=1e-8
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_oracle(classes: int) -> None:
    X, y, Z = states(classes)
    other = peer.OracleEraser.fit(torch.from_numpy(X), Z, svd_tol=1e-9)
    np.testing.assert_allclose(
        pk.OracleLeace().fit(X, y).eraser_(X, y), np.asarray(other(torch.from_numpy(X), Z)), atol=1e-8
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_quadratic(classes: int) -> None:
    X, y, _ = states(classes)
    X = X[:, :12] * (1.0 + 0.5 * y[:, None])
    other = peer.QuadraticEraser.fit(torch.from_numpy(X), torch.from_numpy(y), shrinkage=False)
    found = np.asarray(other(torch.from_numpy(X), torch.from_numpy(y)))
    # theirs sets every class's mean to the plain mean of the class means, ours to the mean of all states
    np.testing.assert_allclose(
        pk.QuadraticLeace().fit(X, y).eraser_(X, y) - X.mean(axis=0), found - found.mean(axis=0), atol=1e-4
    )


def test_their_default_tolerance_leaves_rare_classes_and_ours_does_not() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5000, 32)), np.zeros(5000, dtype=np.int64)
    y[[17, 4000]] = 1
    X[y == 1] += 1.0
    before = np.abs(np.subtract(*class_means(X, y))).max()
    left = np.abs(np.subtract(*class_means(theirs(X, torch.from_numpy(y).double(), svd_tol=0.01), y))).max()
    assert left == pytest.approx(before)
    assert np.abs(np.subtract(*class_means(pk.Leace().fit(X, y).eraser_(X), y))).max() < 1e-12 * before
