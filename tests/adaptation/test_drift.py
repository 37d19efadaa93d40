"""Drift of stored states: layer by layer, joined row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.adaptation.drift import state_drift
from probekit.errors import DataError
from tests.tiny_models import tiny_model


class Doubled:
    key = "doubled"

    def __call__(self, states: Any) -> Any:
        return states * 2


def test_a_state_doubled_at_one_layer_is_seen_there_alone() -> None:
    model, corpus = tiny_model("bert"), pk.generate_corpus(6, 2, 2)
    before = pk.extract(model, corpus, layers=[0, 1, 2])
    with pk.edit(model, layer=2, fn=Doubled()):
        after = pk.extract(model, corpus, layers=[0, 1, 2])
    found = state_drift(before, after)
    assert found.layers == ("0", "1", "2")
    assert found.relative.shape == (3, before.n_rows)
    np.testing.assert_array_equal(found.relative[:2], 0.0)
    np.testing.assert_allclose(found.relative[2], 1.0, atol=2e-3)  # stored as float16
    np.testing.assert_allclose(found.cosine, 1.0, atol=1e-5)
    assert np.isnan(found.shift[0])
    assert set(found.cluster.tolist()) == set(range(len(corpus)))
    some = state_drift(before, after, np.array([0, 3]))
    np.testing.assert_allclose(some.relative, found.relative[:, [0, 3]])


def test_other_words_and_other_layers_are_refused() -> None:
    model = tiny_model("bert")
    one = pk.extract(model, pk.generate_corpus(3, 1, 1), layers=[0])
    with pytest.raises(DataError, match="do not hold states of the same words"):
        state_drift(one, pk.extract(model, pk.generate_corpus(4, 1, 1), layers=[0]))
    with pytest.raises(DataError, match=r"states before are of layers 0 .32 numbers each., after of 0, 1"):
        state_drift(one, pk.extract(model, pk.generate_corpus(3, 1, 1), layers=[0, 1]))
