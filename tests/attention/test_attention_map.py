"""Whole maps: what transformers gives, by pieces and by words, saved and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import probekit as pk
from probekit.attention.attention_map import START, AttentionMap, attention_map
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.models.attention import Attended, attend, attentions
from tests.attention.test_maps import collect
from tests.models.hooks.small_families import small
from tests.tiny_models import tiny_model

TEXT = "The keys to the cabinet"


def test_pieces_equal_the_weights_of_the_model() -> None:
    model = tiny_model("bert")
    found = attention_map(model, TEXT, vectors=True)
    ids = model.tokenizer(TEXT, return_tensors="pt").input_ids
    expected = attentions(model, ids)
    assert found.tokens == tuple(model.tokenizer.convert_ids_to_tokens(ids[0]))
    assert found.special.tolist() == [True] + [False] * (ids.shape[1] - 2) + [True]
    seen: dict[str, Attended] = {}
    attend(model, ids, None, lambda layer, attended: seen.update({layer: attended}))
    for at, layer in enumerate(found.layers):
        assert np.array_equal(found.weights[at], expected[layer][0].numpy())
        assert np.array_equal(found.of(layer, 1), found.weights[at, 1])
        assert np.array_equal(found.vectors["queries"][at], seen[layer].queries[0].numpy())  # type: ignore[index]
        assert np.array_equal(found.vectors["values"][at], seen[layer].values[0].numpy())  # type: ignore[index]
    np.testing.assert_allclose(found.to_special, found.weights[..., [0, -1]].sum(-1), rtol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_words_equal_the_stream(kind: str) -> None:
    model = tiny_model(kind)
    found = attention_map(model, TEXT, "word", heads=[1])
    for at, layer in enumerate(found.layers):
        maps = collect(model, TEXT)[0, layer]
        np.testing.assert_allclose(found.weights[at, 0], maps.weights[1], rtol=1e-5)
        np.testing.assert_allclose(found.to_special[at, 0], maps.special[1], rtol=1e-5)
    assert found.heads == (1,)
    assert found.tokens == tuple(TEXT.split())


def test_a_decoder_has_its_start_piece() -> None:
    model = tiny_model("t5")
    found = attention_map(model, TEXT, layers=["decoder.1"])
    assert found.tokens[0] == START
    assert found.special[0]
    np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ConfigError, match="ask for layers of one stack, or for level='word'"):
        attention_map(model, TEXT)


@pytest.mark.parametrize("level", ["piece", "word"])
def test_a_map_is_saved_and_read_back(level: str, tmp_path: Path) -> None:
    sentence = Sentence.from_text("s", "cats ☃ bark")
    model = tiny_model("bert")
    found = attention_map(model, sentence, level, vectors=level == "piece")  # type: ignore[arg-type]
    found.save(tmp_path / "map")
    assert {"1/0", "1/1", "2/0", "2/1"} <= set(load_file(tmp_path / "map.safetensors"))
    again = AttentionMap.load(tmp_path / "map")
    for name in ("weights", "to_special", "special"):
        assert np.array_equal(getattr(again, name), getattr(found, name), equal_nan=name != "special")
    assert set(again.vectors) == set(found.vectors)
    assert (again.tokens, again.layers, again.heads, again.level) == (
        found.tokens,
        found.layers,
        found.heads,
        level,
    )
    assert again.rows == found.rows
    assert again.summary == found.summary
    if level == "word":
        assert found.left_out == {"unknown piece": 1}
        assert np.isnan(found.weights[:, :, 1]).all()
        assert np.isnan(found.weights[:, :, :, 1]).all()
        assert np.isfinite(found.weights[:, :, 0, [0, 2]]).all()
        assert all(row.value is not None and row.n == 2 for row in found.rows)
    raw = bytearray((tmp_path / "map.safetensors").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "map.safetensors").write_bytes(raw)
    with pytest.raises(StoreError, match="damaged"):
        AttentionMap.load(tmp_path / "map")


def test_other_bundles_are_refused(tmp_path: Path) -> None:
    attention_map(tiny_model("bert"), TEXT).panels[0].save(tmp_path / "panel")
    with pytest.raises(DataError, match="holds no attention map"):
        AttentionMap.load(tmp_path / "panel")
    with pytest.raises(DataError):
        AttentionMap.load(tmp_path / "nothing")


def test_long_texts_are_cut_and_it_is_told() -> None:
    model = tiny_model("bert")
    pieces = attention_map(model, "cat " * 70)
    assert pieces.weights.shape[-1] == 64
    assert pieces.left_out == {"pieces beyond what the model reads": 8}
    words = attention_map(model, "cat " * 70, "word")
    assert words.left_out == {"truncated": 8}
    assert "8 words were left out" in words.summary
    assert np.isnan(words.weights[:, :, -1]).all()


def test_panel_rows_and_edits() -> None:
    model = tiny_model("bert")
    found = attention_map(model, TEXT, vectors=True)
    (panel,) = found.panels
    assert panel.kind == "attention"
    assert set(panel.arrays) == {"weights", "queries", "keys"}
    assert len(found.rows) == 2 * model.n_heads * len(found.layers)
    own = next(row for row in found.rows if (row.metric, row.layer, row.group) == ("to_self", "2", "head=1"))
    assert own.value == pytest.approx(np.diag(found.of(2, 1))[1:-1].mean())
    assert found.summary in found._repr_html_()
    assert len(found.table()) == len(found.rows)
    with pk.edit(model, 1, lambda states: 0 * states):
        edited = attention_map(model, TEXT)
    assert np.array_equal(edited.weights[0], found.weights[0])
    assert not np.array_equal(edited.weights[1], found.weights[1])


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="no level 'words' of a map; did you mean 'word'"):
        attention_map(model, TEXT, "words")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="numbered 0 to 1; got \\[0, 2\\]"):
        attention_map(model, TEXT, heads=[0, 2])
    with pytest.raises(ConfigError, match="got none"):
        attention_map(model, TEXT, heads=[])
    with pytest.raises(ConfigError, match="belong to pieces"):
        attention_map(model, TEXT, "word", vectors=True)
    with pytest.raises(ConfigError, match="no head 5 of layer 2"):
        attention_map(model, TEXT).of(2, 5)
    for level in ("piece", "word"):
        with pytest.raises(DataError, match=r"no piece but special|no word that"):
            attention_map(model, "  ", level)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="computes its queries out of sight"):
        attention_map(small("mpnet"), "a", vectors=True)
    assert attention_map(small("mpnet"), "a").weights.shape == (3, 4, 3, 3)


def test_the_sentence_names_pieces_and_words_by_their_name() -> None:
    model = tiny_model("bert")
    long = " ".join(["the cat sat"] * 40)
    cut = pk.attention_map(model, long, "piece")
    assert cut.left_out
    assert f"; {sum(cut.left_out.values())} pieces were left out" in cut.summary
    words = pk.attention_map(model, long, "word")
    assert f"; {sum(words.left_out.values())} words were left out" in words.summary
    assert "over 1 word of one text" in pk.attention_map(model, "cat", "word").summary
