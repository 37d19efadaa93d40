"""Known texts are found whatever else is there, and never for another model, pooling or a broken record."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from probekit.activations.store import Store
from probekit.adaptation.examples import read_examples
from probekit.adaptation.known_texts import FOLDER, KnownTexts, reader_identity
from probekit.adaptation.reading import Reader
from probekit.models.hooks.edit import edit
from probekit.models.ref import ModelRef
from tests.tiny_models import tiny_folder, write_tiny

TEXTS = ["the cat sat on the mat", "a dog runs", "dogs run", "the keys to the cabinet"]
REF = ModelRef(name=str(tiny_folder("bert")))


def read(texts, reader=None, **more):
    return (reader or Reader(REF)).read(read_examples(texts), **more)


def loaded(reader):
    return reader._model is not None


def test_vectors_are_those_of_the_texts_wherever_they_lie():
    whole = read(TEXTS)
    reader = Reader(REF)
    part = read([TEXTS[2], TEXTS[0], TEXTS[2]], reader)
    assert not loaded(reader)
    np.testing.assert_array_equal(part.vectors("1"), whole.vectors("1")[[2, 0, 2]])
    mixed = read(["unknown so far", *TEXTS], reader)
    assert loaded(reader)
    assert len(mixed.sides[0][0].parts) == 2
    np.testing.assert_array_equal(mixed.vectors("2")[1:], whole.vectors("2"))
    fresh = read(["unknown so far"], Reader(REF, Store().root / "other"))
    np.testing.assert_allclose(mixed.vectors("2")[0], fresh.vectors("2")[0], atol=2e-3)


def test_words_lie_where_they_lie():
    whole = read(TEXTS, words=True).words[0]
    part = read([TEXTS[3], TEXTS[1]], reader := Reader(REF), words=True).words[0]
    assert not loaded(reader)
    assert np.diff(part.start).tolist() == [5, 3]
    rows = [*range(whole.start[3], whole.start[4]), *range(whole.start[1], whole.start[2])]
    np.testing.assert_array_equal(part.source.vectors("1"), whole.source.vectors("1")[rows])
    tagged = Reader(REF).read(read_examples([text.split() for text in TEXTS], [["X"] * 9] * 4))
    np.testing.assert_allclose(tagged.vectors("1"), whole.source.vectors("1"), atol=2e-3)


def test_other_weights_under_the_same_name_are_another_reader(tmp_path):
    write_tiny("bert", tmp_path / "m")
    ref = ModelRef(name=str(tmp_path / "m"))
    before, first = reader_identity(ref), read(TEXTS, Reader(ref)).vectors("2")
    shutil.rmtree(tmp_path / "m")
    write_tiny("bert", tmp_path / "m", seed=5)
    assert reader_identity(ref) != before
    assert not np.allclose(read(TEXTS, Reader(ref)).vectors("2"), first)


@pytest.mark.parametrize("change", [{"twin": 1}, {"dtype": "float64"}, {"attention": "eager"}])
def test_how_a_model_is_loaded_counts_and_its_name_does_not(change, tmp_path):
    assert reader_identity(ModelRef(name=REF.name, **change)) != reader_identity(REF)
    shutil.copytree(REF.name, tmp_path / "copy")
    assert reader_identity(ModelRef(name=str(tmp_path / "copy"))) == reader_identity(REF)


@pytest.mark.parametrize("harm", ["record", "entry", "record gone", "bare record"])
def test_harm_costs_a_pass_and_nothing_else(harm):
    known = read(TEXTS).vectors("1")
    store = Store()
    [record] = (store.root / FOLDER).rglob("*.safetensors")
    if harm == "record":
        record.write_bytes(b"no record")
    elif harm == "bare record":
        record.write_bytes(b"")
    elif harm == "record gone":
        record.unlink()
    else:
        store.remove(record.stem)
    reader = Reader(REF)
    np.testing.assert_array_equal(read(TEXTS, reader).vectors("1"), known)
    assert loaded(reader)


def test_pools_are_kept_apart_and_the_store_is_whole():
    read(TEXTS)
    reader = Reader(REF)
    two = read(TEXTS, reader, pool="mean+cls")
    assert loaded(reader)
    assert two.vectors("1").shape == (4, 64)
    assert Store().verify() == []
    assert len(Store().keys()) == 2


def test_an_entry_of_just_these_texts_comes_first():
    read(TEXTS[:2])
    read([*TEXTS, "one more"])
    exact = KnownTexts(Store(), reader_identity(REF), "sentence", "mean", "surface").find(TEXTS[:2])
    assert len(exact) == 1
    assert len(exact[0].acts.index.ids) == 2


def test_what_is_read_under_edits_is_neither_given_out_nor_remembered_as_the_models_own(tmp_path):
    class Turned:
        key, rowwise = "turned", True

        def __call__(self, states):
            return -3.0 * states

    known, new = TEXTS[:2], ["a text of the cat"]
    reader = Reader(REF, tmp_path / "store")
    plain = read(known, reader).vectors("2")
    with edit(reader.model, 2, Turned()):
        assert np.allclose(read(known, reader).vectors("2"), -3.0 * plain, atol=0.02)
        turned = read(new, reader).vectors("2")
    assert np.array_equal(read(known, reader).vectors("2"), plain)
    after = read(new, reader).vectors("2")
    assert np.allclose(turned, -3.0 * after, atol=0.02)
    assert np.array_equal(after, read(new, Reader(REF, tmp_path / "fresh")).vectors("2"))
