"""Projections away from class means: by hand, against LEACE, and what the whitened one does and does not do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import probekit as pk
from probekit.errors import DataError
from tests.erasure.probes import class_means, largest_coefficients
from tests.erasure.streams import check_refusals, check_stream


def drawn(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 600)
    X = rng.normal(size=(600, 6)) @ rng.normal(size=(6, 6)) + 2.0 * rng.normal(size=(classes, 6))[y]
    return X, y


def test_by_hand() -> None:
    X = np.array([[0.0, 0.0, 5.0], [2.0, 2.0, 7.0], [3.0, 4.0, 5.0], [5.0, 6.0, 7.0]])
    eraser = pk.MeanDifference(concept="number").fit(X, list("aabb")).eraser_
    d = np.array([3.0, 4.0, 0.0]) / 5.0
    np.testing.assert_allclose(eraser.matrix, np.eye(3) - np.outer(d, d), atol=1e-12)
    np.testing.assert_allclose(eraser(X).mean(axis=0), X.mean(axis=0))
    assert (eraser.method, eraser.concept) == ("mean difference", "number")


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_it_guards_and_changes_more_than_leace(classes: int) -> None:
    X, y = drawn(classes)
    eraser, leace = pk.MeanDifference().fit(X, y).eraser_, pk.Leace().fit(X, y).eraser_
    orthogonal = pk.Leace(method="orthogonal").fit(X, y).eraser_
    np.testing.assert_allclose(eraser.matrix, orthogonal.matrix, atol=1e-10)
    np.testing.assert_allclose(eraser.matrix, eraser.matrix.T, atol=1e-12)
    erased = eraser(X)
    assert max(largest_coefficients(erased, y)) < 1e-8 < 0.05 < min(largest_coefficients(X, y))
    np.testing.assert_allclose(eraser(erased), erased, atol=1e-10)
    assert eraser.rank == classes - 1
    assert ((erased - X) ** 2).sum() > 1.05 * ((leace(X) - X) ** 2).sum()


def test_whitened_removes_the_fisher_direction_and_not_the_means() -> None:
    X, y = drawn(2)
    eraser = pk.MeanDifference(whitened=True).fit(X, y).eraser_
    fisher = LinearDiscriminantAnalysis(solver="eigen").fit(X, y).coef_[0]
    within = np.cov((X - class_means(X, y)[y]).T)
    mass_mean = np.linalg.solve(within, np.subtract(*class_means(X, y)))
    for direction in (fisher, mass_mean):
        direction = direction / np.linalg.norm(direction)
        assert abs(float(eraser.basis[:, 0] @ direction)) == pytest.approx(1.0, abs=1e-9)
        assert np.ptp(eraser(X) @ direction) < 1e-9 < np.ptp(X @ direction)
    assert np.abs(np.subtract(*class_means(eraser(X), y))).max() > 0.1
    assert eraser.method == "mass mean"


def test_more_classes_than_dimensions_fewer_rows_and_constants() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 20
    assert pk.MeanDifference().fit(X, y).eraser_.rank == 3
    wide, few = rng.normal(size=(8, 40)), np.arange(8) % 3
    wide[:, 7] = 2.0
    for whitened in (False, True):
        eraser = pk.MeanDifference(whitened=whitened).fit(wide, few).eraser_
        assert eraser.rank == 2
        np.testing.assert_allclose(eraser(wide)[:, 7], 2.0)
    assert np.ptp(class_means(pk.MeanDifference().fit(wide, few).eraser_(wide), few), axis=0).max() < 1e-12


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="every label is 1"):
        pk.MeanDifference().fit(np.eye(3), [1, 1, 1])
    with pytest.raises(DataError, match="row 0"):
        pk.MeanDifference().fit(np.full((2, 2), np.nan), [0, 1])


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("numbers", [False, True])
def test_a_stream_equals_the_whole(whitened: bool, numbers: bool) -> None:
    X, y = drawn()
    order = np.argsort(y, kind="stable")  # two of the classes appear only in later batches
    X, y = X[order], y[order]
    z = np.stack([y == 1, y + X[:, 0]], axis=1).astype(float) if numbers else y
    check_stream(pk.MeanDifference(whitened=whitened), X, z)
    check_refusals(pk.MeanDifference(whitened=whitened), X, z)


def test_a_class_may_come_in_a_later_batch() -> None:
    X = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])
    fitter = pk.MeanDifference().partial_fit(X[:2], ["a", "a"])
    with pytest.raises(DataError, match="every label is 'a'"):
        fitter.eraser_  # noqa: B018
    fitter.partial_fit(X[2:], ["b", "b"])
    np.testing.assert_allclose(fitter.eraser_(X)[:, 0], 2.0)
