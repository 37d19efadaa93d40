"""A probe reads in erasure what it reads in extraction; margins and log-probabilities by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.erasure.probe_output import ProbeOutput
from probekit.erasure.probe_scores import class_scores, label_code, label_scores, torch_scores
from probekit.erasure.reading import values_of
from probekit.errors import ConfigError, ModelError
from tests.tiny_models import TEXTS, tiny_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 32)).astype(np.float32)
THREE = np.array(["a", "b", "c"])[RNG.integers(0, 3, 90)]
TWO = np.where(X[:, 0] > 0, "yes", "no")
SENTENCES = [Sentence.from_text(str(i), text) for i, text in enumerate([*TEXTS[:2], TEXTS[4], TEXTS[6]])]


def values(probe: Any, kind: str = "bert", **options: Any) -> np.ndarray[Any, Any]:
    bound = ProbeOutput(probe, 1, **options).bind(tiny_model(kind), SENTENCES)
    return values_of(bound, bound.looks(bound.versions))


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "llama"])
@pytest.mark.parametrize("pool", ["mean", "first", "last", "max"])
def test_words_and_sentences_are_read_as_they_are_extracted(kind: str, pool: str) -> None:
    probe = LogisticRegression().fit(X, TWO)
    model = tiny_model(kind)
    corpus = Corpus([Sentence.from_text(f"s{s.id}", s.text) for s in SENTENCES])
    acts = pk.extract(model, corpus, layers=[1], pool=pool, dtype="float32")
    rows = np.stack(
        [
            acts.gather("1", np.flatnonzero((acts.index.sentence == i) & (acts.index.number == 1)))[0]
            for i in range(4)
        ]
    )
    assert np.allclose(
        values(probe, kind, label="yes", word=1, pool=pool), probe.decision_function(rows), atol=1e-4
    )
    if pool != "first":
        whole = pk.extract(model, corpus, layers=[1], unit="sentence", pool=pool, dtype="float32")
        rows = whole.gather("1", np.argsort(whole.index.sentence))
        assert np.allclose(
            values(probe, kind, label="no", pool=pool), -probe.decision_function(rows), atol=1e-4
        )


def test_margins_and_log_probabilities_by_hand() -> None:
    logits = np.array([[2.0, 0.5, -1.0], [0.0, 3.0, 4.0]])
    target = np.array([0, 1])
    assert label_scores(logits, target, -1, "margin").tolist() == [1.5, -1.0]
    assert label_scores(logits, target, 2, "margin").tolist() == [3.0, -1.0]
    expected = [2.0 - np.log(np.exp([2.0, 0.5, -1.0]).sum()), 3.0 - np.log(np.exp([0.0, 3.0, 4.0]).sum())]
    assert np.allclose(label_scores(logits, target, -1, "log-probability"), expected)


def test_two_classes_have_one_margin_and_its_negative() -> None:
    probe = pk.LinearProbe().fit(X, TWO)
    scores = class_scores(probe, X)
    assert np.allclose(label_scores(scores, np.ones(90, int), -1, "margin"), probe.decision_function(X))
    assert np.allclose(label_scores(scores, np.zeros(90, int), -1, "margin"), -probe.decision_function(X))
    logprob = label_scores(scores, np.ones(90, int), -1, "log-probability")
    assert np.allclose(logprob, probe.predict_log_proba(X)[:, 1], atol=1e-5)


def test_without_a_label_it_is_the_one_predicted_of_the_whole_text() -> None:
    probe = pk.LinearProbe().fit(X, THREE)
    open_ = values(probe)
    each = np.stack([values(probe, label=label) for label in "abc"])
    assert np.allclose(open_, each.max(axis=0), atol=1e-6)
    assert (open_ > 0).all()
    mixed = values(probe, label=["a", None, "b", None])
    assert np.allclose(mixed, [each[0, 0], open_[1], each[1, 2], open_[3]], atol=1e-6)


def test_other_probes_give_what_they_have() -> None:
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, TWO)
    assert ProbeOutput(forest, 1).unit == "nats"  # differences of log-probabilities
    assert ProbeOutput(RidgeClassifier().fit(X, TWO), 1).unit == "units of its decision function"
    assert np.isfinite(values(GaussianNB().fit(X, THREE), label="b", foil="a")).all()
    ridge = Ridge().fit(X, X[:, 0])
    assert ProbeOutput(ridge, 1).name == "Ridge at layer 1, the sentence"
    assert np.isfinite(values(ridge)).all()
    assert ProbeOutput(np.median, 1, word=[1, 2]).name == "median at layer 1, its word"


@pytest.mark.parametrize("labels", [TWO, THREE])
def test_gradients_are_of_the_same_scores(labels: Any) -> None:
    for probe in (
        pk.LinearProbe().fit(X, labels),
        pk.MLPProbe(hidden=(8, 6), max_epochs=3, random_state=0).fit(X, labels),
    ):
        found = torch_scores(probe, torch.from_numpy(X))
        assert found is not None
        scores = class_scores(probe, X)
        assert np.allclose(found - found[:, :1], scores - scores[:, :1], atol=1e-4)
    assert torch_scores(GaussianNB().fit(X, labels), torch.from_numpy(X)) is None


def test_regressors_have_gradients_too() -> None:
    for probe in (
        pk.LinearProbeRegressor().fit(X, X[:, 1]),
        pk.MLPProbeRegressor(max_epochs=2, random_state=0).fit(X, X[:, 1]),
    ):
        found = torch_scores(probe, torch.from_numpy(X))
        assert found is not None
        assert np.allclose(found[:, 0], probe.predict(X), atol=1e-4)


def test_what_does_not_go_together_is_refused() -> None:
    probe = pk.LinearProbe().fit(X, THREE)
    with pytest.raises(ModelError, match=r"reads 5 dimensions, and layer 1 of .* has 32"):
        ProbeOutput(pk.LinearProbe().fit(X[:, :5], THREE), 1).bind(tiny_model("bert"), SENTENCES)
    with pytest.raises(ConfigError, match="no label 'd'"):
        values(probe, label="d")
    with pytest.raises(ConfigError, match="no label 'd'"):
        values(probe, foil="d")
    with pytest.raises(ConfigError, match="predicts numbers"):
        label_code(Ridge().fit(X, X[:, 0]), "a")
    with pytest.raises(ConfigError, match="unknown measure 'margn'; did you mean 'margin'"):
        ProbeOutput(probe, 1, measure="margn")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown pool"):
        ProbeOutput(probe, 1, pool="cls")
    with pytest.raises(ConfigError, match="must be a fitted"):
        ProbeOutput("probe", 1)
    with pytest.raises(ConfigError, match="not fitted"):
        ProbeOutput(Ridge(), 1)
    with pytest.raises(ConfigError, match="gives no probabilities"):
        ProbeOutput(RidgeClassifier().fit(X, TWO), 1, measure="log-probability")
    with pytest.raises(ConfigError, match="the probability 0"):
        values(RandomForestClassifier(n_estimators=2, random_state=0).fit(X, TWO))
    with pytest.raises(ConfigError, match="one number for each"):
        values(lambda rows: rows)
