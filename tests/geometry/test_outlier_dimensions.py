"""Planted outlier dimensions are found, and their share of the cosine is that of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.geometry.outlier_dimensions import outlier_dimensions
from tests.geometry.made import made

SIZES = [4] * 30
OWN = np.repeat(np.arange(30), 4)


def test_planted_dimensions_and_their_share() -> None:
    X = np.random.default_rng(0).normal(size=(120, 40))
    X[:, 7] += 9  # a mean that towers
    X[:, 21] *= 12  # a spread that towers
    found = outlier_dimensions(made({"0": X}, SIZES), top=1).layers[0]
    assert found.outliers == (7, 21)
    assert found.top == (7,)
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    pairs = [(a, b) for a in range(120) for b in range(a) if OWN[a] != OWN[b]]
    products = np.mean([units[a] * units[b] for a, b in pairs], axis=0)
    np.testing.assert_allclose(found.part, products, atol=1e-6)
    assert found.cosine.value == pytest.approx(products.sum(), abs=1e-6)
    assert found.share.value == pytest.approx(products[7] / products.sum(), abs=1e-5)
    assert found.share.low < found.share.value < found.share.high
    assert abs(found.cosine_without_top) < 0.05 < found.cosine.value
    assert abs(found.cosine_standardised) < 0.02


def test_a_space_without_outliers() -> None:
    X = np.random.default_rng(1).normal(size=(120, 40))
    found = outlier_dimensions(made({"0": X}, SIZES))
    assert found.layers[0].outliers == ()
    share = next(row for row in found.rows if row.metric == "share_of_cosine")
    assert share.value is None
    assert share.reason.endswith("too near to 0 to be shared out")
    assert "no share of the cosine is defined" in found.summary


def test_one_sentence_identical_vectors_and_zeros() -> None:
    X = np.random.default_rng(2).normal(size=(5, 6)) + 1
    alone = outlier_dimensions(made({"0": X}, [5]))
    assert {row.reason for row in alone.rows if row.value is None} == {
        "one sentence only: there are no rows of different sentences to compare"
    }
    same = outlier_dimensions(made({"0": np.full((120, 6), 2.0)}, SIZES))
    assert not same.layers[0].known
    assert all(row.value is None and "all 120 rows are identical" in row.reason for row in same.rows)
    assert "not defined (layer 0: all 120 rows are identical" in same.summary
    for one in (alone, same):
        assert "nan" not in one.summary + one._repr_html_()
        for panel in one.panels[1:]:
            pk.plot(panel)
    zero = np.ones((120, 6))
    zero[5] = 0
    with pytest.raises(DataError, match="layer 0 of made: 1 row is 0 and has no direction"):
        outlier_dimensions(made({"0": zero}, SIZES))
    with pytest.raises(ConfigError, match="top from 1 to 5"):
        outlier_dimensions(made({"0": zero}, SIZES), top=6)


def test_a_layer_of_identical_vectors_beside_another_one_layer_and_singulars() -> None:
    X = np.random.default_rng(0).normal(size=(120, 40))
    X[:, 7] += 9
    both = outlier_dimensions(made({"0": np.ones((120, 40)), "1": X}, SIZES))
    assert both.summary.startswith("1 outlier dimension a layer (120 words of 30 sentences, made)")
    assert "All" not in both.panels[0].labels["text"]
    assert "Layer 0: all 120 rows are identical" in both.panels[-1].caption
    assert both.panels[-1].labels["rows"][0][1] is None
    assert both.panels[1].labels["series"][1]["name"] == "without the 3 that add most"
    for panel in both.panels[1:]:
        pk.plot(panel)
    alone = outlier_dimensions(made({"1": X}, SIZES), top=1)
    assert alone.summary.startswith("1 outlier dimension at the layer")
    assert "at layer 1 dimension 7 makes" in alone.summary
