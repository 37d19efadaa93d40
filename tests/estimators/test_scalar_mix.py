"""The scalar mix: finds the layer that tells, equals its own formula, stops by dev, same seed same bits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from probekit.errors import DataError
from probekit.estimators import mixing
from probekit.estimators.mixing import ArrayLayers, mix_outputs, solve_mix
from probekit.estimators.scalar_mix import ScalarMixProbe, ScalarMixProbeRegressor

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(600, 12)) * [1, 1, 1, 50, 50, 50, 0.1, 0.1, 0.1, 3, 3, 3] + 7).astype(np.float32)
TOLD = X[:, 6:9].argmax(axis=1)  # the third of four layers tells, the quietest of all


FAST = {"max_epochs": 12, "learning_rate": 0.03, "patience": 3}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([ScalarMixProbe(**FAST), ScalarMixProbeRegressor(**FAST)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_the_layer_that_tells_gets_the_weight_however_quiet_it_is():
    probe = ScalarMixProbe(n_layers=4, random_state=0).fit(X[:500], TOLD[:500])
    assert probe.layer_weights_.argmax() == 2
    assert probe.layer_weights_[2] > 0.7
    assert probe.layer_weights_.sum() == pytest.approx(1, abs=1e-6)
    assert probe.score(X[500:], TOLD[500:]) > 0.85


def test_outputs_equal_the_formula():
    probe = ScalarMixProbe(n_layers=4, random_state=0, max_epochs=5).fit(X, TOLD)
    s = probe.solution_
    layers = X.reshape(600, 4, 3).astype(np.float64)
    mixed = (s.weights[:, None] * (layers - s.shift) / s.scale).sum(axis=1)
    np.testing.assert_allclose(
        probe.decision_function(X), s.gamma * mixed @ s.coef.T + s.intercept, atol=1e-4
    )
    np.testing.assert_allclose(s.shift.ravel(), X[_trained(probe)].mean(axis=0), rtol=1e-5)


def _trained(probe):
    from probekit.estimators.holding_out import hold_out

    return hold_out(600, 0.1, int(np.random.RandomState(0).randint(2**31 - 1)))[0]


def test_one_step_is_the_gradient_of_the_formula():
    """The first step of Adam moves each number by the rate, against the sign of its own numerical derivative."""
    net = mixing._Mix(4, 3, 2, seed=1)
    block = mixing.torch.from_numpy(RNG.normal(size=(5, 4, 3)).astype(np.float32))
    gold = mixing.torch.tensor([0, 1, 1, 0, 1])
    before = net.w.detach().clone()

    def lost(w):
        z = mixing.torch.einsum("l,nld->nd", mixing.torch.softmax(w, 0), block)
        return mixing.functional.cross_entropy(z @ net.coef.detach() + net.intercept.detach(), gold)

    slopes = []
    for place in range(4):
        nudge = mixing.torch.zeros(4)
        nudge[place] = 1e-2
        slopes.append(float(lost(before + nudge) - lost(before - nudge)))
    net.step(mixing.mean_loss(net(block), gold, None), 0.01, 0.0)
    np.testing.assert_allclose((net.w.detach() - before).numpy(), -0.01 * np.sign(slopes), rtol=1e-3)


def test_windows_read_again_give_the_same_kind_of_answer(monkeypatch):
    """With a window smaller than the rows nothing is kept, and each layer is asked for in parts."""
    asked = []

    class Asked(ArrayLayers):
        def take(self, layer, rows):
            asked.append(len(rows))
            return super().take(layer, rows)

    many = np.concatenate([X] * 4)
    gold = np.concatenate([TOLD] * 4)
    monkeypatch.setattr(mixing, "WINDOW_BYTES", 1)
    solution = solve_mix(Asked(many, 4), gold, 3, max_epochs=4, learning_rate=0.05)
    assert max(asked[16:]) <= 1024  # all that comes behind the moments
    assert (mix_outputs(solution, ArrayLayers(X, 4)).argmax(axis=1) == TOLD).mean() > 0.85


def test_dev_says_when_to_stop_and_which_epoch_is_kept():
    wrong = (TOLD[500:] + 1) % 3
    probe = ScalarMixProbe(n_layers=4, random_state=0, patience=2).fit(
        X[:500], TOLD[:500], dev=(X[500:], wrong)
    )
    losses = [one["dev_loss"] for one in probe.history_]
    accuracies = [one["dev_accuracy"] for one in probe.history_]
    assert len(losses) < 60
    assert np.mean(probe.predict(X[500:]) == wrong) == pytest.approx(max(accuracies))
    with pytest.raises(ValueError, match="dev has the label 5"):
        ScalarMixProbe(n_layers=4).fit(X, TOLD, dev=(X, TOLD * 0 + 5))


def test_same_seed_same_bits_and_another_seed_another_mix():
    first, again, other = (
        ScalarMixProbe(n_layers=4, random_state=seed, max_epochs=3).fit(X, TOLD).predict_proba(X)
        for seed in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_class_weight_moves_the_boundary():
    y = (X[:, 6] + RNG.normal(size=600) * 0.2 > 7.15).astype(int)
    plain = ScalarMixProbe(n_layers=4, random_state=0, **FAST).fit(X, y).predict(X).mean()
    heavy = (
        ScalarMixProbe(n_layers=4, random_state=0, class_weight={0: 1.0, 1: 8.0}, **FAST)
        .fit(X, y)
        .predict(X)
        .mean()
    )
    assert heavy > plain + 0.1


def test_numbers():
    y = 1000 + 40 * (X[:, 6] - 7)
    probe = ScalarMixProbeRegressor(n_layers=4, random_state=0).fit(X[:500], y[:500])
    assert probe.score(X[500:], y[500:]) > 0.95
    assert probe.layer_weights_.argmax() == 2


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="n_layers=5 does not divide the 12 features"):
        ScalarMixProbe(n_layers=5).fit(X, TOLD)
    with pytest.raises(DataError, match="one per row"):
        solve_mix(ArrayLayers(X, 4), TOLD[:5], 3)
    with pytest.raises(ValueError, match="one class"):
        ScalarMixProbe(n_layers=4).fit(X, TOLD * 0)
