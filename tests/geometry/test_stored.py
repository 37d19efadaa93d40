"""What analyses of stored representations refuse: numbers out of range, other things in the place of activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError
from probekit.geometry.stored import chosen_layers
from probekit.geometry.word_vectors import WordVectors
from tests.geometry.made import made

SIZES = [3] * 12
ACTS = made({k: np.random.default_rng(int(k)).normal(size=(36, 5)) for k in "026"}, SIZES)
OTHER = made({k: np.random.default_rng(9).normal(size=(36, 5)) for k in "026"}, SIZES, name="other")
VECTORS = WordVectors(tuple("abcde"), np.eye(5, dtype=np.float32), "made", "none")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: pk.similarity(ACTS, max_rows=-3), "max_rows"),
        (lambda: pk.similarity(ACTS, max_rows=2.5), "max_rows"),
        (lambda: pk.similarity(ACTS, permutations=-3), "permutations"),
        (lambda: pk.similarity(ACTS, seed=-1), "seed"),
        (lambda: pk.model_similarity({"a": ACTS, "b": OTHER}, max_rows=-1), "max_rows"),
        (lambda: pk.model_similarity({"a": ACTS, "b": OTHER}, permutations=True), "permutations"),
        (lambda: pk.isotropy(ACTS, max_rows=0), "max_rows"),
        (lambda: pk.isotropy(ACTS, seed=-1), "seed"),
        (lambda: pk.intrinsic_dimension(ACTS, max_rows=0), "max_rows"),
        (lambda: pk.outlier_dimensions(ACTS, max_rows=-2), "max_rows"),
        (lambda: pk.outlier_dimensions(ACTS, top=1.5), "top"),
        (lambda: pk.project(ACTS, "upos", points=3.5), "points"),
        (lambda: pk.project(ACTS, "upos", resamples=-1), "resamples"),
        (lambda: pk.sense_separation(ACTS, permutations=-3), "permutations"),
        (lambda: pk.sense_separation(ACTS, items=0), "items"),
        (lambda: pk.sense_separation(ACTS, resamples=0), "resamples"),
        (lambda: pk.word_in_context(ACTS, None, resamples=0), "resamples"),
        (lambda: pk.analogies(VECTORS, [], resamples=-5), "resamples"),
        (lambda: pk.average_vectors(ACTS, 0, minimum=-1), "minimum"),
        (lambda: pk.neuron_selectivity(None, None, "upos", permutations=-3), "permutations"),
        (lambda: pk.neuron_selectivity(None, None, "upos", resamples=0), "resamples"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(call: Callable[[], Any], named: str) -> None:
    with pytest.raises(ConfigError, match=f"^{named} must be a whole number from [0-9]+ on"):
        call()


def test_a_measure_in_the_place_of_the_other_model_is_told_its_name() -> None:
    with pytest.raises(ConfigError, match="measure='cka'"):
        pk.similarity(ACTS, "cka")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"compares activations .* got 3"):
        pk.similarity(ACTS, 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="models by name"):
        pk.model_similarity([ACTS, OTHER])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="compares activations"):
        pk.model_similarity({"a": ACTS, "b": "b"})  # type: ignore[dict-item]


def test_layers_stand_from_low_to_high_however_they_were_asked_for() -> None:
    assert chosen_layers(ACTS, [6, "2", 0]) == ("0", "2", "6")
    found = pk.similarity(ACTS, layers=[6, 0, 2], permutations=0)
    assert found.layers == found.other_layers == ("0", "2", "6")
    assert found.panels[-1].labels["layers"] == ["0–2", "2–6"]
