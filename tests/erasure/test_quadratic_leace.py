"""Means and covariances of the classes become equal, so that no quadratic classifier beats the classes' shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.metrics import log_loss

import probekit as pk
from probekit.erasure.quadratic_leace import QuadraticEraser, common_directions
from probekit.errors import DataError
from tests.erasure.probes import class_means
from tests.erasure.streams import check_refusals, check_stream

COUNTS = (500, 300, 200)


def drawn(dim: int = 5, same_means: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Classes that differ in their covariances; by default in nothing that a linear probe could see."""
    rng = np.random.default_rng(0)
    y = np.repeat([10, 20, 30], COUNTS)
    X = np.concatenate([rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) for n in COUNTS])
    if same_means:
        for label in (10, 20, 30):
            X[y == label] -= X[y == label].mean(axis=0)
        return X + 1.0, y
    return X + y[:, None] / 10.0, y


def qda_loss(X: np.ndarray, y: np.ndarray) -> float:
    return log_loss(y, QuadraticDiscriminantAnalysis(tol=1e-12).fit(X, y).predict_proba(X))


@pytest.mark.parametrize("same_means", [True, False])
def test_quadratic_discriminant_analysis_is_left_with_the_prior(same_means: bool) -> None:
    X, y = drawn(same_means=same_means)
    share = np.array(COUNTS) / 1000
    prior_loss = float(-(share * np.log(share)).sum())
    fitter = pk.QuadraticLeace(concept="case").fit(X, y)
    erased = fitter.eraser_(X, y)
    assert qda_loss(X, y) < 0.6 * prior_loss
    if same_means:  # taking the means out is not enough: LEACE leaves all of it
        assert qda_loss(pk.Leace().fit(X, y).eraser_(X), y) < 0.6 * prior_loss
    assert qda_loss(erased, y) == pytest.approx(prior_loss, abs=1e-9)
    np.testing.assert_allclose(erased.mean(axis=0), X.mean(axis=0), atol=1e-10)
    means = class_means(erased, y)
    np.testing.assert_allclose(means, np.broadcast_to(X.mean(axis=0), means.shape), atol=1e-10)
    covariances = [np.cov(erased[y == label].T, bias=True) for label in (10, 20, 30)]
    np.testing.assert_allclose(covariances[1:], covariances[:-1], atol=1e-10)
    assert fitter.kept_ == 5
    assert fitter.classes_.tolist() == [10, 20, 30]


def test_any_other_common_covariance_costs_more() -> None:
    X, y = drawn()
    eraser = pk.QuadraticLeace().fit(X, y).eraser_
    least = ((eraser(X, y) - X) ** 2).sum()
    rng = np.random.default_rng(1)
    for _ in range(10):
        turn = np.eye(5) + 0.05 * rng.normal(size=(5, 5))
        other = (eraser(X, y) - X.mean(axis=0)) @ turn + X.mean(axis=0)
        assert ((other - X) ** 2).sum() > least


def test_a_class_of_few_rows_decides_how_much_is_kept() -> None:
    X, y = drawn(dim=5, same_means=False)
    rare = np.concatenate([np.flatnonzero(y != 30), np.flatnonzero(y == 30)[:3]])
    X, y = X[rare], y[rare]
    fitter = pk.QuadraticLeace().fit(X, y)
    erased = fitter.eraser_(X, y)
    assert fitter.kept_ == 2  # three rows vary in two directions
    assert fitter.eraser_.about["kept"] == 2
    covariances = [np.cov(erased[y == label].T, bias=True) for label in (10, 20, 30)]
    np.testing.assert_allclose(covariances[1:], covariances[:-1], atol=1e-8)
    assert np.linalg.matrix_rank(covariances[0], tol=1e-8) == 2
    assert np.ptp(class_means(erased, y), axis=0).max() < 1e-9
    shrunk = pk.QuadraticLeace(shrinkage=True).fit(X, y)
    assert shrunk.kept_ == 5
    assert np.ptp(class_means(shrunk.eraser_(X, y), y), axis=0).max() < 1e-9


def test_fewer_rows_than_dimensions_and_constant_dimensions() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 30)), np.repeat(["a", "b"], 6)
    X[:, 4] = 3.0
    erased = pk.QuadraticLeace().fit(X, y).eraser_(X, y)
    np.testing.assert_allclose(erased[:, 4], 3.0)
    covariances = [np.cov(erased[y == label].T, bias=True) for label in "ab"]
    np.testing.assert_allclose(*covariances, atol=1e-8)
    alone = pk.QuadraticLeace().fit(
        X[:7], [*"aaaaaab"]
    )  # one row has no variance at all: nothing can be kept
    assert alone.kept_ == 0
    np.testing.assert_allclose(
        alone.eraser_(X[:7], [*"aaaaaab"]), np.broadcast_to(X[:7].mean(axis=0), (7, 30))
    )


def test_common_directions_are_those_of_most_variance() -> None:
    one, two = np.diag([9.0, 4.0, 0.0]), np.diag([9.0, 4.0, 1.0])
    basis = common_directions(np.stack([one, two]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(np.abs(basis), np.eye(3)[:, :2], atol=1e-12)


def test_tensors_and_files(tmp_path) -> None:
    X, y = drawn(same_means=False)
    eraser = pk.QuadraticLeace().fit(X, y).eraser_
    found = eraser(torch.from_numpy(X).float().reshape(10, 100, 5), torch.from_numpy(y).reshape(10, 100))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.reshape(-1, 5).numpy(), eraser(X, y), atol=1e-4)
    eraser.save(tmp_path / "quadratic")
    again = QuadraticEraser.load(tmp_path / "quadratic")
    assert again(X, y).tobytes() == eraser(X, y).tobytes()
    assert again.classes == (10, 20, 30)


def test_bad_input_is_refused() -> None:
    X, y = drawn()
    with pytest.raises(DataError, match="of classes"):
        pk.QuadraticLeace().fit(X, X[:, :2])
    with pytest.raises(DataError, match="every label is 1"):
        pk.QuadraticLeace().fit(X, np.ones(len(X), dtype=int))
    with pytest.raises(DataError, match="1000 rows of states but 3 labels"):
        pk.QuadraticLeace().fit(X, y[:3])
    X[7, 1] = np.nan
    with pytest.raises(DataError, match="not a finite number"):
        pk.QuadraticLeace().fit(X, y)
    with pytest.raises(DataError, match="label 40 was not among the 3 classes"):
        pk.QuadraticLeace().fit(np.delete(X, 7, axis=0), np.delete(y, 7)).eraser_(X[:1], [40])


@pytest.mark.parametrize("shrinkage", [False, True])
def test_a_stream_equals_the_whole(shrinkage: bool) -> None:
    X, y = drawn(same_means=False)  # the rows are in the order of the classes
    check_stream(pk.QuadraticLeace(shrinkage=shrinkage), X, y)
    check_refusals(pk.QuadraticLeace(shrinkage=shrinkage), X, y)


def test_a_class_may_come_in_a_later_batch() -> None:
    X, y = drawn()
    fitter = pk.QuadraticLeace().partial_fit(X[y == 30], y[y == 30])
    assert fitter.classes_.tolist() == [30]
    for ask in ("eraser_", "kept_"):
        with pytest.raises(DataError, match="every label is 30"):
            getattr(fitter, ask)
    fitter.partial_fit(X[y == 10][:3], [10] * 3)
    assert fitter.kept_ == 2
    fitter.partial_fit(X[y == 10][3:], y[y == 10][3:]).partial_fit(X[y == 20], y[y == 20])
    assert (fitter.kept_, fitter.classes_.tolist()) == (5, [10, 20, 30])
    np.testing.assert_allclose(fitter.eraser_.maps, pk.QuadraticLeace().fit(X, y).eraser_.maps, atol=1e-9)
