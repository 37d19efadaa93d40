"""The theorems about LEACE as tests, each on a concept that is plainly there before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_classification

import probekit as pk
from probekit.errors import ConfigError, DataError
from tests.erasure.probes import class_means, largest_coefficients, steepest_descent
from tests.erasure.streams import check_refusals, check_stream

LEACE = pk.Leace


def states(classes: int, n: int = 2048, dim: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Two of the features are sums of others: the covariance has no inverse."""
    return make_classification(
        n_samples=n, n_features=dim, n_classes=classes, n_informative=classes, random_state=42
    )


def drawn(seed: int = 0, n: int = 300, dim: int = 8, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    X = (
        rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim))
        + 3.0 * rng.normal(size=(classes, dim))[y]
        + 2.0
    )
    return X, y


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("options", [{}, {"method": "orthogonal"}, {"shrinkage": True}], ids=str)
def test_no_linear_probe_finds_the_concept(classes: int, options: dict[str, object]) -> None:
    X, y = states(classes)
    eraser = LEACE(**options).fit(X, y).eraser_
    erased = eraser(X)
    assert steepest_descent(erased, y) < 1e-12
    if classes in (2, 5) and not options.get("shrinkage"):
        assert min(largest_coefficients(X, y)) > 0.05
        assert max(largest_coefficients(erased, y)) < 1e-8
    assert steepest_descent(X, y) > 0.01
    np.testing.assert_allclose(eraser(erased), erased, atol=1e-11)
    assert eraser.rank == np.linalg.matrix_rank(X - erased) == classes - 1
    np.testing.assert_allclose(erased.mean(axis=0), X.mean(axis=0), atol=1e-12)
    before, after = class_means(X, y), class_means(erased, y)
    assert np.abs(before - X.mean(axis=0)).max() > 0.1
    np.testing.assert_allclose(after, np.broadcast_to(X.mean(axis=0), after.shape), atol=1e-12)


def test_held_out_probes_fall_to_chance() -> None:
    from sklearn.linear_model import LogisticRegression

    X, y = drawn(n=6000, dim=10)
    eraser = LEACE().fit(X[:3000], y[:3000]).eraser_
    scores = []
    for Z in (X, eraser(X)):
        probe = LogisticRegression(max_iter=1000).fit(Z[:3000], y[:3000])
        scores.append(probe.score(Z[3000:], y[3000:]))
    assert scores[0] > 0.8
    assert scores[1] < np.bincount(y[3000:]).max() / 3000 + 0.02


def mean_squared_change(linear: np.ndarray, shift: np.ndarray, X: np.ndarray, metric: np.ndarray) -> float:
    return float((((X @ linear.T + shift - X) @ metric.T) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("options", [{}, {"method": "orthogonal"}, {"shrinkage": True}], ids=str)
def test_no_guarding_affine_map_changes_the_states_less(options: dict[str, object]) -> None:
    X, y = drawn()
    dim = X.shape[1]
    eraser = LEACE(**options).fit(X, y).eraser_
    rng = np.random.default_rng(1)
    # affine maps guard exactly when their linear part sends the differences of class means to zero
    span = np.linalg.svd((class_means(X, y) - X.mean(axis=0)).T)[0][:, :2]
    free = np.eye(dim) - span @ span.T
    shift = X.mean(axis=0) - eraser.matrix @ X.mean(axis=0)
    better = []
    for metric in (np.eye(dim), rng.normal(size=(dim, dim))):
        least = mean_squared_change(eraser.matrix, shift, X, metric)
        for _ in range(40):
            step = 1e-4 * rng.normal(size=(dim, dim)) @ free
            for sign in (1, -1):
                other = eraser.matrix + sign * step
                moved = X @ other.T
                assert np.ptp(class_means(moved, y), axis=0).max() < 1e-10  # it guards as well
                best_shift = X.mean(axis=0) - moved.mean(axis=0)
                better.append(mean_squared_change(other, best_shift, X, metric) < least)
        worse_shift = mean_squared_change(eraser.matrix, shift + 0.1, X, metric)
        assert worse_shift > least
    assert any(better) == bool(options)  # only LEACE itself, without shrinkage, is the least


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(1, 119), max_size=6),
    numeric=st.booleans(),
    single=st.booleans(),
    ordered=st.booleans(),
)
def test_streaming_equals_batch(
    seed: int, cuts: list[int], numeric: bool, single: bool, ordered: bool
) -> None:
    X, labels = drawn(seed, n=120, dim=5)
    if ordered:  # the second class appears only in a later batch
        order = np.argsort(labels, kind="stable")
        X, labels = X[order], labels[order]
    y = (
        np.stack([labels == 1, X[:, 0] ** 2], axis=1).astype(float)
        if numeric
        else np.array(["a", "b", "c"])[labels]
    )
    X = X.astype(np.float32) if single else X
    whole, stream = LEACE().fit(X, y).eraser_, LEACE()
    edges = sorted({0, 120, *cuts})
    for a, b in pairwise(edges):
        stream.partial_fit(X[a:b], y[a:b])
    exact = X.astype(np.float64)
    size = np.abs(exact).max()
    np.testing.assert_allclose(stream.eraser_(exact), whole(exact), atol=(1e-4 if single else 1e-9) * size)
    assert stream.eraser_.about == whole.about | {"tolerance": stream.eraser_.about["tolerance"]}


def test_the_eraser_follows_the_stream() -> None:
    X, y = drawn()
    fitter = LEACE().partial_fit(X[:100], y[:100])
    first = fitter.eraser_
    assert fitter.eraser_ is first
    second = fitter.partial_fit(X[100:], y[100:]).eraser_
    assert second.about["n"] == 300
    assert not np.allclose(first.matrix, second.matrix)
    assert fitter.fit(X[:100], y[:100]).eraser_.key == first.key  # fit begins anew


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 40),
    dim=st.integers(1, 12),
    classes=st.integers(2, 7),
    copies=st.integers(0, 3),
    constants=st.integers(0, 3),
    power=st.integers(-3, 3),
    far=st.sampled_from([0.0, 100.0]),
)
# the rounding of means far from 0, which once passed for a concept that shows in an empty direction
@example(seed=1, n=9, dim=3, classes=5, copies=2, constants=0, power=1, far=100.0)
@example(seed=0, n=2, dim=11, classes=2, copies=0, constants=0, power=3, far=100.0)
def test_whatever_the_shape_all_classes_end_with_one_mean(
    seed: int, n: int, dim: int, classes: int, copies: int, constants: int, power: int, far: float
) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim)) * 10.0 ** rng.integers(-abs(power), abs(power) + 1, dim) + far
    X = np.concatenate([X, 2.0 * X[:, :copies], np.full((n, constants), far)], axis=1)
    y = rng.integers(0, classes, n)
    y[:2] = [0, 1]
    eraser = LEACE().fit(X, y).eraser_
    erased = eraser(X)
    spread = X.std(axis=0) + 1e-9 * np.abs(X).max()
    assert (np.ptp(class_means(erased, y), axis=0) <= 1e-7 * spread).all()
    np.testing.assert_allclose((eraser(erased) - erased) / spread, 0.0, atol=1e-6)
    assert eraser.rank <= min(len(np.unique(y)) - 1, dim)
    np.testing.assert_array_equal(erased[:, dim + min(copies, dim) :], far)


def test_rare_classes_are_erased() -> None:
    # 45 tags spread like those of a treebank, from a seventh of the words down to a handful
    rng = np.random.default_rng(0)
    share = np.exp(-0.2 * np.arange(45))
    n, dim = 20_000, 64
    y = rng.choice(45, n, p=share / share.sum())
    y[:90] = np.repeat(np.arange(45), 2)
    assert np.bincount(y).min() < 10
    X = (rng.normal(size=(n, dim)) + 2.0 * rng.normal(size=(45, dim))[y]) * np.arange(1, dim + 1) ** -0.5
    eraser = LEACE().fit(X, y).eraser_
    before, after = class_means(X, y) - X.mean(axis=0), class_means(eraser(X), y) - X.mean(axis=0)
    left = np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
    assert left.max() < 1e-11
    assert eraser.rank == 44
    # where singular values of the whitened covariances below 0.01 are cut off, whatever their scale, they stay
    centred, z = X - X.mean(axis=0), np.eye(45)[y] - np.bincount(y) / n
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    whitening = (vectors * values**-0.5) @ vectors.T
    u, s, _ = np.linalg.svd(whitening @ centred.T @ z / n, full_matrices=False)
    cut = np.eye(dim) - np.linalg.inv(whitening) @ (u * (s > 0.01)) @ u.T @ whitening
    assert (np.linalg.norm(before @ cut.T, axis=1) / np.linalg.norm(before, axis=1) > 0.05).sum() >= 10


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_two_of_five_thousand_are_erased(dtype) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 32))
    y = np.zeros(5000, dtype=bool)
    y[[17, 4000]] = True
    X[y] += 3.0
    X = X.astype(dtype)
    eraser = LEACE().fit(X, y).eraser_
    before, after = np.ptp(class_means(X, y), axis=0), np.ptp(class_means(eraser(X), y), axis=0)
    assert before.max() > 2.0
    assert after.max() < (1e-12 if dtype == np.float64 else 2e-5)


def test_more_classes_than_dimensions() -> None:
    X, y = drawn(dim=4, classes=30)
    eraser = LEACE().fit(X, y).eraser_
    assert eraser.rank == 4
    np.testing.assert_allclose(eraser(X), np.broadcast_to(X.mean(axis=0), X.shape), atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fewer_rows_than_dimensions(dtype) -> None:
    X, y = drawn(n=12, dim=50)
    X = X.astype(dtype)
    eraser = LEACE().fit(X, y).eraser_
    assert eraser.rank == 2
    exact = X.astype(np.float64)
    close = 1e-10 if dtype == np.float64 else 1e-6
    assert np.ptp(class_means(exact, y), axis=0).max() > 1.0
    assert np.ptp(class_means(eraser(exact), y), axis=0).max() < close * np.abs(X).max()
    # directions in which the data did not vary are left alone
    outside = np.linalg.svd(exact - exact.mean(axis=0))[2][12:]
    np.testing.assert_allclose(eraser.matrix @ outside.T, outside.T, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_constant_dimensions_stay_as_they_are(dtype) -> None:
    X, y = drawn()
    X = X.astype(dtype)
    X[:, 3], X[:, 6] = 0.1, 0.0
    eraser = LEACE().fit(X, y).eraser_
    assert eraser.rank == 2
    assert not eraser.left[[3, 6]].any()
    assert not eraser.right[:, [3, 6]].any()
    np.testing.assert_array_equal(eraser(X)[:, [3, 6]], X[:, [3, 6]])
    still = LEACE().fit(np.ones((5, 3)), [0, 0, 1, 1, 1]).eraser_
    assert still.rank == 0
    np.testing.assert_array_equal(still(np.eye(3)), np.eye(3))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.lists(st.integers(-6, 6), min_size=8, max_size=8))
def test_units_of_the_features_do_not_matter(seed: int, powers: list[int]) -> None:
    X, y = drawn(seed)
    units = 10.0 ** np.array(powers)
    plain, scaled = LEACE().fit(X, y).eraser_, LEACE().fit(X * units, y).eraser_
    assert scaled.rank == plain.rank == 2
    np.testing.assert_allclose(scaled(X * units) / units, plain(X), atol=1e-7 * np.abs(X).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_smaller_floats_guard_to_their_rounding(dtype) -> None:
    X, y = drawn(n=5000, dim=24, classes=4)
    X = (X / 4 + 3.0).astype(dtype)
    eraser = LEACE().fit(X, y).eraser_
    exact = LEACE().fit(X.astype(np.float64), y).eraser_
    np.testing.assert_allclose(eraser.matrix, exact.matrix, atol=1e-4)
    assert np.ptp(class_means(X, y), axis=0).max() > 1.0
    assert np.ptp(class_means(eraser(X.astype(np.float64)), y), axis=0).max() < 1e-5


@pytest.mark.parametrize("informative", [False, True])
def test_a_direction_near_the_rounding_of_float32_is_guarded_and_not_blown_up(informative: bool) -> None:
    # as behind a layer norm: the features add up to the same number, but for a little that may tell the class
    X, y = drawn(n=4000, dim=6)
    rest = X[:, 5] if informative else np.random.default_rng(1).normal(size=4000)
    X[:, 5] = 3e-4 * rest - X[:, :5].sum(axis=1)
    X = X.astype(np.float32)
    stream = LEACE()
    for start in range(0, 4000, 1000):
        stream.partial_fit(X[start : start + 1000], y[start : start + 1000])
    exact = X.astype(np.float64)
    sums = exact.sum(axis=1)
    for eraser in (LEACE().fit(X, y).eraser_, stream.eraser_):
        erased = eraser(exact)
        assert np.ptp(class_means(erased, y), axis=0).max() < 2e-5
        assert np.linalg.norm(eraser.matrix, 2) < 10.0
        if informative:
            before, after = (
                np.ptp([total[y == c].mean() for c in range(3)]) for total in (sums, erased.sum(axis=1))
            )
            assert after < 0.02 * before
    assert (
        np.linalg.norm(LEACE().fit(exact, y).eraser_.matrix, 2) > 100.0
    )  # least change to the letter, and fragile
    assert np.linalg.norm(LEACE(tolerance=1e-6).fit(exact, y).eraser_.matrix, 2) < 10.0


def test_a_feature_below_the_rounding_of_the_others_counts_as_constant() -> None:
    # a dead dimension of a real layer: two neighbouring subnormals of float16
    X, y = drawn(n=1000)
    X = X.astype(np.float32)
    X[:, 4] = np.where(np.arange(1000) % 7 == 0, np.float32(0.0), np.float32(-1.2e-7))
    eraser = LEACE().fit(X, y).eraser_
    assert not eraser.left[4].any()
    assert not eraser.right[:, 4].any()
    assert np.abs(eraser.matrix).max() < 10.0


def test_numbers_one_hot_columns_equal_labels() -> None:
    X, y = drawn()
    by_label, by_column = LEACE().fit(X, y).eraser_, LEACE().fit(X, np.eye(3)[y]).eraser_
    np.testing.assert_allclose(by_column.matrix, by_label.matrix, atol=1e-10)
    two = LEACE().fit(X, np.eye(3)[y][:, :2]).eraser_  # the third column follows from the others
    np.testing.assert_allclose(two.matrix, by_label.matrix, atol=1e-10)
    assert by_column.rank == two.rank == 2


def test_numbers_are_uncorrelated_with_every_feature_afterwards() -> None:
    X, _ = drawn()
    rng = np.random.default_rng(0)
    Z = X[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(300, 2))
    Z = np.concatenate([1e6 + 1e-3 * Z, Z[:, :1] - Z[:, 1:], np.full((300, 1), 7.0)], axis=1)
    eraser = LEACE().fit(X, Z).eraser_
    centred = (Z - Z.mean(axis=0))[:, :3] / Z[:, :3].std(axis=0)
    assert np.abs(centred.T @ (X - X.mean(axis=0)) / 300).max() > 0.5
    assert np.abs(centred.T @ (eraser(X) - X.mean(axis=0)) / 300).max() < 1e-8  # columns hold ten digits
    assert eraser.rank <= 3
    one = LEACE().fit(X, Z[:, 2:3])
    assert one.eraser_.rank == 1
    assert one.classes_ is None
    fit = np.linalg.lstsq(X - X.mean(axis=0), centred[:, 2], rcond=None)[0]
    assert one.correlations_[0] == pytest.approx(((X - X.mean(axis=0)) @ fit).std(), rel=1e-9)


def test_labels_of_every_kind() -> None:
    X, y = drawn()
    first = LEACE(concept="number").fit(X, y)
    assert (first.eraser_.method, first.eraser_.concept) == ("leace", "number")
    assert first.classes_.tolist() == [0, 1, 2]
    assert first.eraser_.about["counts"] == np.bincount(y).tolist()
    for kind in (
        y.astype(np.uint8),
        y.astype(float),
        np.array(["x", "y", "z"])[y],
        (y - 1).astype(np.int8),
        list(y),
    ):
        np.testing.assert_allclose(LEACE().fit(X, kind).eraser_.matrix, first.eraser_.matrix, atol=1e-12)


def test_it_is_an_estimator() -> None:
    fitter = clone(LEACE(method="orthogonal", tolerance=1e-5))
    assert fitter.get_params() == {
        "method": "orthogonal", "tolerance": 1e-5, "shrinkage": False, "concept": "",
    }  # fmt: skip
    assert not hasattr(fitter, "_seen")


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.eye(3), ["a", "a", "a"], "every label is 'a'"),
        (np.eye(3), [0, 1], "3 rows of states but 2 labels"),
        (np.eye(1), [0], "at least 2 rows; got 1"),
        (np.array([[0.0], [np.nan]]), [0, 1], "row 1"),
        (np.array([[0.0], [np.inf]], dtype=np.float32), [0, 1], "row 1"),
        (np.eye(3), np.ones((3, 2)), "constant"),
    ],
)
def test_bad_input_is_refused(X, y, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LEACE().fit(X, y).eraser_  # noqa: B018


def test_batches_of_two_widths_are_refused_with_both_named() -> None:
    with pytest.raises(DataError, match="width 3 came before; got width 2"):
        LEACE().partial_fit(np.eye(3), [0, 1, 0]).partial_fit(np.eye(2), [0, 1])


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'orthogonal'"):
        LEACE(method="orthogonl").fit(np.eye(2), [0, 1])
    with pytest.raises(DataError, match="has seen no states"):
        LEACE().eraser_  # noqa: B018


@pytest.mark.parametrize("numbers", [False, True])
def test_a_refused_batch_leaves_no_trace(numbers: bool) -> None:
    X, y = drawn()
    check_refusals(LEACE(), X, np.eye(3)[y] if numbers else y)
    check_stream(LEACE(), X, np.eye(3)[y] if numbers else y)
