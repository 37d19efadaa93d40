"""Word-level attention beside plain loops, whatever the batches, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.attention.maps import PieceBatch, WordMaps, as_corpus, read_maps, read_pieces
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError
from probekit.models.align import encode
from probekit.models.attention import attentions
from tests.tiny_models import ALL_KINDS, tiny_model

LINES = [
    "The keys to the cabinet are here, and the dogs that chase the cat bark at night.",
    "Cats bark",
    "déjà vu in Zürich",
    "She doesn't know whether he's read the 3 books",
]


def lines() -> Corpus:
    return Corpus([Sentence.from_text(f"s{i}", text) for i, text in enumerate(LINES)], "lines")


def collect(model: Any, corpus: Any, **options: Any) -> dict[tuple[int, str], WordMaps]:
    """Every sentence by itself, by number and layer, cut to its words."""
    found = {}

    def visit(maps: WordMaps) -> None:
        for row, sentence in enumerate(maps.sentences.tolist()):
            n = int(maps.n_words[row])
            assert not maps.present[row, n:].any()
            assert not maps.weights[row, :, n:].any()
            found[sentence, maps.layer] = WordMaps(
                maps.layer, maps.sentences[row], maps.weights[row, :, :n, :n], maps.special[row, :, :n],
                maps.n_words[row], maps.present[row, :n],
            )  # fmt: skip

    read_maps(model, corpus, visit, **options)
    return found


def slow(model: Any, sentence: Sentence) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Added up to a word, averaged from it, by loops; and what goes to special pieces."""
    encoding = encode(model, [sentence])
    found = {}
    for layer, weights in attentions(model, torch.from_numpy(encoding.piece_ids)[None].long()).items():
        start = weights.shape[2] - len(encoding.piece_ids)
        special = [True] * start + encoding.special.tolist()
        spans = [
            range(first + start, stop + start)
            for first, stop in zip(encoding.word_first, encoding.word_stop, strict=True)
        ]
        owners = [sum(j in span for span in spans) for j in range(weights.shape[2])]
        words = np.zeros((weights.shape[1], len(spans), len(spans)))
        gone = np.zeros(words.shape[:2])
        for head in range(len(words)):
            for a, looks in enumerate(spans):
                for i in looks:
                    for b, at in enumerate(spans):
                        words[head, a, b] += sum(float(weights[0, head, i, j]) / owners[j] for j in at) / len(
                            looks
                        )
                    gone[head, a] += sum(
                        float(weights[0, head, i, j]) for j in np.flatnonzero(special)
                    ) / len(looks)
        found[layer] = words, gone
    return found


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_words_equal_plain_loops(kind: str) -> None:
    model = tiny_model(kind)
    found = collect(model, lines())
    for number, sentence in enumerate(lines()):
        for layer, (words, gone) in slow(model, sentence).items():
            maps = found[number, layer]
            np.testing.assert_allclose(maps.weights, words, atol=1e-5)
            np.testing.assert_allclose(maps.special, gone, atol=1e-5)
            if kind not in ("t5", "llama"):  # a bare space belongs to no word, and what goes there is neither
                np.testing.assert_allclose(maps.weights.sum(2) + maps.special, 1, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 200), st.permutations(range(len(LINES))))
def test_batches_do_not_matter(pieces: int, order: list[int]) -> None:
    model = tiny_model("bert")
    whole = collect(model, lines())
    mixed = collect(model, [lines()[number] for number in order], pieces_per_batch=pieces)
    for at, number in enumerate(order):
        torch.testing.assert_close(mixed[at, "2"].weights, whole[number, "2"].weights)


def test_words_of_one_piece_share_it_equally() -> None:
    """French "du" is "de" and "le": each gets half of what goes to it, and both look as it does."""
    sentence = Sentence("x", ("cats", "de", "le", "mat"), "cats du mat", ((0, 4), (5, 7), (5, 7), (8, 11)))
    model = tiny_model("bert")
    maps = collect(model, [sentence], layers=[1])[0, "1"]
    assert torch.equal(maps.weights[:, :, 1], maps.weights[:, :, 2])
    assert torch.equal(maps.weights[:, 1], maps.weights[:, 2])
    torch.testing.assert_close(maps.weights.sum(2) + maps.special, torch.ones(2, 4))
    (one,) = (collect(model, "cats du mat", layers=[1])[0, "1"],)
    torch.testing.assert_close(one.weights[:, 0, 1], 2 * maps.weights[:, 0, 1])


def test_what_is_left_out_is_counted_and_marked() -> None:
    model = tiny_model("bert")
    long = "cat " * 100
    seen: list[WordMaps] = []
    texts = ["cats bark", long, "the ☃ sat", ""]
    left = read_maps(model, texts, seen.append, [1])
    assert left == {"truncated": 100 - 62, "unknown piece": 1}
    by_number = {int(maps.sentences[0]): maps for maps in seen}
    assert set(by_number) == {0, 1, 2}
    assert by_number[1].present[0].tolist() == [True] * 62 + [False] * 38
    assert by_number[1].weights.shape[-1] == 100
    assert not by_number[1].weights[:, :, 62:].any()
    assert by_number[2].present[0].tolist() == [True, False, True]
    spare = 1 - by_number[2].weights[0].sum(2) - by_number[2].special[0]
    assert (spare[:, [0, 2]] > 0.01).all()  # what goes to the unknown piece


def test_pieces_and_progress() -> None:
    model = tiny_model("t5")
    seen: list[tuple[PieceBatch, str, Any]] = []
    said: list[tuple[str, int, int]] = []
    read_pieces(model, lines(), lambda *given: seen.append(given), progress=lambda *step: said.append(step))
    assert [step[1] for step in said] == [0, 1, 2, 3, 4]
    assert {layer for _, layer, _ in seen} == {"encoder.1", "encoder.2", "decoder.1", "decoder.2"}
    for batch, layer, attended in seen:
        assert attended.weights.shape[-1] == batch.ids.shape[1] + layer.startswith("decoder.")


def test_edits_in_force_act() -> None:
    model = tiny_model("bert")
    plain = collect(model, lines())
    with pk.edit(model, 1, lambda states: 0 * states):
        edited = collect(model, lines())
    assert torch.equal(edited[0, "1"].weights, plain[0, "1"].weights)
    assert not torch.equal(edited[0, "2"].weights, plain[0, "2"].weights)


def test_nothing_is_read_where_there_is_no_word() -> None:
    seen: list[WordMaps] = []
    assert read_maps(tiny_model("bert"), ["", "☃"], seen.append) == {"unknown piece": 1}
    assert seen == []


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(DataError, match="there is no text"):
        read_maps(model, [], print)
    with pytest.raises(DataError, match="text 2 must be a string or a Sentence; got int"):
        read_maps(model, ["a", 3], print)  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="pieces_per_batch must be at least 1"):
        read_maps(model, "a", print, pieces_per_batch=0)
    with pytest.raises(ConfigError, match="no layer '7'"):
        read_maps(model, "a", print, [7])
    assert as_corpus(corpus := lines()) is corpus
