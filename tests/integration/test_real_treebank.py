"""A real encoder on a real treebank: two layers equal converged scikit-learn, and the controls say what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import probekit as pk

SIZES = {"train": 250, "dev": 60, "test": 300}
STRENGTH = 0.1


@pytest.mark.real
def test_two_layers_equal_converged_scikit_learn(shared_data: Path) -> None:
    whole = pk.read_conllu(str(shared_data / "ud_ewt" / "*.conllu"))
    chosen = [s for split, n in SIZES.items() for s in whole.split(split).sentences[:n]]
    corpus = pk.Corpus(chosen, name="EWT, a part")
    model, task = pk.load_model("demo:minilm", device="cpu"), pk.load_task("upos")
    acts = pk.extract(model, corpus, layers=[0, 3])
    twin = pk.extract(pk.random_twin(model, seed=0), corpus, layers=[0, 3])
    sweep = pk.probe_layers(
        pk.LinearProbe(), acts, task, twins=[twin], strengths=[STRENGTH], control_seeds=2, bootstrap=200
    )
    train, test = acts.units(task, split="train"), acts.units(task, split="test")
    for layer in ("0", "3"):
        X, X_test = train.X(layer).astype(np.float64), test.X(layer).astype(np.float64)
        peer = LogisticRegression(C=STRENGTH, tol=1e-5, max_iter=3000).fit(X, train.y)
        assert peer.n_iter_.max() < 3000
        expected = float((peer.predict(X_test) == test.y).mean())
        assert sweep.scores.task[layer].value == pytest.approx(expected, abs=0.002)
    assert sweep.best_layer == "3"
    best = sweep.scores.task["3"].value
    assert best > sweep.scores.baselines["word-identity"].value > sweep.scores.baselines["majority"].value
    assert best > sweep.scores.controls["random-twin"]["3"].value
    assert best - sweep.scores.controls["word-type"]["3"].value > 0.2
