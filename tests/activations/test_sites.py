"""Extraction at every site, and under edits: rows are what was captured, and the store never mixes them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import probekit as pk
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options, make_recipe, recipe_key
from probekit.activations.store import Store
from probekit.errors import ConfigError, ModelError, StoreError
from probekit.models import encode, random_twin
from tests.activations.plain import CORPUS
from tests.models.hooks.passes import all_hooks
from tests.tiny_models import ALL_KINDS, tiny_model

SITES = ("hidden", "attention_output", "mlp", "heads")


class Scale:
    """States times a number; says what it does."""

    rowwise = True

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.key = hashlib.sha256(f"scale {factor}".encode()).hexdigest()

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return states * self.factor


class Where:
    """The places of one piece; says so."""

    def __init__(self, piece: int) -> None:
        self.piece = piece
        self.key = f"piece {piece}"

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        return ids == self.piece


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_rows_are_what_was_captured(kind: str, site: str) -> None:
    model = tiny_model(kind)
    acts = pk.extract(
        model,
        CORPUS,
        site=site,
        unit="piece",
        pool="none",
        dtype="float32",
        pieces_per_batch=24,
        rows_per_shard=17,
    )
    assert len(acts.entry.shards) > 1
    assert acts.layers == model.resolve_layers("all", site)
    assert acts.dim == model.site_dim(site)
    encoding = encode(model, CORPUS.sentences)
    rows = {layer: acts.rows(layer) for layer in acts.layers}
    places = list(zip(acts.index.sentence.tolist(), acts.index.number.tolist(), strict=True))
    for sentence in (0, 3, 7):
        ids = encoding.piece_ids[encoding.input_start[sentence] : encoding.input_start[sentence + 1]]
        with pk.capture(model, "all", site) as seen:
            model.states(torch.from_numpy(ids.astype(np.int64))[None], None, "all")
        own = [(row, number) for row, (s, number) in enumerate(places) if s == sentence]
        assert own
        for layer, states in seen.items():
            truth = states.flatten(2)[0].numpy()[1 if layer.startswith("decoder.") else 0 :]
            for row, number in own:
                np.testing.assert_allclose(rows[layer][row], truth[number], rtol=0, atol=1e-5)


@pytest.mark.parametrize("site", SITES[1:])
def test_words_and_probes_at_every_site(site: str) -> None:
    """The same sweep, with no change to it, finds the part of speech clearly above the majority."""
    corpus = pk.generate_corpus(150, 20, 20)
    task = pk.load_task("upos")
    acts = pk.extract(tiny_model("llama"), corpus, site=site)
    twin = pk.extract(random_twin(tiny_model("llama"), 1), corpus, site=site)
    probe = make_pipeline(StandardScaler(), RidgeClassifier())
    sweep = pk.probe_layers(probe, acts, task, twins=[twin], layers=[1], control_seeds=1, bootstrap=50)
    assert {row.site for row in sweep.rows} == {site}
    value = {(row.layer, row.control): row.value for row in sweep.rows if row.metric == "accuracy"}
    majority = next(row.value for row in sweep.rows if row.control == "majority" and row.metric == "accuracy")
    assert value["1", ""] > majority + 0.15
    other = pk.extract(random_twin(tiny_model("llama"), 1), corpus, site="hidden")
    with pytest.raises(StoreError, match="site differ"):
        pk.probe_layers(pk.LinearProbe(), acts, task, twins=[other], layers=[1], bootstrap=50)


def key(**options: Any) -> str:
    return plan_extraction(tiny_model("bert"), CORPUS, Options(**options)).key


def test_the_recipe_of_an_unedited_hidden_state_is_what_it_always_was() -> None:
    model, encoding = tiny_model("bert"), encode(tiny_model("bert"), CORPUS.sentences)
    recipe = make_recipe(model, CORPUS, encoding, Options())
    assert list(recipe) == [
        "format", "model", "corpus", "layers", "site", "unit", "pool", "special", "text_form", "length", "dtype",
        "pieces_per_batch", "rows_per_shard",
    ]  # fmt: skip
    assert recipe["site"] == "hidden"
    fixed = recipe | {"model": {"weights": "w"}, "corpus": {"text": "t"}}
    assert recipe_key(fixed) == "a9dfde9bd815bca29ec01b840ed6ceaf5cf966b7252dea917c6a442741c1e690"


def test_everything_about_an_edit_is_in_the_key() -> None:
    model = tiny_model("bert")
    keys = [key(layers=[1, 2]), *(key(layers=[1, 2], site=site) for site in SITES[1:])]
    edits: list[list[pk.Edit]] = [
        [pk.Edit(1, Scale(2))],
        [pk.Edit(1, Scale(3))],
        [pk.Edit(2, Scale(2))],
        [pk.Edit(1, Scale(2), "mlp")],
        [pk.Edit(1, Scale(2), positions=0)],
        [pk.Edit(1, Scale(2), positions=-1)],
        [pk.Edit(1, Scale(2), positions=[0, 1])],
        [pk.Edit(1, Scale(2), positions=slice(0, 1))],
        [pk.Edit(1, Scale(2), positions=slice(None))],
        [pk.Edit(1, Scale(2), positions=Where(7))],
        [pk.Edit(1, Scale(2), positions=Where(8))],
        [pk.Edit(1, Scale(2)), pk.Edit(1, Scale(3))],
        [pk.Edit(1, Scale(3)), pk.Edit(1, Scale(2))],
    ]
    for some in edits:
        with pytest.raises(ModelError, match="never reached"), pk.edit_all(model, some):
            keys.append(key(layers=[1, 2]))
    assert len(set(keys)) == len(keys)
    with pytest.raises(ModelError, match="never reached"), pk.edit(model, "1", Scale(2)):
        assert key(layers=[1, 2]) == keys[4]  # the same edit again


def test_the_store_never_mixes_edited_and_unedited(tmp_path: Any) -> None:
    model, store = tiny_model("bert"), Store(tmp_path)
    plain = pk.extract(model, CORPUS, store=store, dtype="float32")
    with pk.edit(model, 1, Scale(2)):
        edited = pk.extract(model, CORPUS, store=store, dtype="float32")
    again = pk.extract(model, CORPUS, store=store, dtype="float32")
    assert plain.key == again.key != edited.key
    np.testing.assert_array_equal(edited.rows(0), plain.rows(0))
    np.testing.assert_array_equal(edited.rows(1), 2 * plain.rows(1))
    assert not np.allclose(edited.rows(2), plain.rows(2))
    np.testing.assert_array_equal(again.rows(2), plain.rows(2))
    assert edited.recipe["edits"] == [{"layer": "1", "site": "hidden", "fn": Scale(2).key}]
    before = all_hooks(model.module)
    with pk.edit(model, 1, Scale(2)):  # read from the store: reached all the same
        stored = pk.extract(model, CORPUS, store=store, dtype="float32")
    assert stored.key == edited.key
    assert all_hooks(model.module) == before


def test_an_edit_that_does_not_say_what_it_does_is_refused(tmp_path: Any) -> None:
    model, store = tiny_model("bert"), Store(tmp_path)
    pk.extract(model, CORPUS, store=store)
    found = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(ConfigError, match="layer 1, site 'mlp', does not say what it does"),
        pk.edit(model, 1, lambda states: 2 * states, "mlp"),
    ):
        pk.extract(model, CORPUS, store=store)
    with (
        pytest.raises(ConfigError, match="does not say what it does"),
        pk.edit(model, 1, Scale(2), positions=lambda ids: ids > 5),
    ):
        pk.extract(model, CORPUS, store=store)
    assert sorted(tmp_path.rglob("*")) == found


def test_a_plan_is_run_under_the_edits_it_was_made_under(tmp_path: Any) -> None:
    from probekit.activations.extract import run_extraction

    model, store = tiny_model("bert"), Store(tmp_path)
    plan = plan_extraction(model, CORPUS, Options())
    with pytest.raises(ConfigError, match="planned under other edits"), pk.edit(model, 1, Scale(2)):
        run_extraction(plan, model, CORPUS, store=store)
    with pytest.raises(ModelError, match="never reached"), pk.edit(model, 1, Scale(2)):
        plan = plan_extraction(model, CORPUS, Options())
    with pytest.raises(ConfigError, match="planned under other edits"):
        run_extraction(plan, model, CORPUS, store=store)


def test_a_twin_extracted_under_an_edit_is_no_twin() -> None:
    corpus = pk.generate_corpus(20, 5, 5)
    model, twin = tiny_model("bert"), random_twin(tiny_model("bert"), 1)
    acts = pk.extract(model, corpus)
    with pk.edit(twin, 1, Scale(2)):
        other = pk.extract(twin, corpus)
    with pytest.raises(StoreError, match="edits differ"):
        pk.probe_layers(pk.LinearProbe(), acts, pk.load_task("upos"), twins=[other], layers=[1], bootstrap=50)


def test_layers_that_have_no_such_site() -> None:
    with pytest.raises(ConfigError, match="layer '0' is no block and has no site 'heads'"):
        pk.extract(tiny_model("bert"), CORPUS, layers=[0, 1], site="heads")
