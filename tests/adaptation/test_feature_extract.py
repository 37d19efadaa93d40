"""`FeatureExtract`: every strategy learns, is saved and found again to the bit, forgets when refitted, counts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.features import join_pair
from probekit.adaptation.saved import load_adapted
from probekit.adaptation.strategy import STRATEGIES
from probekit.errors import ConfigError, DataError, ModelError
from tests.tiny_models import tiny_folder, tiny_model

FROZEN = sorted(name for name, one in STRATEGIES.items() if one.family == "feature-extraction")
FAST = {
    "bilstm": {"max_epochs": 6, "hidden": 8, "learning_rate": 0.02},
    "attention-pooling": {"max_epochs": 6, "learning_rate": 0.02},
    "scalar-mix": {"max_epochs": 8},
    "frozen-mlp": {"max_epochs": 20, "learning_rate": 0.01},
    "knn": {"k": 3},
}
BERT = str(tiny_folder("bert"))
NOUNS = ["cat", "dog", "mat", "key", "farmer", "teacher", "book", "house"]
TEXTS = [
    f"the {noun} {verb}" for noun in NOUNS for verb in ("bark at night", "sat on the mat", "laughs here")
]
LABELS = ["bark", "sat", "laugh"] * len(NOUNS)
PAIRS = [(text, TEXTS[(at * 7) % len(TEXTS)]) for at, text in enumerate(TEXTS)]
WORDS = [text.split() for text in TEXTS]
TAGS = [["D", "N", *["V"] * (len(words) - 2)] for words in WORDS]


def make(strategy, **more):
    return FeatureExtract(BERT, strategy, options=FAST.get(strategy), **more)


def flat(outputs):
    return np.concatenate(outputs) if isinstance(outputs, list) else outputs


def test_eight_strategies():
    assert FROZEN == [
        "all-layers", "attention-pooling", "bilstm", "centroid", "frozen-linear", "frozen-mlp", "knn", "scalar-mix",
    ]  # fmt: skip
    for name in FROZEN:
        assert len(STRATEGIES[name].trials) == 2


@pytest.mark.parametrize("strategy", FROZEN)
def test_learns_and_comes_back_to_the_bit(strategy, tmp_path):
    clf = make(strategy).fit(TEXTS, LABELS)
    assert clf.score(TEXTS, LABELS) > 0.6  # a third is chance; the tiny model's weights are random
    new = ["the cat barks", "a house sat on the book"]
    proba = clf.predict_proba(new)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    clf.save(tmp_path)
    again = load_adapted(tmp_path)
    assert again.predict_proba(new).tobytes() == proba.tobytes()
    assert again.predict(new).tolist() == clf.predict(new).tolist()
    assert (again.n_trainable_, again.stored_bytes_) == (clf.n_trainable_, clf.stored_bytes_)
    assert again.history_ == clf.history_
    assert make(strategy).fit(TEXTS, LABELS).predict_proba(new).tobytes() == proba.tobytes()


@pytest.mark.parametrize("strategy", FROZEN)
def test_pairs_words_and_numbers_or_a_clear_line(strategy):
    pairs = make(strategy).fit(PAIRS, LABELS, PAIRS[:6], LABELS[:6])
    assert pairs.predict(PAIRS[:2]).shape == (2,)
    if strategy == "attention-pooling":
        with pytest.raises(ConfigError, match="here words have labels; take bilstm"):
            make(strategy).fit(WORDS, TAGS)
    else:
        tagger = make(strategy).fit(WORDS, TAGS, WORDS[:4], TAGS[:4])
        assert tagger.score(WORDS, TAGS) > 0.7
        assert [len(tags) for tags in tagger.predict(WORDS[:3])] == [len(words) for words in WORDS[:3]]
    numbers = [float(1000 + 3 * (label == "sat")) for label in LABELS]
    if strategy == "centroid":
        with pytest.raises(ConfigError, match="predicts classes, and the labels are numbers"):
            make(strategy).fit(TEXTS, numbers)
        return
    regressor = make(strategy).fit(TEXTS, numbers)
    found = regressor.predict(TEXTS)
    assert found.dtype == np.float64
    assert 995 < found.min() < found.max() < 1008
    assert get_tags(regressor).estimator_type == "regressor"
    with pytest.raises(ConfigError, match="no probabilities"):
        regressor.predict_proba(TEXTS)


@pytest.mark.parametrize("strategy", ["bilstm", "scalar-mix", "frozen-mlp", "attention-pooling"])
def test_another_seed_is_another_head_and_a_refit_forgets(strategy):
    first, other = (make(strategy, seed=seed).fit(TEXTS, LABELS) for seed in (0, 1))
    assert first.predict_proba(TEXTS[:3]).tobytes() != other.predict_proba(TEXTS[:3]).tobytes()
    before = first.predict_proba(TEXTS[:3])
    first.fit(PAIRS, LABELS).fit(TEXTS, LABELS)
    assert first.predict_proba(TEXTS[:3]).tobytes() == before.tobytes()


def test_a_second_task_and_known_texts_cost_no_pass_and_no_model(monkeypatch, tmp_path):
    passes, loads = [], []
    module = tiny_model("bert").module
    real = type(module).forward

    def counted(self, *args, **kwargs):
        passes.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(type(module), "forward", counted)
    from probekit.models import load

    load_model = load.load_model
    monkeypatch.setattr(load, "load_model", lambda *a, **k: loads.append(1) or load_model(*a, **k))
    make("frozen-linear").fit(TEXTS[:12], LABELS[:12])
    assert (bool(passes), len(loads)) == (True, 1)
    passes.clear()
    second = make("scalar-mix").fit(TEXTS[:12], ["x", "y"] * 6)
    second.predict(TEXTS[3:7])  # some of them, in another order than they were read
    second.save(tmp_path)
    load_adapted(tmp_path).predict([TEXTS[5], TEXTS[2]])
    assert (len(passes), len(loads)) == (0, 1)
    second.predict(TEXTS[10:14])
    assert (bool(passes), len(loads)) == (True, 2)
    passes.clear()
    make("centroid").fit(TEXTS[:14], LABELS[:14])  # twelve from one entry, two from another
    assert (len(passes), len(loads)) == (0, 2)


def test_texts_cut_and_units_without_a_piece_are_counted():
    long = "the cat sat on the mat " * 60
    clf = make("frozen-linear").fit([*TEXTS, long], [*LABELS, "sat"])
    assert (clf.n_truncated_, clf.n_left_out_) == (1, 0)
    tagger = make("frozen-linear").fit([*WORDS, ["the", "\u200b"]], [*TAGS, ["D", "N"]])
    assert tagger.n_left_out_ == 1
    assert tagger.predict([["\u200b"]])[0].tolist() == ["V"]  # training's most frequent class
    assert tagger.n_left_out_predicted_ == 1
    lstm = make("bilstm").fit([*WORDS, ["the", "\u200b"]], [*TAGS, ["D", "N"]])
    assert lstm.n_left_out_ == 1
    assert lstm.predict([["the", "\u200b", "cat"]])[0].shape == (3,)
    with pytest.raises(DataError, match="no example of class 'Z' has a piece"):
        make("frozen-linear").fit([*WORDS, ["the", "\u200b"]], [*TAGS, ["D", "Z"]])


def test_an_unknown_dev_label_is_wrong_and_stops_nothing():
    clf = make("scalar-mix").fit(TEXTS, LABELS, TEXTS[:4], ["new", *LABELS[1:4]])
    assert clf.score(TEXTS[:4], ["new"] * 4) == 0
    assert make("bilstm").fit(TEXTS, LABELS, TEXTS[:2], ["new", "new"]).history_


def test_the_mix_shows_its_layers():
    clf = make("scalar-mix").fit(TEXTS, LABELS)
    assert list(clf.layer_weights_) == ["0", "1", "2"]
    assert sum(clf.layer_weights_.values()) == pytest.approx(1, abs=1e-5)
    assert clf.n_trainable_ == 3 + 1 + 3 * 32 + 3
    clf.set_params(strategy="frozen-linear", options=None).fit(TEXTS, LABELS)
    assert not hasattr(clf, "layer_weights_")
    assert clf.n_trainable_ == clf.n_stored_ == 3 * 32 + 3


def test_pools_and_pairs_by_hand():
    clf = make("frozen-linear", pool="mean+cls").fit(TEXTS, LABELS)
    assert clf.head_.coef.shape == (3, 64)
    wide = make("frozen-linear", pool="wide").fit(TEXTS, LABELS)
    assert wide.pool_ == "mean+cls"
    assert wide.head_.coef.tobytes() == clf.head_.coef.tobytes()
    assert make("frozen-linear", pool="wide").fit(WORDS, TAGS).pool_ == "mean"
    causal = FeatureExtract(str(tiny_folder("gpt2")), pool="wide").fit(TEXTS, LABELS)
    assert (causal.pool_, causal.predict(TEXTS[:2]).shape) == ("mean", (2,))
    two = join_pair(np.array([[1.0, 5.0]]), np.array([[4.0, 3.0]]))
    assert two.tolist() == [[1, 5, 4, 3, 3, 2, 4, 15]]
    with pytest.raises(ConfigError, match="unknown pool"):
        make("frozen-linear", pool="median").fit(TEXTS, LABELS)


def test_class_weight_or_a_clear_line():
    labels = ["bark"] * 20 + ["sat"] * 4
    heavy = make("frozen-linear", class_weight={"sat": 1000.0}).fit(TEXTS, labels).predict(TEXTS)
    assert (heavy == "sat").sum() >= 4
    for strategy in ("scalar-mix", "bilstm", "all-layers"):
        assert make(strategy, class_weight="balanced").fit(TEXTS, labels).classes_.tolist() == ["bark", "sat"]
    for strategy in ("knn", "centroid", "frozen-mlp"):
        with pytest.raises(ConfigError, match="has no class weights"):
            make(strategy, class_weight="balanced").fit(TEXTS, labels)


def test_misuse_is_one_clear_line(tmp_path):
    with pytest.raises(NotFittedError):
        make("knn").predict(TEXTS)
    with pytest.raises(ConfigError, match=r"has no option 'kay'.*k"):
        FeatureExtract(BERT, "knn", options={"kay": 3}).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="no layer 7"):
        FeatureExtract(BERT, "frozen-linear", options={"layer": 7}).fit(TEXTS, LABELS)
    clf = make("centroid").fit(TEXTS, LABELS)
    clf.save(tmp_path)
    other = load_adapted(tmp_path)
    other.reader_.fingerprint = "of other weights"
    with pytest.raises(ModelError, match="not those that the head was fitted on"):
        other.predict(["unheard of"])
