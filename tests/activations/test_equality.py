"""Extracted rows equal a one-sentence-at-a-time loop over transformers' own hidden states (science rule 7)."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.activations.activations import Activations
from probekit.activations.extract import extract
from probekit.errors import ConfigError
from tests.activations.plain import CORPUS, plain_rows
from tests.tiny_models import KINDS, tiny_model


def compare(activations: Activations, truth: dict[str, dict[tuple[int, int], np.ndarray]]) -> None:
    index = activations.index
    places = list(zip(index.sentence.tolist(), index.number.tolist(), strict=True))
    assert set(activations.layers) == set(truth)
    for layer in activations.layers:
        assert set(places) == set(truth[layer])
        assert len(places) == len(truth[layer])
        expected = np.stack([truth[layer][place] for place in places])
        tolerance = 1e-5 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(activations.rows(layer), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("pool", ["first", "last", "mean", "max"])
@pytest.mark.parametrize("kind", KINDS)
def test_words(kind: str, pool: str) -> None:
    found = extract(
        tiny_model(kind), CORPUS, pool=pool, dtype="float32", pieces_per_batch=24, rows_per_shard=17
    )
    assert len(found.entry.shards) > 1
    compare(found, plain_rows(kind, "word", pool))


@pytest.mark.parametrize("pool", ["cls", "last", "mean", "max"])
@pytest.mark.parametrize("kind", KINDS)
def test_sentences(kind: str, pool: str) -> None:
    if pool == "cls" and kind in ("gpt2", "llama", "t5"):  # their tokenizers put nothing in front
        with pytest.raises(ConfigError, match="special piece in front"):
            extract(tiny_model(kind), CORPUS, unit="sentence", pool=pool)
        return
    found = extract(tiny_model(kind), CORPUS, unit="sentence", pool=pool, dtype="float32")
    compare(found, plain_rows(kind, "sentence", pool))


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_pieces(kind: str, special: bool) -> None:
    found = extract(tiny_model(kind), CORPUS, unit="piece", pool="none", special=special, dtype="float32")
    compare(found, plain_rows(kind, "piece", "none", special=special))
    assert len(found.index.pieces) == found.n_rows


@pytest.mark.parametrize("pool", ["mean", "max", "last"])
def test_sentences_with_special_pieces(pool: str) -> None:
    found = extract(tiny_model("bert"), CORPUS, unit="sentence", pool=pool, special=True, dtype="float32")
    compare(found, plain_rows("bert", "sentence", pool, special=True))
    without = extract(tiny_model("bert"), CORPUS, unit="sentence", pool=pool, dtype="float32")
    assert np.abs(found.rows(2) - without.rows(2)).max() > 1e-3


def test_float16_is_the_rounded_truth() -> None:
    """What is read back is exactly the float32 row rounded to float16, and nothing else."""
    exact = extract(tiny_model("bert"), CORPUS, dtype="float32")
    stored = extract(tiny_model("bert"), CORPUS, dtype="float16")
    for layer in exact.layers:
        rows = stored.rows(layer)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, exact.rows(layer).astype(np.float16).astype(np.float32))


def test_one_layer_alone_equals_that_layer_of_all() -> None:
    everything = extract(tiny_model("gpt2"), CORPUS)
    alone = extract(tiny_model("gpt2"), CORPUS, layers=[1])
    assert alone.layers == ("1",)
    assert alone.key != everything.key
    np.testing.assert_array_equal(alone.rows(1), everything.rows(1))
