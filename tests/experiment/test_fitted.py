"""What a classifier is asked and how: units, pipelines, searches, saved folders; nothing stays in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.errors import ConfigError, DataError
from probekit.experiment.fitted import Fitted
from tests.experiment.stand_ins import Counting, CountingPairs, Measuring, Tagging
from tests.tiny_models import tiny_folder

TEXTS = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"] * 2
LABELS = ["pl", "sg", "pl", "sg"] * 2


def test_units_and_classes() -> None:
    found = Fitted.of(Tagging())
    assert (found.unit, found.strategy, found.model_name) == ("word", "Tagging", "")
    assert found.example("a  word") == ("a", "word") == found.example(["a", "word"])
    assert found.ask([("a", "word"), ("word", "a")], [1, 0]) == pytest.approx(
        np.array([[8 / 9, 1 / 9], [16 / 17, 1 / 17]])
    )
    assert found.of_words(("a", "word")).shape == (2, 2)
    assert Fitted.of(Measuring()).classes is None
    assert Fitted.of(Measuring()).ask(["four"]) == pytest.approx(np.array([[2.0]]))


@pytest.mark.parametrize(
    ("classifier", "text", "message"),
    [
        (Counting(), " \n", "the text is empty"),
        (Tagging(), [], "the text is empty"),
        (Counting(), 3, r"the text: a text expected, got int \(3\)"),
        (Counting(), None, "the text: a text expected, got NoneType"),
        (CountingPairs(), "one", "reads pairs of texts"),
        (CountingPairs(), ("a", "b", "c"), "the text: a pair has two texts; got 3"),
        (CountingPairs(), ("a", ""), "the text has an empty text"),
        (Tagging(), ["a", 3], r"the text: all parts must be str"),
    ],
)
def test_texts_that_it_does_not_read(classifier: Any, text: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Fitted.of(classifier).example(text)


def test_what_is_no_classifier() -> None:
    with pytest.raises(ConfigError, match="a fitted classifier expected, got int"):
        Fitted.of(3)
    with pytest.raises(NotFittedError):
        Fitted.of(FineTune(str(tiny_folder("bert"))))
    plain = make_pipeline(CountVectorizer(), RidgeClassifier()).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="RidgeClassifier gives no probabilities"):
        Fitted.of(plain)
    with pytest.raises(ConfigError, match="no class 'pk'; known: pl, sg"):
        Fitted.of(Counting()).code("pk")
    with pytest.raises(ConfigError, match="no label to ask about"):
        Fitted.of(Measuring()).code("pl")


def test_the_transformer_inside_pipelines_and_searches() -> None:
    tuned = FineTune(str(tiny_folder("bert")), "head-only", epochs=1)
    search = GridSearchCV(make_pipeline(tuned), {"finetune__rate": [0.01]}, cv=2).fit(TEXTS, LABELS)
    found = Fitted.of(search)
    assert found.final is search.best_estimator_.steps[-1][1]
    assert found.model() is found.final.live_.model
    assert found.strategy == "head-only"
    plain = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)
    assert Fitted.of(plain).model() is None
    assert Fitted.of(plain).strategy == "LogisticRegression"


def test_looking_leaves_nothing_in_the_store(own_store: Path) -> None:
    classifier = FeatureExtract(str(tiny_folder("bert"))).fit(TEXTS, LABELS)
    before = sorted(own_store.rglob("*"))
    found = Fitted.of(classifier)
    folder = Path(found.final.reader_.store.root)
    assert found.ask(["a text never seen"]).shape == (1, 2)
    assert sorted(own_store.rglob("*")) == before
    assert classifier.store is None
    assert folder.is_dir()
    assert found.ask(["keys rust"]) == pytest.approx(classifier.predict_proba(["keys rust"]), abs=1e-6)
    del found
    assert not folder.exists()


@pytest.mark.parametrize("wrapped", ["pipeline", "search"])
def test_looking_inside_pipelines_and_searches_leaves_nothing_either(wrapped: str, own_store: Path) -> None:
    inner = FeatureExtract(str(tiny_folder("bert")))
    outer = (
        make_pipeline("passthrough", inner)
        if wrapped == "pipeline"
        else GridSearchCV(inner, {"seed": [0]}, cv=2)
    )
    outer.fit(TEXTS, LABELS)
    before = sorted(own_store.rglob("*"))
    found = Fitted.of(outer)
    assert found.ask(["another text never seen"]).shape == (1, 2)
    assert sorted(own_store.rglob("*")) == before
    assert found.ask(["keys rust"]) == pytest.approx(outer.predict_proba(["keys rust"]), abs=1e-6)


def test_the_folder_of_a_saved_one(tmp_path: Path) -> None:
    tuned = FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(TEXTS, LABELS)
    tuned.save(tmp_path)
    assert (Fitted.of(tmp_path).ask(["a dog"]) == tuned.predict_proba(["a dog"])).all()
    with pytest.raises(DataError, match="holds no saved classifier"):
        Fitted.of(str(tmp_path / "nothing"))
