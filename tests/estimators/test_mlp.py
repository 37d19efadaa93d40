"""Nets side by side: what a linear probe cannot learn, alone as together, to the bit, stopping each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from probekit.errors import DataError
from probekit.estimators import LinearProbe, MLPProbe, MLPProbeRegressor, NetProblem, net_outputs, solve_mlp

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(1500, 6)) * [1, 1, 5, 0.1, 1, 1] + [0, 0, 50, 0, 0, 0]).astype(np.float32)
XOR = ((X[:, 0] > 0) ^ (X[:, 1] > 0)).astype(int)
TRAIN, TEST = slice(0, 1200), slice(1200, None)
FAST = {"learning_rate": 0.01, "batch_size": 64, "max_epochs": 30}


def test_learns_what_a_linear_probe_cannot():
    assert LinearProbe().fit(X[TRAIN], XOR[TRAIN]).score(X[TEST], XOR[TEST]) < 0.6
    assert MLPProbe(random_state=0, **FAST).fit(X[TRAIN], XOR[TRAIN]).score(X[TEST], XOR[TEST]) > 0.93


def test_as_accurate_as_scikit_learns():
    scaled = (X - X[TRAIN].mean(axis=0)) / X[TRAIN].std(axis=0)
    y = (scaled @ RNG.normal(size=(6, 5)) + np.abs(scaled[:, 4:5]) * [0, 4, 0, 4, 0]).argmax(axis=1)
    theirs = MLPClassifier(early_stopping=True, random_state=0, max_iter=60, learning_rate_init=0.01)
    wanted = theirs.fit(scaled[TRAIN], y[TRAIN]).score(scaled[TEST], y[TEST])
    ours = MLPProbe(random_state=0, **FAST).fit(X[TRAIN], y[TRAIN]).score(X[TEST], y[TEST])
    assert ours > wanted - 0.02


def test_two_hidden_layers_and_numbers():
    y = 1000 + 7 * np.abs(X[:, 0])
    probe = MLPProbeRegressor(hidden=(32, 16), random_state=0, **FAST).fit(X[TRAIN], y[TRAIN])
    assert [w.shape for w in probe.net_.weights] == [(6, 32), (32, 16), (16, 1)]
    assert probe.score(X[TEST], y[TEST]) > 0.97


def test_same_seed_same_bits_and_another_seed_another_net():
    first, second, other = (MLPProbe(random_state=s, **FAST).fit(X[:300], XOR[:300]) for s in (1, 1, 2))
    assert first.predict_proba(X).tobytes() == second.predict_proba(X).tobytes()
    assert first.predict_proba(X).tobytes() != other.predict_proba(X).tobytes()


def test_together_or_alone():
    problems = [NetProblem(y=XOR, n_classes=2), NetProblem(y=RNG.permutation(XOR), n_classes=2, seed=3)]
    together = solve_mlp(X, problems, hidden=(16,), max_epochs=4)
    for net, problem in zip(together, problems, strict=True):
        [alone] = solve_mlp(X, [problem], hidden=(16,), max_epochs=4)
        np.testing.assert_allclose(net_outputs(net, X), net_outputs(alone, X), atol=1e-4)


def test_each_net_stops_by_itself_at_its_best():
    noise = NetProblem(y=RNG.integers(2, size=len(X)), n_classes=2)
    options = {"hidden": (32,), "learning_rate": 0.01, "max_epochs": 60, "patience": 3}
    learns, chance = solve_mlp(X, [NetProblem(y=XOR, n_classes=2), noise], **options)
    assert chance.n_epochs < learns.n_epochs
    assert chance.converged
    assert learns.loss < 0.3 < chance.loss


def test_best_weights_on_the_dev_rows_are_kept():
    dev_y = RNG.integers(2, size=300)
    problem = NetProblem(y=XOR[TRAIN], n_classes=2, y_dev=dev_y)
    [net] = solve_mlp(X[TRAIN], [problem], X_dev=X[TEST], learning_rate=0.01, max_epochs=20)
    logits = net_outputs(net, X[TEST])
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(300), dev_y])
    assert net.loss == pytest.approx(loss, rel=1e-4)


def test_dev_data_of_fit():
    probe = MLPProbe(random_state=0, **FAST).fit(X[TRAIN], XOR[TRAIN], dev=(X[TEST], XOR[TEST]))
    assert probe.score(X[TEST], XOR[TEST]) > 0.93
    numbers = MLPProbeRegressor(random_state=0, **FAST).fit(X[TRAIN], X[TRAIN, 0], dev=(X[TEST], X[TEST, 0]))
    assert numbers.score(X[TEST], X[TEST, 0]) > 0.97
    with pytest.raises(ValueError, match="dev has the label 4"):
        MLPProbe().fit(X[TRAIN], XOR[TRAIN], dev=(X[TEST], XOR[TEST] + 4))


def test_constant_column_and_half_precision():
    odd = np.column_stack([X, np.full(len(X), 3.0)]).astype(np.float16)
    probe = MLPProbe(random_state=0, **FAST).fit(odd[TRAIN], XOR[TRAIN])
    assert probe.score(odd[TEST], XOR[TEST]) > 0.9
    assert probe.predict_proba(odd).dtype == np.float32


@pytest.mark.parametrize(
    ("problems", "options", "message"),
    [
        ([NetProblem(y=XOR[:5], n_classes=2)], {}, "one per row"),
        ([NetProblem(y=XOR + 1, n_classes=2)], {}, r"codes in 0\.\.1"),
        ([NetProblem(y=X[:, 0] * np.nan, n_classes=0)], {}, "finite"),
        ([NetProblem(y=XOR, n_classes=2), NetProblem(y=XOR, n_classes=3)], {}, "same n_classes"),
        ([NetProblem(y=XOR, n_classes=2)], {"X_dev": X}, "y_dev is needed"),
        ([NetProblem(y=XOR, n_classes=2)], {"X_dev": X[:, :2]}, "6 columns"),
        ([NetProblem(y=XOR, n_classes=2)], {"validation_fraction": 1.0}, "validation_fraction"),
    ],
)
def test_misuse_is_refused(problems, options, message):
    with pytest.raises(DataError, match=message):
        solve_mlp(X, problems, **options)


def test_nothing_to_solve():
    assert solve_mlp(X, []) == []
