"""INLP: the algebra of its projection, what stops it, what it accepts and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import probekit as pk
from probekit.erasure.inlp import Inlp, new_directions, take_out
from probekit.errors import ConfigError, DataError
from tests.erasure.planted_states import linear_accuracy, planted_states

TRAIN, DEV, TEST = (planted_states(n, classes=3, seed=s) for n, s in ((600, 0), (300, 1), (600, 2)))
CLASSIFIERS = [
    None,
    LogisticRegression(max_iter=1000),
    LinearSVC(random_state=0),
    SGDClassifier(random_state=0),
    RidgeClassifier(),
]


def fitted(classifier: Any = None, **options: Any) -> Inlp:
    return Inlp(classifier, **options).fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1])


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: "fast" if c is None else type(c).__name__)
def test_the_projection_is_the_intersection_of_the_nullspaces(classifier: Any) -> None:
    inlp = fitted(classifier)
    P = inlp.eraser_.matrix
    assert inlp.history_[0].dev_accuracy > 0.9  # it was there
    assert len(inlp.bases_) == len(inlp.coefs_) > 0
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    np.testing.assert_allclose(P, P.T, atol=1e-14)
    one_by_one = [Q @ Q.T for Q in inlp.bases_]
    np.testing.assert_allclose(P, np.eye(12) - sum(one_by_one), atol=1e-12)
    product = np.eye(12)
    for each in one_by_one:
        product = product @ (np.eye(12) - each)
    np.testing.assert_allclose(P, product, atol=1e-12)
    x = TEST[0]
    for W in inlp.coefs_:
        assert np.abs(W @ x.T).max() > 0.1
        assert np.abs(W @ P @ x.T).max() < 1e-9 * np.abs(W).max() * np.abs(x).max()
    assert inlp.history_[-1].rank == inlp.eraser_.rank == sum(Q.shape[1] for Q in inlp.bases_)


def test_nothing_is_found_afterwards_on_rows_never_seen() -> None:
    inlp = fitted()
    erase = inlp.eraser_
    assert linear_accuracy(TRAIN, TEST) > 0.95
    after = linear_accuracy((erase(TRAIN[0]), TRAIN[1]), (erase(TEST[0]), TEST[1]))
    assert after < 1 / 3 + 0.07
    assert "within 0.01 of the majority" in inlp.reason_
    assert inlp.history_[-1].removed == 0
    assert inlp.history_[-1].dev_accuracy <= inlp.majority_ + 0.01


def test_equals_the_plain_loop() -> None:
    """The slow twin projects all rows anew each round, and takes the nullspace of all weights stacked."""
    inlp = fitted(RidgeClassifier(), rounds=3, margin=0.0)
    X, y = TRAIN
    P, stacked = np.eye(12), np.empty((0, 12))
    for number in range(3):
        twin = clone(RidgeClassifier()).fit(X @ P, y)
        assert twin.score(DEV[0] @ P, DEV[1]) == inlp.history_[number].dev_accuracy
        stacked = np.vstack([stacked, twin.coef_])
        _, sizes, directions = np.linalg.svd(stacked)
        kept = directions[: int(np.sum(sizes > 1e-8 * sizes[0]))]
        P = np.eye(12) - kept.T @ kept
    np.testing.assert_allclose(inlp.eraser_.matrix, P, atol=1e-6)
    assert "limit of 3 rounds" in inlp.reason_


def test_stops_on_dev_where_train_would_go_on() -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(40, 60)), np.arange(40) % 2
    X_dev, y_dev = draw.normal(size=(1000, 60)), np.arange(1000) % 2
    assert LogisticRegression(C=100).fit(X, y).score(X, y) == 1.0  # on train, noise separates the classes
    for classifier in (LogisticRegression(C=100), None):
        inlp = Inlp(classifier, margin=0.06).fit(X, y, X_dev=X_dev, y_dev=y_dev)
        assert [one.removed for one in inlp.history_] == [0]
        assert inlp.eraser_.rank == 0
        np.testing.assert_array_equal(inlp.eraser_(X), X)


def test_goes_on_where_dev_still_tells_the_classes() -> None:
    """Train is random labels but for a weak trace; dev shows the trace clearly."""
    draw = np.random.default_rng(1)
    X, y = draw.normal(size=(2000, 4)), np.arange(2000) % 2
    X[:, 1] += 0.5 * y
    X_dev, y_dev = draw.normal(size=(500, 4)), np.arange(500) % 2
    X_dev[:, 1] += 20.0 * y_dev - 10.0
    inlp = Inlp(LogisticRegression(max_iter=1000)).fit(X, y, X_dev=X_dev, y_dev=y_dev)
    assert LogisticRegression(max_iter=1000).fit(X, y).score(X, y) < 0.65
    assert inlp.history_[0].dev_accuracy > 0.9
    assert inlp.history_[0].removed == 1


def test_ends_where_nothing_is_left() -> None:
    X, y = planted_states(300, classes=3, dim=2 + 1)
    inlp = Inlp(LogisticRegression(max_iter=1000), margin=0.0).fit(X[:, :2], y, X_dev=X[:, :2], y_dev=y)
    assert "nothing is left: all 2 directions" in inlp.reason_
    assert inlp.eraser_.rank == 2
    erased = inlp.eraser_(X[:, :2])
    np.testing.assert_allclose(erased, np.broadcast_to(X[:, :2].mean(0), erased.shape), atol=1e-9)


def test_the_fast_classifier_needs_fewer_directions_for_the_same_residual() -> None:
    train, dev, test = (planted_states(3000, dim=40, apart=2.0, seed=s) for s in range(3))

    def residual(inlp: Inlp) -> float:
        erase = inlp.fit(*train, X_dev=dev[0], y_dev=dev[1]).eraser_
        return linear_accuracy((erase(train[0]), train[1]), (erase(test[0]), test[1]))

    assert linear_accuracy(train, test) > 0.97
    fast, plain = Inlp(rounds=1), Inlp(LogisticRegression(max_iter=5000), rounds=1)
    assert residual(fast) < residual(plain) - 0.02
    assert fast.history_[0].dev_accuracy > plain.history_[0].dev_accuracy - 0.02


def test_the_scale_of_the_features_does_not_matter_to_the_fast_classifier() -> None:
    plain = fitted(rounds=1)
    large = Inlp(rounds=1).fit(1e4 * TRAIN[0], TRAIN[1], X_dev=1e4 * DEV[0], y_dev=DEV[1])
    np.testing.assert_allclose(plain.eraser_.matrix, large.eraser_.matrix, atol=1e-6)


def test_a_fixed_penalty_is_that_of_the_probe() -> None:
    inlp = fitted(C=0.01, rounds=1)
    probe = pk.LinearProbe(C=0.01, tol=1e-10).fit(*TRAIN)
    assert inlp.history_[0].C == 0.01
    span = np.linalg.svd(probe.coef_)[2][:2]
    np.testing.assert_allclose(inlp.eraser_.matrix, np.eye(12) - span.T @ span, atol=0.05)


def test_the_mean_stays_or_goes() -> None:
    kept, gone = fitted(), fitted(keep_mean=False)
    np.testing.assert_allclose(kept.eraser_(TRAIN[0]).mean(0), TRAIN[0].mean(0), atol=1e-9)
    np.testing.assert_allclose(gone.eraser_(TRAIN[0]), TRAIN[0] @ gone.eraser_.matrix, atol=1e-9)
    np.testing.assert_array_equal(kept.eraser_.matrix, gone.eraser_.matrix)


def test_states_given_are_not_changed_and_runs_repeat() -> None:
    X, X_dev = TRAIN[0].copy(), DEV[0].copy()
    one, two = fitted(), fitted()
    np.testing.assert_array_equal(X, TRAIN[0])
    np.testing.assert_array_equal(X_dev, DEV[0])
    assert one.eraser_.key == two.eraser_.key
    assert one.history_ == two.history_


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_small_floats_and_text_labels(dtype: type) -> None:
    words = np.array(["sg", "pl", "du"])
    inlp = Inlp(concept="number").fit(
        TRAIN[0].astype(dtype), words[TRAIN[1]], X_dev=DEV[0].astype(dtype), y_dev=words[DEV[1]]
    )
    assert inlp.classes_.tolist() == ["du", "pl", "sg"]
    about = inlp.eraser_.about
    assert (about["classes"], about["n"], about["dev"]) == (["du", "pl", "sg"], 600, "given")
    assert about["ended"] == inlp.reason_
    assert inlp.eraser_.concept == "number"
    assert inlp.eraser_(DEV[0].astype(dtype)).dtype == dtype


def test_a_dev_label_that_train_lacks_counts_as_wrong() -> None:
    y_dev = np.where(np.arange(300) < 150, 7, DEV[1])
    inlp = Inlp(LogisticRegression(max_iter=1000), rounds=1).fit(*TRAIN, X_dev=DEV[0], y_dev=y_dev)
    assert inlp.history_[0].dev_accuracy <= 0.5
    assert inlp.majority_ == 0.5


def test_a_classifier_sees_the_labels_as_they_are() -> None:
    words = np.array(["sg", "pl", "du"])
    balanced, heavy = (
        Inlp(LogisticRegression(max_iter=1000, class_weight=weight), rounds=1).fit(
            TRAIN[0], words[TRAIN[1]], X_dev=DEV[0], y_dev=words[DEV[1]]
        )
        for weight in ({"sg": 1, "pl": 1, "du": 1}, {"sg": 1e-4, "pl": 1, "du": 1})
    )
    assert balanced.history_[0].dev_accuracy > 0.9
    assert heavy.history_[0].dev_accuracy < balanced.history_[0].dev_accuracy


def test_the_eraser_is_saved_with_its_history(tmp_path: Any) -> None:
    eraser = fitted(LogisticRegression(max_iter=1000)).eraser_
    eraser.save(tmp_path / "inlp")
    again = pk.Eraser.load(tmp_path / "inlp")
    assert again.about["history"][0]["dev_accuracy"] > 0.9
    assert again.about["classifier"] == "LogisticRegression(max_iter=1000)"
    np.testing.assert_array_equal(again(TEST[0]), eraser(TEST[0]))


def test_progress_is_told() -> None:
    seen: list[tuple[str, int, int]] = []
    Inlp(rounds=2).fit(*TRAIN, X_dev=DEV[0], y_dev=DEV[1], progress=lambda *a: seen.append(a))
    assert [one[1:] for one in seen] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"rounds": 0}, "at least one round"),
        ({"margin": 1.5}, "margin"),
        ({"slack": -0.1}, "slack"),
        ({"C": 0.0}, "C must be"),
        ({"classifier": DecisionTreeClassifier()}, "DecisionTreeClassifier has no coef_"),
    ],
)
def test_parameters_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fitted(**parameters)


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_new_directions_complete_the_span(rows: int, rank: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    basis = np.linalg.qr(draw.normal(size=(8, rank)))[0]
    coef = draw.normal(size=(rows, 8))
    coef[rows // 2 :] = coef[0] * 1e-3 + (basis @ draw.normal(size=rank))  # the rows need not be independent
    new = new_directions(coef, basis)
    np.testing.assert_allclose(new.T @ new, np.eye(new.shape[1]), atol=1e-12)
    assert not basis.size or not new.size or np.abs(basis.T @ new).max() < 1e-12
    whole = np.concatenate([basis, new], axis=1)
    np.testing.assert_allclose((coef @ whole) @ whole.T, coef, atol=1e-9)
    assert whole.shape[1] == np.linalg.matrix_rank(np.vstack([basis.T, coef]), tol=1e-9)


def test_take_out_works_in_place_and_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.erasure.inlp.CHUNK", 7)
    X = TRAIN[0][:30].copy()
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 2)))[0]
    take_out(X, q)
    np.testing.assert_allclose(X, TRAIN[0][:30] @ (np.eye(12) - q @ q.T), atol=1e-12)


def test_data_refused() -> None:
    X, y = TRAIN
    with pytest.raises(DataError, match="every label is 'a'"):
        Inlp().fit(X, ["a"] * len(X))
    with pytest.raises(DataError, match="width 12, dev has width 5"):
        Inlp().fit(X, y, X_dev=DEV[0][:, :5], y_dev=DEV[1])


@pytest.mark.parametrize(("n", "dim", "classes"), [(600, 4, 9), (30, 80, 2), (300, 1, 2), (400, 6, 3)])
def test_more_classes_than_dimensions_fewer_rows_than_dimensions_and_empty_ones(
    n: int, dim: int, classes: int
) -> None:
    draw = np.random.default_rng(0)
    means = 4.0 * draw.normal(size=(classes, dim))

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(count) % classes
        X = means[y] + draw.normal(size=(count, dim))
        if dim == 6:
            X[:, 2] = 5.0  # constant
        return X, y

    train, dev = rows(n), rows(900)
    inlp = Inlp().fit(*train, X_dev=dev[0], y_dev=dev[1])
    assert inlp.history_[0].dev_accuracy > inlp.majority_ + 0.2
    erase = inlp.eraser_
    after = linear_accuracy((erase(train[0]), train[1]), (erase(dev[0]), dev[1]))
    assert after < inlp.majority_ + 0.12
    np.testing.assert_allclose(erase.matrix @ erase.matrix, erase.matrix, atol=1e-10)
    if dim == 6:
        np.testing.assert_allclose(erase(train[0])[:, 2], 5.0, atol=1e-6)
