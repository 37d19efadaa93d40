"""Dimensions of layers whose dimension is known."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError
from probekit.geometry.intrinsic_dimension import intrinsic_dimension
from probekit.maths.intrinsic import participation_ratio, two_nn
from tests.geometry.made import made

SIZES = [5] * 160


def test_planted_dimensions() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    two, five = (rng.uniform(size=(800, k)) @ turn[:k] for k in (2, 5))
    towering = five + rng.normal(size=(800, 1)) * 30 * turn[10]
    found = intrinsic_dimension(made({"two": two, "five": five, "towering": towering}, SIZES))
    local, whole = found.values["two_nn"], found.values["participation_ratio"]
    for one, truth in zip(local[:2], (2, 5), strict=True):
        assert one.value == pytest.approx(truth, rel=0.15)
        assert one.low < one.value < one.high
    assert local[0].low < 2 < local[0].high
    assert whole[0].value == pytest.approx(2, rel=0.05)
    assert local[2].value > 4
    assert whole[2].value == pytest.approx(1, abs=0.01)  # one large dimension is all that variance sees
    assert local[0].value == pytest.approx(two_nn(two.astype(np.float32)), rel=1e-6)
    assert whole[1].value == pytest.approx(participation_ratio(np.cov(five.T)), rel=1e-4)


def test_identical_vectors_and_too_few_have_a_reason() -> None:
    rng = np.random.default_rng(0)
    stored = {"same": np.ones((60, 4)), "pairs": np.repeat(rng.normal(size=(30, 4)), 2, axis=0)}
    found = intrinsic_dimension(made(stored, [5] * 12))
    rows = {(row.layer, row.metric): row for row in found.rows}
    assert rows["same", "two_nn"].reason == (
        "layer same: 1 distinct points are too few for a dimension; give at least 20"
    )
    assert rows["same", "participation_ratio"].reason == (
        "layer same: all 60 rows are identical: they have no dimension"
    )
    assert rows["pairs", "two_nn"].value is not None
    assert rows["pairs", "two_nn"].n_left_out == 30
    assert rows["pairs", "two_nn_quarter"].value is None
    alone = intrinsic_dimension(made({"0": np.ones((3, 4))}, [3]))
    assert "not defined" in alone.summary
    for one in (found, alone):
        assert "nan" not in one.summary + one._repr_html_()
        pk.plot(one.panels[1])


def test_bad_input_is_refused() -> None:
    acts = made({"0": np.ones((3, 4))}, [3])
    with pytest.raises(ConfigError, match="discard must be a share"):
        intrinsic_dimension(acts, discard=1)
    with pytest.raises(ConfigError, match="groups must be at least 5"):
        intrinsic_dimension(acts, groups=2)


def test_one_layer_is_named_once() -> None:
    X = np.random.default_rng(0).normal(size=(120, 6))
    text = intrinsic_dimension(made({"3": X}, [4] * 30)).summary
    assert text.count("(layer 3)") == 2  # by TwoNN and by the participation ratio
    assert " to " not in text


def test_copies_of_one_sentence_are_one_sentence_without_an_interval() -> None:
    X = np.tile(np.random.default_rng(0).normal(size=(9, 5)), (12, 1))
    found = intrinsic_dimension(made({"0": X}, [9] * 12, words=[list("abcdefghi")] * 12))
    one = found.values["participation_ratio"][0]
    assert np.isfinite(one.value)
    assert np.isnan(one.low)
    assert "108 words of 1 sentence and 11 copies of it" in found.summary
