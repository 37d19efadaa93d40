"""Streamed states of words equal those that are extracted, and bad texts get a clear line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, DataError, ModelError
from probekit.geometry.word_stream import as_corpus, check_unit, stream_words
from tests.tiny_models import TEXTS, tiny_model

LATIN = [text for text in TEXTS if text.isascii()]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("site", ["mlp", "hidden"])
def test_words_are_those_of_extract(kind: str, site: str) -> None:
    model = tiny_model(kind)
    corpus = as_corpus(LATIN)
    stream = stream_words(model, corpus, "all", site, pieces_per_batch=40)
    acts = pk.extract(model, corpus, site=site, dtype="float32")
    expected = {layer: acts.rows(layer) for layer in acts.layers}
    order = {(s, w): i for i, (s, w) in enumerate(zip(acts.index.sentence, acts.index.number, strict=True))}
    assert stream.layers == acts.layers
    seen = dict.fromkeys(acts.layers, 0)
    for words in stream.read():
        rows = [order[place] for place in zip(words.sentence, words.word, strict=True)]
        np.testing.assert_allclose(words.values, expected[words.layer][rows], atol=1e-5)
        seen[words.layer] += len(words.values)
    assert set(seen.values()) == {acts.n_rows} == {stream.n_words}


def test_a_stream_reads_the_same_twice_and_edits_are_in_force() -> None:
    model = tiny_model("bert")
    stream = stream_words(model, LATIN, [1])
    first, again = ([words.values for words in stream.read()] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    with pk.edit_all(model, pk.ablate_neurons(model, {1: [4]})):
        assert all((words.values[:, 4] == 0).all() for words in stream.read())


def test_progress_counts_words() -> None:
    told: list[tuple[int, int]] = []
    stream = stream_words(tiny_model("bert"), LATIN, [1])
    list(stream.read(lambda stage, done, total: told.append((done, total))))
    assert told[0] == (0, stream.n_words)
    assert told[-1] == (stream.n_words, stream.n_words)


@pytest.mark.parametrize("texts", [[], "", ["", "  "]])
def test_nothing_to_read(texts: object) -> None:
    with pytest.raises(DataError, match="no word to read"):
        stream_words(tiny_model("bert"), texts)  # type: ignore[arg-type]


def test_texts_that_are_none_and_sites_that_are_not_there() -> None:
    with pytest.raises(ConfigError, match="list with int"):
        as_corpus([3])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="got NoneType"):
        as_corpus(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean 'mlp'"):
        stream_words(tiny_model("bert"), LATIN, site="mpl")
    with pytest.raises(ConfigError, match="has no unit 64 at 'mlp': they are numbered 0 to 63"):
        check_unit(64, 64, "1", "mlp")
    with pytest.raises(ConfigError, match="has no unit True"):
        check_unit(True, 64, "1", "mlp")


def test_a_state_that_is_not_finite_is_named() -> None:
    model = tiny_model("bert")

    def spoil(states: torch.Tensor) -> torch.Tensor:
        return states * float("nan")

    with (
        pk.edit_all(model, [pk.Edit("1", spoil, "mlp")]),
        pytest.raises(ModelError, match="layer 1 gives NaN or infinity at 'mlp' in sentence 'text-1'"),
    ):
        list(stream_words(model, LATIN[:1], [1]).read())
