"""Dimensions left out of probes: the closed form of linear ones against the loop, by hand, and in a live model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import probekit as pk
from probekit.erasure import dimension_importance as module
from probekit.erasure.dimension_importance import dimension_importance, linear_weights
from probekit.errors import ConfigError, DataError, ProbekitError
from tests.tiny_models import tiny_lm

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 6)) + np.linspace(-1, 1, 6)
TWO = np.where(X[:, 0] + 0.3 * X[:, 2] > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 1], [-1, 0])]
LINEAR = {
    "two": (pk.LinearProbe(), TWO), "three": (pk.LinearProbe(), THREE), "sklearn": (LogisticRegression(), THREE),
    "svc": (LinearSVC(), THREE), "sgd": (SGDClassifier(random_state=0), TWO),
    "numbers": (pk.LinearProbeRegressor(), X[:, 0] - X[:, 3]), "ridge": (Ridge(), X[:, 1]),
}  # fmt: skip


def by_loop(monkeypatch: pytest.MonkeyPatch, *given: Any, **options: Any) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(module, "linear_weights", lambda probe, X: None)
        return dimension_importance(*given, **options)


@pytest.mark.parametrize("name", list(LINEAR))
@pytest.mark.parametrize("how", ["zero", "mean"])
def test_the_closed_form_is_the_loop(name: str, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, y = LINEAR[name]
    probe.fit(X, y)
    assert linear_weights(probe, X) is not None
    labels = None if name in ("numbers", "ridge") else y
    closed = dimension_importance(probe, X, labels, how=how)
    loop = by_loop(monkeypatch, probe, X, labels, how=how)
    assert np.allclose(closed.effect, loop.effect, atol=1e-9)
    assert closed.importance.max() > 0.1


@pytest.mark.parametrize("options", [{"foil": "b"}, {"measure": "log-probability"}])
@pytest.mark.parametrize("labels", ["a", None, "gold"])
def test_foils_and_log_probabilities_too(options: Any, labels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = pk.LinearProbe().fit(X, THREE)
    given = THREE if labels == "gold" else labels
    closed = dimension_importance(probe, X, given, **options)
    loop = by_loop(monkeypatch, probe, X, given, **options)
    assert np.allclose(closed.effect, loop.effect, atol=1e-9)


@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 2**31), st.sampled_from(["zero", "mean"]))
@settings(max_examples=25, deadline=None)
def test_any_linear_probe(n: int, classes: int, seed: int, how: Any) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 4))
    probe = LogisticRegression()
    probe.classes_ = np.arange(classes)
    probe.coef_ = rng.normal(size=(1 if classes == 2 else classes, 4))
    probe.intercept_ = rng.normal(size=len(probe.coef_))
    probe.n_features_in_ = 4
    labels = rng.integers(0, classes, n)
    found = dimension_importance(probe, rows, labels, how=how)
    fill = np.zeros(4) if how == "zero" else rows.mean(0)
    for d in range(4):
        left = rows.copy()
        left[:, d] = fill[d]
        for i, label in enumerate(labels):
            margins = []
            for x in (rows[i], left[i]):
                scores = probe.coef_ @ x + probe.intercept_
                scores = np.array([0.0, scores[0]]) if classes == 2 else scores
                margins.append(scores[label] - max(s for c, s in enumerate(scores) if c != label))
            assert found.effect[i, d] == pytest.approx(margins[0] - margins[1], abs=1e-9)


def test_by_hand() -> None:
    probe = LogisticRegression()
    probe.classes_, probe.n_features_in_ = np.array(["no", "yes"]), 2
    probe.coef_, probe.intercept_ = np.array([[2.0, -1.0]]), np.array([0.5])
    rows = np.array([[1.0, 3.0], [3.0, 5.0]])
    zero = dimension_importance(probe, rows, "yes")
    assert zero.effect.tolist() == [[2.0, -3.0], [6.0, -5.0]]
    assert zero.importance.tolist() == [4.0, 4.0]
    mean = dimension_importance(probe, rows, ["yes", "no"], how="mean")
    assert mean.effect.tolist() == [[-2.0, 1.0], [-2.0, 1.0]]
    assert mean.before.tolist() == [-0.5, -1.5]


@pytest.mark.parametrize(
    "probe",
    [
        pk.MLPProbe(hidden=(5,), max_epochs=3, random_state=0), GaussianNB(),
        make_pipeline(StandardScaler(), LogisticRegression()), SVC(kernel="rbf"),
    ],
)  # fmt: skip
def test_other_probes_are_asked_once_for_every_dimension(probe: Any) -> None:
    probe.fit(X, TWO)
    assert linear_weights(probe, X) is None
    found = dimension_importance(probe, X, TWO, how="mean", dimensions=[2, 0])
    assert found.units == (("", 2), ("", 0))
    from probekit.erasure.probe_scores import class_scores, label_scores

    target = (TWO == "yes").astype(int)
    for column, d in enumerate([2, 0]):
        left = X.copy()
        left[:, d] = X[:, d].mean()
        expected = label_scores(class_scores(probe, X), target, -1, "margin") - label_scores(
            class_scores(probe, left), target, -1, "margin"
        )
        assert np.allclose(found.effect[:, column], expected, atol=1e-9)


def test_linear_is_looked_at_not_believed() -> None:
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    probe = PoissonRegressor().fit(X, counts)  # has coef_, and predicts their exponential
    assert linear_weights(probe, X) is None
    found = dimension_importance(probe, X)
    left = X.copy()
    left[:, 0] = 0
    assert np.allclose(found.effect[:, 0], probe.predict(X) - probe.predict(left))
    assert linear_weights(lambda rows: rows[:, 0], X) is None
    assert dimension_importance(lambda rows: rows[:, 1], X).order[0] == 1


def test_half_precision_and_clusters() -> None:
    rows = X.astype(np.float16)
    probe = pk.LinearProbe().fit(rows, TWO)
    whole = dimension_importance(probe, rows, TWO)
    grouped = dimension_importance(probe, rows, TWO, clusters=np.arange(60) // 6)
    assert np.allclose(whole.importance, grouped.importance)
    assert grouped.effect.shape == (10, 6)
    assert "over sentences" in grouped.rows[1].interval
    assert "over rows" in whole.rows[1].interval


def test_the_embedding_of_a_live_model() -> None:
    model = tiny_lm("bert")
    found = dimension_importance(model, "the cat ___ here", pk.LogOdds("sat", "dogs"), dimensions=[0, 5])
    same = pk.unit_importance(
        model, "the cat ___ here", pk.LogOdds("sat", "dogs"), 0, site="hidden", units=[0, 5]
    )
    assert found.effect.tolist() == same.effect.tolist()
    assert found.kind == "dimension"


@pytest.mark.parametrize(
    ("given", "options", "error", "says"),
    [
        ((X, TWO[:5]), {}, DataError, "one for each row"),
        ((X, "maybe"), {}, ConfigError, "no label 'maybe'"),
        ((X[:, :4], TWO), {}, DataError, "reads 6 dimensions, and X has 4"),
        ((X[0], TWO), {}, DataError, "X must be numbers"),
        ((np.where(X > 2, np.nan, X), TWO), {}, DataError, "NaN"),
        ((X, TWO), {"how": "resample"}, ConfigError, "unknown how"),
        ((X, TWO), {"dimensions": [6]}, ConfigError, "from 0 to 5"),
        ((X, TWO), {"dimensions": []}, ConfigError, "at least one"),
        ((X, TWO), {"clusters": [1, 2]}, DataError, "clusters"),
        ((X, TWO), {"reference": ["a text"]}, ConfigError, "leave it out"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: Any, options: Any, error: type[ProbekitError], says: str
) -> None:
    probe = pk.LinearProbe().fit(X, TWO)
    with pytest.raises(error, match=says):
        dimension_importance(probe, *given, **options)


def test_a_model_needs_a_prediction_and_numbers_have_no_labels() -> None:
    with pytest.raises(ConfigError, match="say what is predicted"):
        dimension_importance(tiny_lm("bert"), "a")
    with pytest.raises(ConfigError, match="for a probe and its rows"):
        dimension_importance(tiny_lm("bert"), "a", pk.LogOdds("cat"), foil="b")
    with pytest.raises(ConfigError, match="leave the labels out"):
        dimension_importance(Ridge().fit(X, X[:, 0]), X, TWO)
