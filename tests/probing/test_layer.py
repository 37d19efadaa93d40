"""One layer: what was planted is found, what was not is not, and files give back what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.estimators.mlp import MLPProbe, MLPProbeRegressor
from probekit.probing.layer import LayerResult, probe_layer
from probekit.probing.problem import ProbeProblem
from probekit.probing.sweep import assemble
from probekit.results.measurement import About
from tests.probing.planted import planted


def accuracy(problem: ProbeProblem, predicted: np.ndarray) -> float:
    return float((predicted == problem.gold[problem.of("test")]).mean())


def test_the_planted_layer_is_found_and_noise_is_not() -> None:
    problem, acts, twin = planted()
    found = {layer: probe_layer(LinearProbe(), problem, acts, layer, twins=[twin]) for layer in acts.layers}
    assert accuracy(problem, found["2"].test[0]) > 0.95
    assert accuracy(problem, found["0"].test[0]) < 0.45
    assert 0.6 < accuracy(problem, found["1"].test[0]) < 0.9  # the form's usual label, not the label
    control = problem.word_type[:, problem.of("test")]
    assert (found["1"].word_type == control).mean() > 0.9  # forms can be memorised where forms are
    assert (found["2"].word_type == control).mean() < 0.6
    assert accuracy(problem, found["2"].shuffled[0]) < 0.45
    assert accuracy(problem, found["2"].twin[0]) < 0.9


def test_equals_scikit_learn_at_the_same_strength() -> None:
    problem, acts, _ = planted()
    train, test = problem.of("train"), problem.of("test")
    result = probe_layer(LinearProbe(tol=1e-7), problem, acts, "1", strengths=(0.05,))
    peer = LogisticRegression(C=0.05, tol=1e-9, max_iter=5000)
    peer.fit(acts.gather("1", problem.rows[train]), problem.gold[train])
    assert (peer.predict(acts.gather("1", problem.rows[test])) == result.test[0]).mean() > 0.995
    peer.fit(acts.gather("1", problem.rows[train]), problem.word_type[1][train])
    assert (peer.predict(acts.gather("1", problem.rows[test])) == result.word_type[1]).mean() > 0.99


def test_strength_is_chosen_on_dev_and_controls_run_at_it() -> None:
    problem, acts, twin = planted()
    grid = (1e-6, 1.0)
    result = probe_layer(LinearProbe(), problem, acts, "1", strengths=grid, twins=[twin])
    assert result.strength == 1.0
    assert result.dev_scores["1e-06"] < result.dev_scores["1"]
    alone = probe_layer(LinearProbe(C=1.0), problem, acts, "1", twins=[twin])
    assert np.array_equal(alone.word_type, result.word_type)
    assert np.array_equal(alone.twin, result.twin)


def test_test_labels_touch_nothing_that_is_fitted() -> None:
    problem, acts, _ = planted()
    changed = problem.gold.copy()
    changed[problem.of("test")] = 0
    other = ProbeProblem(**{**problem.__dict__, "gold": changed})
    a = probe_layer(LinearProbe(), problem, acts, "2", strengths=(0.1, 1.0))
    b = probe_layer(LinearProbe(), other, acts, "2", strengths=(0.1, 1.0))
    assert np.array_equal(a.test, b.test)
    assert a.dev_scores == b.dev_scores


@pytest.mark.parametrize(
    "probe", [MLPProbe(max_epochs=15, learning_rate=5e-3), DecisionTreeClassifier(max_depth=8)]
)
def test_probes_with_seeds_give_a_row_per_seed(probe: object) -> None:
    problem, acts, _ = planted()
    result = probe_layer(probe, problem, acts, "2", probe_seeds=(0, 1, 2))
    assert result.test.shape == (3, len(problem.of("test")))
    assert accuracy(problem, result.test[0]) > 0.8
    assert np.isfinite(result.margin).all() == isinstance(probe, MLPProbe)


@pytest.mark.parametrize("probe", [LinearProbeRegressor(), MLPProbeRegressor(max_epochs=15), Ridge()])
def test_numbers(probe: object) -> None:
    problem, acts, twin = planted(numeric=True)
    result = probe_layer(probe, problem, acts, "2", twins=[twin], strengths=(0.1, 1.0))
    gold = problem.gold[problem.of("test")]
    assert 1 - ((result.test[0] - gold) ** 2).mean() / gold.var() > 0.5
    assert np.isnan(result.margin).all()
    assert result.word_type.dtype == np.float64


def test_margin_is_positive_exactly_where_gold_is_predicted() -> None:
    problem, acts, _ = planted()
    result = probe_layer(LinearProbe(), problem, acts, "1")
    right = result.test[0] == problem.gold[problem.of("test")]
    assert np.array_equal(result.margin > 0, right)


def test_save_and_load(tmp_path: Path) -> None:
    problem, acts, twin = planted(sentences=60)
    problem.save(tmp_path / "cells" / "x.linear")
    again = ProbeProblem.load(tmp_path / "cells" / "x.linear")
    assert again.ids == problem.ids
    assert again.left_out == problem.left_out
    result = probe_layer(LinearProbe(), again, acts, "2", twins=[twin])
    result.save(tmp_path / "cells" / "x.linear.layer-2")
    loaded = LayerResult.load(tmp_path / "cells" / "x.linear.layer-2")
    for name in ("dev", "test", "margin", "word_type", "shuffled", "twin"):
        assert np.array_equal(getattr(loaded, name), getattr(result, name))
    assert loaded.strength == result.strength
    assert loaded.fits == result.fits


def test_probes_that_stop_short_are_counted_in_the_sentence() -> None:
    problem, acts, _ = planted()
    ended, short = (
        assemble(
            problem, [probe_layer(probe, problem, acts, layer) for layer in ("1", "2")], About(), resamples=20
        )
        for probe in (LinearProbe(), LinearProbe(tol=1e-9, max_iter=1))
    )
    assert "stopped short" not in ended.summary
    n = 2 * (1 + 3 + len(short.results[0].shuffled))  # task and controls at both layers
    assert short.summary.endswith(f" {n} of {n} probes stopped short of their tolerance.")
