"""Maps of a corpus on disk: the very maps of `pk.attention_map`, or a clear line."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

import probekit as pk
from probekit.attention import map_plan, stored_maps
from probekit.attention.maps import WordMaps, read_maps
from probekit.attention.stored_maps import StoredMaps, open_maps, store_maps
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, DiskError, StoreError
from tests.tiny_models import tiny_model

HOSTILE = ["../../up", "a/b", "", "__metadata__", "0", "x" * 5000, 'ü "\\\n\0']
TEXTS = [
    "The keys to the cabinet are here.",
    "Cats bark",
    "",
    "the dogs ☃ bark at night",
    "cat " * 70,
    "déjà vu in Zürich",
    "She doesn't know whether he's read the 3 books",
]


def corpus() -> Corpus:
    return Corpus(
        [Sentence.from_text(one, text) for one, text in zip(HOSTILE, TEXTS, strict=True)], "hostile"
    )


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_plan, "SHARD_BYTES", 1500)


def same_maps(stored: StoredMaps, model: Any, texts: Corpus, atol: float, **options: Any) -> None:
    assert stored.sentences == tuple(s.id for s in texts if s.id not in stored.unread)
    for found, one in zip(stored, stored.sentences, strict=True):
        expected = pk.attention_map(model, texts[one], stored.level, **options)
        np.testing.assert_allclose(found.weights, expected.weights, rtol=0, atol=atol)
        np.testing.assert_allclose(
            found.to_special, expected.to_special, rtol=1e-3 if atol > 1e-4 else 1e-5, atol=atol
        )
        for name in ("tokens", "layers", "heads", "level", "left_out", "text", "model", "model_kind"):
            assert getattr(found, name) == getattr(expected, name), name
        assert found.special.tolist() == expected.special.tolist()
        assert found.weights.dtype == found.to_special.dtype == np.float32
        layer, head = found.layers[-1], found.heads[0]
        assert np.array_equal(stored.of(one, layer, head), found.of(layer, head), equal_nan=True)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("level", ["word", "piece"])
@pytest.mark.parametrize(("dtype", "atol"), [("float16", 2**-12), ("float32", 1e-6)])
def test_every_sentence_is_what_attention_map_gives(
    kind: str, level: Any, dtype: str, atol: float, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    stored = store_maps(model, corpus(), tmp_path / "maps", level=level, dtype=dtype)
    assert stored.unread == (HOSTILE[2],)
    same_maps(stored, model, corpus(), atol)
    assert stored.left_out["truncated"] > 0
    assert sum(1 for _ in (tmp_path / "maps").glob("*.safetensors")) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    again = open_maps(tmp_path / "maps", corpus())
    assert next(iter(again)).summary == next(iter(stored)).summary
    assert next(iter(again)).panels[0].kind == "attention"


@pytest.mark.parametrize("level", ["word", "piece"])
def test_float32_is_exact(level: Any, tmp_path: Path) -> None:
    """No two texts have as many pieces, so that each is read by itself, as a single text is."""
    model = tiny_model("bert")
    texts = ["cats", "cats bark", "cats ☃ bark at night", "the cats bark at the dogs at night"]
    assert len({len(model.tokenizer(text)["input_ids"]) for text in texts}) == len(texts)
    stored = store_maps(model, texts, tmp_path / "m", level=level, dtype="float32", heads=[1], layers=[2])
    for one, text in zip(stored.sentences, texts, strict=True):
        expected = pk.attention_map(model, text, level, layers=[2], heads=[1])
        assert np.array_equal(stored.map(one).weights, expected.weights, equal_nan=True)
        assert np.array_equal(stored.map(one).to_special, expected.to_special, equal_nan=True)
        assert np.array_equal(stored.of(one, 2, 1), expected.of(2, 1), equal_nan=True)


def test_float32_is_exactly_the_stream(tmp_path: Path) -> None:
    model, texts = tiny_model("gpt2"), pk.generate_corpus(12, 3, 3)
    stored = store_maps(model, texts, tmp_path / "maps", dtype="float32")
    seen = 0

    def visit(maps: WordMaps) -> None:
        nonlocal seen
        for row, number in enumerate(maps.sentences.tolist()):
            n, gone = int(maps.n_words[row]), ~maps.present[row, : maps.n_words[row]]
            for head in range(model.n_heads):
                expected = maps.weights[row, head, :n, :n].clone()
                expected[gone], expected[:, gone] = np.nan, np.nan
                found = stored.of(texts[number].id, maps.layer, head)
                assert np.array_equal(found, expected.numpy(), equal_nan=True)
                seen += 1

    read_maps(model, texts, visit)
    assert seen == len(texts) * model.n_heads * 2


def test_a_decoder_and_presplit_words(tmp_path: Path) -> None:
    model = tiny_model("t5")
    stored = store_maps(
        model, TEXTS[:2], tmp_path / "t5", level="piece", layers=["decoder.2"], dtype="float32"
    )
    expected = pk.attention_map(model, TEXTS[0], layers=["decoder.2"])
    np.testing.assert_allclose(stored.map("1").weights, expected.weights, atol=1e-6)
    assert (stored.map("1").tokens, stored.map("1").special.tolist()) == (
        expected.tokens,
        expected.special.tolist(),
    )
    assert len(store_maps(model, TEXTS[0], tmp_path / "words").layers) == 4
    with pytest.raises(ConfigError, match="layers of one stack, or words"):
        store_maps(model, TEXTS[0], tmp_path / "both", level="piece")
    bert, split = tiny_model("bert"), [Sentence.from_words("s", ["Cats", "bark", "."])]
    presplit = store_maps(bert, split, tmp_path / "split", level="piece", text_form="words")
    assert presplit.map("s").tokens[0] == "[CLS]"
    assert presplit.map("s").weights.shape[-1] == len(presplit.map("s").tokens)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 6), min_size=1, max_size=12).filter(any), limit=st.integers(1, 3000))
def test_any_cut_into_shards_gives_every_sentence_back(
    sizes: list[int], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model, folder = tiny_model("bert"), tmp_path_factory.mktemp("cut")
    texts = [["cats", "bark", "at", "the", "dog", "night"][:n] for n in sizes]
    sentences = [Sentence.from_words(f"s{i}", words) for i, words in enumerate(texts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_plan, "SHARD_BYTES", limit)
        stored = store_maps(model, Corpus(sentences), folder / "maps", layers=[1], heads=[0])
    for one in sentences:
        if not len(one):
            assert one.id in stored.unread
            continue
        expected = pk.attention_map(model, one, "word", layers=[1], heads=[0])
        np.testing.assert_allclose(stored.of(one.id, 1, 0), expected.of(1, 0), atol=2**-12)


@pytest.mark.usefixtures("small_shards")
def test_layout_and_bytes(tmp_path: Path) -> None:
    model, told = tiny_model("bert"), []
    out = tmp_path / "maps"
    stored = store_maps(model, corpus(), out, layers=[2], progress=lambda *told_: told.append(told_))
    needed = StoredMaps.bytes_needed(model, corpus(), layers=[2])
    shards = sorted(out.glob("*.safetensors"))
    arrays = [load_file(path) for path in shards]
    numbers = sum(array.nbytes for one in arrays for array in one.values())
    assert numbers == needed + 8 * len(shards)  # an offset more than there are maps
    assert told[0] == (stored_maps.STAGE, 0, needed)
    assert told[-1] == (stored_maps.STAGE, needed, needed)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert set(arrays[0]) == {"2/0", "2/1", "to_special/2/0", "to_special/2/1", "offsets"}
    first = stored.of(HOSTILE[0], 2, 1)
    begin, end = arrays[0]["offsets"][:2]
    assert np.array_equal(arrays[0]["2/1"][begin:end].astype(np.float32), first.ravel())
    alone = 2 * 2 * (70 * 70 + 70)  # the longest sentence, which is a shard of its own
    assert all(sum(a.nbytes for a in one.values()) <= max(1500 + 8, alone + 16) for one in arrays)
    assert repr(stored).startswith("StoredMaps(6 sentences of 'hostile', 1 layers x 2 heads of")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("level", ["word", "piece"])
def test_an_interrupted_work_goes_on(level: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"
    store_maps(model, corpus(), tmp_path / "whole", level=level)
    made: list[int] = []
    make = stored_maps._make_shard

    def fails_at(number: int) -> Any:
        def run(*args: Any) -> Any:
            if len(made) == number:
                raise KeyboardInterrupt
            made.append(args[2])
            return make(*args)

        return run

    monkeypatch.setattr(stored_maps, "_make_shard", fails_at(2))
    with pytest.raises(KeyboardInterrupt):
        store_maps(model, corpus(), out, level=level)
    with pytest.raises(StoreError, match=r"not complete; run pk.store_maps again, which goes on"):
        open_maps(out)
    (out / ".0123456789abcdef.tmp").write_bytes(b"half")  # what a killed process leaves
    whole = len(list((tmp_path / "whole").glob("*.safetensors")))
    monkeypatch.setattr(stored_maps, "_make_shard", fails_at(-1))
    store_maps(model, corpus(), out, level=level)
    assert len(made) == len(set(made)) == whole
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    store_maps(model, corpus(), out, level=level)
    assert len(made) == whole


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("name", ["shard-00001.safetensors", "shard-00001.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_damage_is_told_and_mended(name: str, how: str, tmp_path: Path) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"
    before = store_maps(model, corpus(), out)
    path = out / name
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        middle = len(whole) // 2
        path.write_bytes(
            whole[:middle] + (bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if how == "flip" else b"")
        )
    stored = open_maps(out)
    stored.of(stored.sentences[0], 1, 0)  # another shard is whole
    for read in (lambda: [stored.of(one, 1, 0) for one in stored.sentences], lambda: list(stored)):
        with pytest.raises(
            StoreError, match=rf"{name}: (damaged|the file is missing).*run pk.store_maps again"
        ):
            read()
    mended = store_maps(model, corpus(), out)
    assert path.read_bytes() == whole
    assert mended.sentences == before.sentences
    assert all(len(found.tokens) for found in mended)


@pytest.mark.parametrize("how", ["flip", "cut", "list", "other"])
def test_a_damaged_manifest_is_told_and_mended(how: str, tmp_path: Path) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"
    store_maps(model, corpus(), out)
    path = out / "manifest.json"
    text = path.read_bytes()
    path.write_bytes({
        "flip": text.replace(b'"hostile"', b'"hostilf"'), "cut": text[:-9], "list": b"[]\n", "other": b"{}\n",
    }[how])  # fmt: skip
    with pytest.raises(StoreError, match=r"manifest\.json"):
        open_maps(out)
    store_maps(model, corpus(), out)
    assert path.read_bytes() == text
    (out / "recipe.json").write_bytes(b"{")
    with pytest.raises(StoreError, match=r"recipe\.json: damaged"):
        store_maps(model, corpus(), out)


def test_another_recipe_is_never_overwritten(tmp_path: Path) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"
    store_maps(model, corpus(), out, layers=[1])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    others: list[tuple[Any, Any, dict[str, Any], str]] = [
        (model, corpus(), {"layers": [2]}, "layers"),
        (model, corpus(), {"layers": [1], "level": "piece"}, "level"),
        (model, corpus(), {"layers": [1], "dtype": "float32"}, "dtype"),
        (model, corpus(), {"layers": [1], "heads": [0]}, "heads"),
        (model, ["Cats bark"], {"layers": [1]}, "corpus, pieces"),
        (pk.random_twin(model, seed=1), corpus(), {"layers": [1]}, "model"),
    ]
    for other, texts, options, named in others:
        with pytest.raises(
            ConfigError, match=rf"holds maps made otherwise \({named}\); choose another folder"
        ):
            store_maps(other, texts, out, **options)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(StoreError, match="maps of other texts"):
        open_maps(out, ["Cats bark"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match="holds other files; give an empty folder"):
        store_maps(model, corpus(), tmp_path / "mine")
    with pytest.raises(DataError, match="holds no attention maps"):
        open_maps(tmp_path / "mine")


def test_edits_are_stored_and_told_apart(tmp_path: Path) -> None:
    model = tiny_model("bert")
    plain = store_maps(model, "cats bark", tmp_path / "plain", dtype="float32")

    def nothing(states: Any) -> Any:
        return 0 * states

    with pytest.raises(ConfigError, match="does not say what it does"), pk.edit(model, 1, nothing):
        store_maps(model, "cats bark", tmp_path / "edited")
    nothing.key = "nothing"  # type: ignore[attr-defined]
    for _ in range(2):
        with pk.edit(model, 1, nothing):
            edited = store_maps(model, "cats bark", tmp_path / "edited", dtype="float32")
            with pytest.raises(ConfigError, match=r"made otherwise \(edits\)"):
                store_maps(model, "cats bark", tmp_path / "plain", dtype="float32")
    assert np.array_equal(edited.of("1", 1, 0), plain.of("1", 1, 0))
    assert not np.array_equal(edited.of("1", 2, 0), plain.of("1", 2, 0))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"

    def refuses(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
        with pytest.raises(DiskError, match=r"[\d,]+ bytes are needed and 100 are free"):
            store_maps(model, corpus(), out)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuses)
        with pytest.raises(DiskError, match=r"cannot write .*the disk is full"):
            store_maps(model, corpus(), tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []
    same_maps(store_maps(model, corpus(), out), model, corpus(), 2**-12)


def test_bad_input(tmp_path: Path) -> None:
    model, out = tiny_model("bert"), tmp_path / "maps"
    for options, line in [
        ({"level": "words"}, "no level 'words' of stored maps; did you mean 'word'"),
        ({"dtype": "float64"}, "no dtype 'float64' of stored maps"),
        ({"heads": [0, 2]}, "numbered 0 to 1"),
        ({"layers": [9]}, "has no layer '9'"),
        ({"text_form": "letters"}, "unknown text_form"),
    ]:
        with pytest.raises(ConfigError, match=line):
            store_maps(model, corpus(), out, **options)  # type: ignore[arg-type]
    for texts in ([], ["", "  "], "☃"):
        with pytest.raises(DataError, match=r"there is no text|no word that"):
            store_maps(model, texts, out)
    with pytest.raises(DataError, match="not valid Unicode"):
        store_maps(model, [Sentence.from_text("\ud800", "cats")], out)
    with pytest.raises(DataError, match="given"):
        store_maps(model, [Sentence.from_text("a", "cats"), Sentence.from_text("a", "bark")], out)
    assert not out.exists()
    stored = store_maps(model, corpus(), out, heads=[1])
    with pytest.raises(ConfigError, match=r"no head 0 of layer 1 .* heads 1$"):
        stored.of("a/b", 1, 0)
    with pytest.raises(DataError, match="sentence '' is not stored; it has no word that the model reads"):
        stored.map("")
    with pytest.raises(DataError, match="sentence 'a/c' is not stored; did you mean 'a/b'"):
        stored.of("a/c", 1, 1)
