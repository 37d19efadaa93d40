"""Least squares from the concept is subtracted: it guards, and nothing guards with a smaller change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.erasure.oracle_leace import OracleEraser
from probekit.errors import DataError, StoreError
from tests.erasure.probes import class_means, largest_coefficients, steepest_descent
from tests.erasure.streams import check_refusals, check_stream


def drawn(seed: int = 0, n: int = 400, dim: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.array(["a", "b", "c"])[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    y[:3] = ["a", "b", "c"]
    X = rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + (y == "b")[:, None] * 3.0
    return X + (y == "c")[:, None] * rng.normal(size=dim) * 4.0, y


def test_labels_lose_the_differences_of_their_means_and_nothing_else() -> None:
    X, y = drawn()
    eraser = pk.OracleLeace(concept="tag").fit(X, y).eraser_
    erased = eraser(X, y)
    expected = X + X.mean(axis=0)
    for label in "abc":
        expected[y == label] -= X[y == label].mean(axis=0)
    np.testing.assert_allclose(erased, expected, atol=1e-12)
    assert min(largest_coefficients(X, y)) > 0.1
    assert max(largest_coefficients(erased, y)) < 1e-8
    assert steepest_descent(erased, y) < 1e-12 < 0.1 < steepest_descent(X, y)
    np.testing.assert_allclose(erased.mean(axis=0), X.mean(axis=0), atol=1e-12)


def test_numbers_lose_what_least_squares_predicts() -> None:
    X, y = drawn()
    rng = np.random.default_rng(0)
    Z = np.stack([y == "b", X[:, 0] + rng.normal(size=len(X)), 5.0 * (y == "b"), np.ones(len(X))], axis=1)
    erased = pk.OracleLeace().fit(X, Z).eraser_(X, Z)
    design = Z - Z.mean(axis=0)
    expected = X - design @ np.linalg.lstsq(design, X, rcond=1e-10)[0]
    np.testing.assert_allclose(erased, expected, atol=1e-9)
    assert np.abs(design.T @ X / len(X)).max() > 0.3
    assert np.abs(design.T @ erased / len(X)).max() < 1e-10


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_its_change_is_at_most_that_of_leace(seed: int) -> None:
    X, y = drawn(seed)
    oracle = pk.OracleLeace().fit(X, y).eraser_(X, y)
    leace = pk.Leace().fit(X, y).eraser_(X)
    for metric in (np.eye(7), np.random.default_rng(seed).normal(size=(7, 7))):
        assert (((oracle - X) @ metric) ** 2).sum() <= (((leace - X) @ metric) ** 2).sum() * (1 + 1e-9)
    np.testing.assert_allclose(class_means(oracle, y), class_means(leace, y), atol=1e-9)


def test_one_hot_columns_equal_labels() -> None:
    X, y = drawn()
    Z = (y[:, None] == np.array(["a", "b", "c"])).astype(float)
    np.testing.assert_allclose(
        pk.OracleLeace().fit(X, Z).eraser_(X, Z), pk.OracleLeace().fit(X, y).eraser_(X, y), atol=1e-10
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_of_any_shape(dtype: torch.dtype) -> None:
    X, y = drawn()
    codes = np.searchsorted(["a", "b", "c"], y)
    eraser = pk.OracleLeace().fit(X, codes).eraser_
    states = torch.from_numpy(X).to(dtype)
    found = eraser(states.reshape(4, 100, 7), torch.from_numpy(codes).reshape(4, 100))
    assert (found.shape, found.dtype) == ((4, 100, 7), dtype)
    expected = eraser(states.double().numpy(), codes)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.2}[dtype]
    np.testing.assert_allclose(found.reshape(-1, 7).double().numpy(), expected, atol=tolerance)
    assert eraser(X.astype(np.float16), codes).dtype == np.float16


@pytest.mark.parametrize("numbers", [False, True])
def test_saved_and_loaded_it_maps_to_the_same_bits(tmp_path, numbers: bool) -> None:
    X, y = drawn()
    z = np.stack([y == "a", y == "b"], axis=1).astype(float) if numbers else y
    eraser = pk.OracleLeace(concept="tag").fit(X, z).eraser_
    eraser.save(tmp_path / "oracle")
    again = OracleEraser.load(tmp_path / "oracle")
    assert again(X, z).tobytes() == eraser(X, z).tobytes()
    assert (again.classes, again.concept, again.about) == (eraser.classes, "tag", eraser.about)
    assert repr(again) == f"OracleEraser('tag', dim=7, classes={0 if numbers else 3})"
    with pytest.raises(StoreError, match="not an eraser"):
        pk.Eraser.load(tmp_path / "oracle")
    pk.Leace().fit(X, y).eraser_.save(tmp_path / "leace")
    with pytest.raises(StoreError, match="kind 'eraser', format 1; expected 'oracle-eraser'"):
        OracleEraser.load(tmp_path / "leace")


def test_what_it_was_not_fitted_on_is_refused() -> None:
    X, y = drawn()
    eraser = pk.OracleLeace().fit(X, y).eraser_
    with pytest.raises(DataError, match="label 'd' was not among the 3 classes"):
        eraser(X[:2], ["a", "d"])
    with pytest.raises(DataError, match=r"need labels of shape \(2,\); got \(3,\)"):
        eraser(X[:2], ["a", "b", "a"])
    with pytest.raises(DataError, match="width 7; got width 5"):
        eraser(X[:2, :5], ["a", "b"])
    with pytest.raises(DataError, match="floating point"):
        eraser(np.zeros((2, 7), dtype=int), ["a", "b"])
    numbers = pk.OracleLeace().fit(X, X[:, :2]).eraser_
    with pytest.raises(DataError, match=r"need numbers of shape \(400, 2\); got \(400, 3\)"):
        numbers(X, X[:, :3])
    odd = pk.OracleLeace().fit(X[:2], np.array([(1, 2), "x", 0], dtype=object)[:2]).eraser_
    with pytest.raises(DataError, match="cannot be saved"):
        odd.save("nowhere")


@pytest.mark.parametrize("numbers", [False, True])
def test_a_stream_equals_the_whole(numbers: bool) -> None:
    X, y = drawn()
    z = np.stack([y == "a", X[:, 0] + (y == "b")], axis=1).astype(float) if numbers else y
    check_stream(pk.OracleLeace(), X, z)
    check_refusals(pk.OracleLeace(concept="tag"), X, z)
    assert (pk.OracleLeace().partial_fit(X, z).classes_ is None) == numbers


def test_a_class_may_come_in_a_later_batch() -> None:
    X, y = drawn()
    X, y = X[np.argsort(y)], np.sort(y)
    fitter = pk.OracleLeace().partial_fit(X[y == "c"], y[y == "c"])
    assert fitter.classes_.tolist() == ["c"]
    with pytest.raises(DataError, match="every label is 'c'"):
        fitter.eraser_  # noqa: B018
    fitter.partial_fit(X[y != "c"], y[y != "c"])
    assert fitter.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(fitter.eraser_(X, y), pk.OracleLeace().fit(X, y).eraser_(X, y), atol=1e-11)
