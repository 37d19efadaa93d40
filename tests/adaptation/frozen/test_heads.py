"""Heads on stored states against plain twins: scikit-learn, loops, and torch one text at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from probekit.adaptation.features import Features, Source, WordRows
from probekit.adaptation.frozen import (
    all_layers,
    attention_pooling,
    bilstm,
    centroid,
    knn,
    linear,
    mlp,
    scalar_mix,
)
from probekit.adaptation.frozen.word_nets import Words
from probekit.errors import ConfigError

RNG = np.random.default_rng(0)
N, DIM = 90, 5
LAYERS = {name: (RNG.normal(size=(N, DIM)) * scale + 3).astype(np.float32) for name, scale in
          (("0", 1.0), ("1", 20.0), ("2", 0.3))}  # fmt: skip
Y = LAYERS["2"][:, :3].argmax(axis=1)  # the last layer tells


class Acts:
    """An entry of the store, in memory."""

    layers = ("0", "1", "2")
    dim = DIM

    def gather(self, layer, rows):
        return LAYERS[layer][rows]


def features(rows=None, words=None):
    source = Source(((Acts(), np.arange(N) if rows is None else rows),))
    if words is None:
        return Features(((source,),), (), len(source))
    return Features((), (words,), words.start.size - 1 if words.unit is None else N)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (linear, {"C": "x"}, "'frozen-linear': C must be a number above 0; got 'x'"),
        (linear, {"alpha": -1}, "alpha must be a number of at least 0; got -1"),
        (knn, {"k": True}, "k must be a whole number above 0; got True"),
        (mlp, {"hidden": (5, 0)}, "hidden has whole numbers from 1 on"),
        (mlp, {"learning_rate": -1.0}, "learning_rate must be a number above 0; got -1.0"),
        (mlp, {"max_epochs": 0}, "max_epochs must be a whole number above 0; got 0"),
        (scalar_mix, {"batch_size": 0}, "batch_size must be a whole number above 0; got 0"),
        (scalar_mix, {"weight_decay": float("nan")}, "weight_decay must be a number of at least 0; got nan"),
        (bilstm, {"dropout": 1.0}, "dropout must be a number from 0 up to 1; got 1.0"),
        (attention_pooling, {"heads": 0}, "heads must be a whole number above 0; got 0"),
    ],
)
def test_an_option_that_means_nothing_is_one_line(kind, options, message):
    with pytest.raises(ConfigError) as problem:
        kind.head(options, 0)
    assert message in str(problem.value)


def test_options_may_be_numbers_of_numpy():
    assert knn.head({"k": np.int64(3)}, 0).k == 3
    assert mlp.head({"hidden": np.int32(7)}, 0).settings["hidden"] == (7,)
    assert linear.head({"C": np.float32(0.5)}, 0).C == 0.5


def test_sources_of_two_entries_and_gaps():
    first, second = np.array([3, -1, -1, 0]), np.array([-1, 5, -1, -1])
    source = Source(((Acts(), first), (Acts(), second)))
    assert source.there.tolist() == [True, True, False, True]
    found = source.vectors("1")
    np.testing.assert_array_equal(found, [LAYERS["1"][3], LAYERS["1"][5], np.zeros(DIM), LAYERS["1"][0]])
    np.testing.assert_array_equal(source.vectors("1", np.array([3, 1])), found[[3, 1]])


def test_centroids_are_scikit_learns():
    head = centroid.head({"layer": "2"}, 0)
    head.fit(features(), Y, 3)
    theirs = NearestCentroid().fit(LAYERS["2"], Y)
    np.testing.assert_allclose(head.means + head.center, theirs.centroids_, atol=1e-5)
    assert (head.outputs(features()).argmax(axis=1) == theirs.predict(LAYERS["2"])).all()
    for name in ("euclidean", "cosine"):
        other = centroid.head({"metric": name}, 0)
        other.fit(features(), Y, 3)
        np.testing.assert_allclose(np.exp(other.outputs(features())).sum(axis=1), 1, rtol=1e-5)


def test_neighbours_are_scikit_learns():
    head = knn.head({"layer": "2", "k": 5}, 0)
    head.fit(features(), Y, 3)
    theirs = KNeighborsClassifier(5).fit(LAYERS["2"], Y)
    shares = (theirs.predict_proba(LAYERS["2"]) * 5 + 1 / 3) / 6
    np.testing.assert_allclose(np.exp(head.outputs(features())), shares, rtol=1e-5)
    assert head.n_trained == 0
    assert head.state()[0]["vectors"].shape == (N, DIM)


def test_linear_is_scikit_learns_and_layers_have_names():
    head = linear.head({"layer": "last", "C": 2.0}, 0)
    head.fit(features(), Y, 3)
    theirs = LogisticRegression(C=2.0, tol=1e-8, max_iter=2000).fit(LAYERS["2"], Y)
    np.testing.assert_allclose(head.outputs(features()), theirs.predict_log_proba(LAYERS["2"]), atol=0.1)
    middle = linear.head({"layer": "middle"}, 0)
    middle.fit(features(), Y, 3)
    assert middle.used == "1"


def test_all_layers_side_by_side_by_hand(monkeypatch):
    head = all_layers.head({}, 0)
    head.fit(features(), Y, 3)
    X = np.hstack([LAYERS[name] / np.sqrt(LAYERS[name].var(axis=0).mean()) for name in "012"])
    theirs = LogisticRegression(tol=1e-8, max_iter=2000).fit(X, Y)
    np.testing.assert_allclose(head.outputs(features()), theirs.predict_log_proba(X), atol=0.1)
    monkeypatch.setattr(all_layers, "HELD_BYTES", 0)  # now every pass reads
    again = all_layers.head({}, 0)
    again.fit(features(), Y, 3)
    np.testing.assert_allclose(again.outputs(features()), head.outputs(features()), atol=0.1)


@pytest.mark.parametrize("numbers", [False, True])
def test_the_layer_that_tells_is_kept(numbers):
    y = LAYERS["2"][:, 0].astype(np.float64) if numbers else Y
    head = all_layers.head({"select": "layers", "keep": 1}, 0)
    head.fit(features(), y, 0 if numbers else 3)
    assert head.used == ("2",)
    dev = all_layers.head({"select": "layers", "keep": 1}, 0)
    part = np.arange(40)
    dev.fit(features(np.arange(40, N)), y[40:], 0 if numbers else 3, features(part), y[:40])
    assert dev.used == ("2",)


def test_the_elastic_net_keeps_the_numbers_that_tell():
    head = all_layers.head({"select": "elastic-net", "l1": 0.05}, 0)
    head.fit(features(), Y, 3)
    assert {10, 11, 12} <= set(head.columns.tolist())
    assert len(head.columns) < 12
    assert (head.outputs(features()).argmax(axis=1) == Y).mean() > 0.85
    with pytest.raises(ConfigError, match="lower l1"):
        all_layers.head({"select": "elastic-net", "l1": 50.0}, 0).fit(features(), Y, 3)
    with pytest.raises(ConfigError, match="is for classes"):
        all_layers.head({"select": "elastic-net"}, 0).fit(features(), Y * 1.0, 0)
    with pytest.raises(ConfigError, match=r"unknown select 'layer'.*layers"):
        all_layers.head({"select": "layer"}, 0)


def test_mix_and_perceptron_find_it_too():
    mixed = scalar_mix.head({"learning_rate": 0.02}, 0)
    mixed.fit(features(), Y, 3)
    assert max(mixed.layer_weights, key=mixed.layer_weights.get) == "2"
    net = mlp.head({"learning_rate": 0.02, "max_epochs": 40}, 0)
    net.fit(features(), Y, 3)
    for head in (mixed, net):
        assert (head.outputs(features()).argmax(axis=1) == Y).mean() > 0.8


def texts(lengths):
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = RNG.integers(N, size=start[-1])
    return WordRows(Source(((Acts(), rows),)), start), rows


@pytest.mark.parametrize("kind", [bilstm, attention_pooling])
def test_texts_of_a_batch_are_read_as_alone(kind):
    net = kind.head({"hidden": 4}, 0).make(DIM, labelled=False)
    lengths = [4, 1, 7]
    states = torch.randn(12, DIM)
    together = net.of_texts(Words(states, torch.tensor(lengths)))
    for number, own in enumerate(states.split(lengths)):
        alone = net.of_texts(Words(own, torch.tensor([len(own)])))
        torch.testing.assert_close(together[number], alone[0])


def test_bilstm_is_torchs_and_the_largest_value():
    net = bilstm.head({"hidden": 4}, 0).make(DIM, labelled=True)
    states = torch.randn(6, DIM)
    plain = net.lstm(states.unsqueeze(0))[0][0]
    torch.testing.assert_close(net.of_words(Words(states, torch.tensor([6]))), plain)
    torch.testing.assert_close(net.of_texts(Words(states, torch.tensor([6])))[0], plain.max(dim=0).values)
    assert torch.equal(
        net.of_words(Words(torch.cat([states, states[:2]]), torch.tensor([6, 2])))[:6].argmax(1),
        plain.argmax(1),
    )


def test_attention_pooling_by_a_loop():
    net = attention_pooling.head({"hidden": 3, "heads": 2}, 0).make(DIM, labelled=False)
    states = torch.randn(5, DIM)
    weights = net.weights(Words(states, torch.tensor([5])))[0]
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    by_hand = torch.stack([sum(w * s for w, s in zip(row, states, strict=True)) for row in weights])
    torch.testing.assert_close(net.of_texts(Words(states, torch.tensor([5])))[0], by_hand.flatten())


@pytest.mark.parametrize("kind", [bilstm, attention_pooling])
def test_word_nets_learn_what_one_word_tells(kind):
    """Each text's label is that of its one telling word, at a random place among words of a constant kind."""
    lengths = RNG.integers(2, 6, size=120)
    words, rows = texts(lengths)
    dull = np.flatnonzero(Y == 0)
    telling = RNG.integers(1, 3, size=120)
    for text, start in enumerate(words.start[:-1]):
        rows[start : words.start[text + 1]] = RNG.choice(dull, lengths[text])
        rows[start + RNG.integers(lengths[text])] = RNG.choice(np.flatnonzero(telling[text] == Y))
    options = {"hidden": 16, "learning_rate": 0.02, "max_epochs": 25, "patience": 10, "dropout": 0.0}
    head = kind.head(options, 0)
    given = features(words=words)
    head.fit(given, telling - 1, 2)
    assert (head.outputs(given).argmax(axis=1) == telling - 1).mean() > 0.8
    assert head.history[0]["loss"] > head.history[-1]["loss"]


def test_a_text_without_words_is_left_out_and_not_read():
    words, _ = texts([3, 0, 2, 4])
    given = features(words=words)
    assert given.left_out.tolist() == [False, True, False, False]
    head = bilstm.head({"hidden": 4, "max_epochs": 2}, 0)
    head.fit(given, np.array([0, 1, 1, 0]), 2)
    assert np.isfinite(head.outputs(given)).all()
