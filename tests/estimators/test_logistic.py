"""The stacked solver against the plain objective, scipy, scikit-learn, and itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from probekit.errors import DataError
from probekit.estimators import Problem, logistic, rows, solve_logistic

spec = importlib.util.spec_from_file_location("plain_logistic", Path(__file__).with_name("plain.py"))
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)


def minimum(X, y):
    """The least value and its coefficients by scikit-learn's exact Newton solver: quick where scipy is not."""
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=100).fit(X.astype(np.float64), y)
    return plain.objective(model.coef_, model.intercept_, X, y, 1.0), model.coef_


TIGHT = {"tol": 1e-10, "max_iter": 300}


def mixture(n=400, dim=6, classes=4, seed=0, dtype=np.float64):
    """Overlapping clouds on a common offset, columns of very different scale."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    X = rng.normal(size=(classes, dim))[y] + rng.normal(size=(n, dim))
    return ((X + 3) * np.logspace(-1, 1, dim)).astype(dtype), y


def words(n=12_000, dim=24, classes=9, seed=0):
    """Enough rows for the warm-up and for sampled curvature; one class rare, labels partly noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) / 3 + 2
    logits = X @ rng.normal(size=(dim, classes))
    logits[:, 0] -= 8
    y = (logits + rng.gumbel(size=logits.shape) * 2).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return X.astype(np.float32), y


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_minimum_is_scipys(classes, C):
    X, y = mixture(classes=classes)
    [found] = solve_logistic(X, [Problem(y=y, n_classes=classes, C=C)], **TIGHT)
    value, coef, intercept = plain.minimum(X, y, classes, C)
    assert found.converged
    assert found.objective == pytest.approx(plain.objective(found.coef, found.intercept, X, y, C), rel=1e-12)
    assert found.objective == pytest.approx(value, rel=1e-6)
    assert found.objective <= value * (1 + 1e-9)
    np.testing.assert_allclose(found.coef, coef, atol=1e-3 * np.abs(coef).max())
    np.testing.assert_allclose(
        found.intercept - found.intercept.mean(), intercept - intercept.mean(), atol=5e-3
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_minimum_is_scikit_learns(classes):
    X, y = mixture(classes=classes)
    [found] = solve_logistic(X, [Problem(y=y, n_classes=classes, C=0.3)], **TIGHT)
    theirs = LogisticRegression(C=0.3, tol=1e-10, max_iter=20_000, solver="newton-cg").fit(X, y)
    coef, intercept = found.coef, found.intercept
    if classes == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    np.testing.assert_allclose(coef, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(
        intercept - intercept.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-3
    )


def test_gradient_norm_is_the_exact_gradients():
    X, y = mixture()
    [found] = solve_logistic(X, [Problem(y=y, n_classes=4)], tol=1e-2)
    g = plain.gradient(found.coef, found.intercept, X, y, 1.0)
    assert found.gradient_norm == pytest.approx(np.abs(g).max() / len(y), rel=1e-6)


def test_excess_estimates_the_distance_to_the_minimum():
    X, y = words()
    value, _ = minimum(X, y)
    for tol in (1e-2, 1e-3, 1e-4):
        [found] = solve_logistic(X, [Problem(y=y, n_classes=9)], tol=tol)
        assert found.converged
        assert found.excess <= tol
        assert -1e-6 <= found.objective / value - 1 <= 4 * tol


def test_many_rows_reach_the_minimum_in_float32():
    X, y = words()
    value, coef = minimum(X, y)
    [found] = solve_logistic(X, [Problem(y=y, n_classes=9)], tol=1e-8)
    assert found.objective == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found.coef, coef, atol=5e-3)


def test_together_or_alone():
    X, y = words()
    rng = np.random.default_rng(1)
    problems = [
        Problem(y=y, n_classes=9),
        Problem(y=rng.permutation(y), n_classes=9, C=0.1),
        Problem(y=(y > 3).astype(int), n_classes=2, C=10.0),
        Problem(y=y % 3, n_classes=3, weights=rng.uniform(0.5, 2, size=len(y))),
    ]
    for together, problem in zip(solve_logistic(X, problems, tol=1e-8), problems, strict=True):
        [alone] = solve_logistic(X, [problem], tol=1e-8)
        assert together.objective == pytest.approx(alone.objective, rel=1e-7)
        np.testing.assert_allclose(together.coef, alone.coef, atol=5e-3)


def test_same_call_same_bits():
    X, y = words()
    first, second = (solve_logistic(X, [Problem(y=y, n_classes=9)])[0] for _ in range(2))
    assert first.coef.tobytes() == second.coef.tobytes()
    assert first.intercept.tobytes() == second.intercept.tobytes()


@pytest.mark.parametrize("chunk", [97, 5000])
def test_chunks_do_not_matter(chunk, monkeypatch):
    X, y = mixture()
    [whole] = solve_logistic(X, [Problem(y=y, n_classes=4)], **TIGHT)
    monkeypatch.setattr(rows, "CHUNK", chunk)
    [parts] = solve_logistic(X, [Problem(y=y, n_classes=4)], **TIGHT)
    np.testing.assert_allclose(parts.coef, whole.coef, atol=1e-4)


def test_half_precision_and_memory_maps_are_read(tmp_path):
    X, y = mixture(dtype=np.float16)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    [half] = solve_logistic(mapped, [Problem(y=y, n_classes=4)], tol=1e-8)
    [full] = solve_logistic(X.astype(np.float64), [Problem(y=y, n_classes=4)], tol=1e-8)
    np.testing.assert_allclose(half.coef, full.coef, atol=1e-3)


def test_weights_count_as_repetition():
    X, y = mixture(n=120)
    times = np.random.default_rng(0).integers(0, 4, size=len(y))
    [weighted] = solve_logistic(X, [Problem(y=y, n_classes=4, weights=times)], **TIGHT)
    [repeated] = solve_logistic(
        np.repeat(X, times, axis=0), [Problem(y=np.repeat(y, times), n_classes=4)], **TIGHT
    )
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-4)


def test_start_at_the_answer_needs_next_to_nothing():
    X, y = words()
    [first] = solve_logistic(X, [Problem(y=y, n_classes=9)], tol=1e-5)
    [again] = solve_logistic(X, [Problem(y=y, n_classes=9, start=first)], tol=1e-5)
    assert again.n_iter <= 3
    assert again.objective == pytest.approx(first.objective, rel=1e-4)
    [stronger] = solve_logistic(X, [Problem(y=y, n_classes=9, C=0.01, start=first)], tol=1e-5)
    [fresh] = solve_logistic(X, [Problem(y=y, n_classes=9, C=0.01)], tol=1e-5)
    assert stronger.objective == pytest.approx(fresh.objective, rel=1e-4)


def test_constant_and_repeated_columns():
    X, y = mixture()
    odd = np.column_stack([X, X[:, :2], np.full(len(X), 7.0), np.zeros(len(X))])
    [found] = solve_logistic(odd, [Problem(y=y, n_classes=4)], **TIGHT)
    value, _, _ = plain.minimum(odd, y, 4, 1.0)
    assert found.objective == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found.coef[:, -2:], 0.0, atol=1e-6)
    np.testing.assert_allclose(found.coef[:, 0], found.coef[:, 6], atol=1e-4)


@pytest.mark.parametrize("C", [1e-4, 1e4])
def test_separable_classes(C):
    X, y = mixture(n=60)
    X = X + 100 * np.eye(6)[y]
    [found] = solve_logistic(X, [Problem(y=y, n_classes=4, C=C)], tol=1e-8, max_iter=500)
    value, _, _ = plain.minimum(X, y, 4, C)
    assert found.objective <= value * (1 + 1e-5)
    assert ((X @ found.coef.T + found.intercept).argmax(axis=1) == y).all()


def test_a_class_of_one_and_a_class_of_none():
    X, y = words()
    y = np.where(y >= 7, 0, y)
    y[5] = 8
    [found] = solve_logistic(X, [Problem(y=y, n_classes=9)], tol=1e-7)
    assert found.intercept[7] == -np.inf
    assert not found.coef[7].any()
    present = np.delete(np.arange(9), 7)
    [dense] = solve_logistic(X, [Problem(y=np.searchsorted(present, y), n_classes=8)], tol=1e-7)
    np.testing.assert_allclose(found.coef[present], dense.coef, atol=1e-5)
    assert found.objective == pytest.approx(minimum(X, np.searchsorted(present, y))[0], rel=1e-5)


def test_too_few_passes_are_confessed():
    X, y = words()
    [found] = solve_logistic(X, [Problem(y=y, n_classes=9)], tol=1e-8, max_iter=2)
    assert (found.converged, found.n_iter) == (False, 2)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(4, 60), dim=st.integers(1, 8), classes=st.integers(2, 5), C=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 50.0]),
)  # fmt: skip
def test_never_above_scipys_minimum(n, dim, classes, C, seed, offset):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, dim)) + offset, rng.integers(classes, size=n)
    y[:2] = 0, 1
    present, codes = np.unique(y, return_inverse=True)
    [found] = solve_logistic(X, [Problem(y=y, n_classes=classes, C=C)], tol=1e-7, max_iter=300)
    # scipy is slow far from the origin; the minimum does not move with the rows
    value, _, _ = plain.minimum(X - X.mean(axis=0), codes, len(present), C)
    assert found.objective <= value * (1 + 1e-5)
    assert found.objective >= value * (1 - 1e-5)


@pytest.mark.parametrize(
    ("X", "problem", "message"),
    [
        (np.ones((3, 2)), {"y": np.array([0, 1])}, "3 integer codes"),
        (np.ones((3, 2)), {"y": np.array([0.0, 1.0, 1.0])}, "3 integer codes"),
        (np.ones((3, 2)), {"y": np.array([0, 1, 2])}, r"codes must lie in 0\.\.1; got 0\.\.2"),
        (np.ones((3, 2)), {"y": np.array([1, 1, 1])}, "at least two classes"),
        (np.ones((3, 2)), {"y": np.array([0, 1, 1]), "C": 0.0}, "C must be a number above 0"),
        (np.ones((3, 2)), {"y": np.array([0, 1, 1]), "weights": np.array([1, -1, 1])}, "none below 0"),
        (np.array([[np.nan], [1], [2]]), {"y": np.array([0, 1, 1])}, "not a finite number"),
        (np.ones((3, 2), dtype=int), {"y": np.array([0, 1, 1])}, "floating point"),
        (np.ones(3), {"y": np.array([0, 1, 1])}, "matrix"),
    ],
)
def test_misuse_is_refused(X, problem, message):
    with pytest.raises(DataError, match=message):
        solve_logistic(X, [Problem(n_classes=2, **problem)])


def test_a_start_of_other_shape_is_refused():
    X, y = mixture()
    [start] = solve_logistic(X[:, :3], [Problem(y=y, n_classes=4)])
    with pytest.raises(DataError, match="start must have coef of shape"):
        solve_logistic(X, [Problem(y=y, n_classes=4, start=start)])


def test_the_warm_up_is_used_here():
    assert len(words()[0]) >= logistic.MANY
