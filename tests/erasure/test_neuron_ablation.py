"""Neurons by hook against neurons by weights; means, draws, keep-only, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, ModelError
from tests.erasure.edited_weights import (
    KINDS,
    all_states,
    copy_of,
    prefix,
    projections,
    some_ids,
    zero_inputs,
)
from tests.tiny_models import TEXTS, tiny_model


def inside(model, edits, ids):  # type: ignore[no-untyped-def]
    with pk.edit_all(model, edits):
        return all_states(model, ids)


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_zero_columns_of_the_down_projection(kind: str) -> None:
    model, changed, p = tiny_model(kind), copy_of(kind), prefix(kind)
    ids, gone = some_ids(model), [0, 5, 33]
    zero_inputs(projections(changed, kind, 1)[1], gone)
    found = inside(model, pk.ablate_neurons(model, {f"{p}1": gone}), ids)
    expected, before = all_states(changed, ids), all_states(model, ids)
    for layer, state in found.items():
        torch.testing.assert_close(state, expected[layer], atol=1e-6, rtol=1e-6)
        assert torch.equal(state, before[layer]) == (layer == f"{p}0")


@pytest.mark.parametrize("kind", KINDS)
def test_keep_only_is_the_complement(kind: str) -> None:
    model, p = tiny_model(kind), prefix(kind)
    ids, n = some_ids(model), model.site_dim("mlp")
    kept = [1, 2, 40]
    others = [j for j in range(n) if j not in kept]
    one = inside(model, pk.ablate_neurons(model, {f"{p}2": kept}, keep_only=True), ids)
    two = inside(model, pk.ablate_neurons(model, {f"{p}2": others}), ids)
    before = all_states(model, ids)
    assert all(torch.equal(one[layer], two[layer]) for layer in one)
    assert not torch.equal(one[f"{p}2"], before[f"{p}2"])


def test_keeping_none_and_taking_all_are_one() -> None:
    model = tiny_model("gpt2")
    ids = some_ids(model)
    none = inside(model, pk.ablate_neurons(model, {1: []}, keep_only=True), ids)
    every = inside(model, pk.ablate_neurons(model, {1: range(model.site_dim("mlp"))}), ids)
    assert torch.equal(none["2"], every["2"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("site", ["mlp", "hidden", "attention_output"])
def test_a_mean_leaves_the_mean_of_the_site_as_it_was(kind: str, site: pk.models.hooks.edit.Site) -> None:
    model, layer = tiny_model(kind), f"{prefix(kind)}1"
    gone = list(range(0, model.site_dim(site), 2))
    means = pk.site_means(model, TEXTS, [layer], site)
    edits = pk.ablate_neurons(model, {layer: gone}, "mean", TEXTS, site=site)
    ids = some_ids(model)
    before = model.states(ids, None, [layer], site=site)[layer]
    with pk.edit_all(model, edits):
        after = pk.site_means(model, TEXTS, [layer], site)
        states = model.states(ids, None, [layer], site=site)[layer]
    np.testing.assert_allclose(after[layer], means[layer], atol=1e-6)
    assert states[..., gone].std(dim=1).max() < 1e-6
    assert torch.equal(states[..., 1::2], before[..., 1::2])
    assert not torch.equal(states[..., gone], before[..., gone])


def test_a_mean_may_be_given_as_texts_corpus_or_arrays() -> None:
    model = tiny_model("bert")
    ids = some_ids(model)
    corpus = pk.Corpus([pk.Sentence.from_text(f"s{i}", text) for i, text in enumerate(TEXTS)], name="texts")
    means = pk.site_means(model, TEXTS, [2], "mlp")
    ways = [TEXTS, corpus, means, {2: means["2"]}, {"2": torch.from_numpy(means["2"])}]
    found = [inside(model, pk.ablate_neurons(model, {2: [3]}, "mean", way), ids)["2"] for way in ways]
    assert all(torch.equal(one, found[0]) for one in found)


def test_resampled_states_are_states_of_the_reference_and_reproducible() -> None:
    model = tiny_model("gpt2")
    ids, gone = some_ids(model), [0, 9, 17]
    reference = TEXTS[1:4]

    def drawn(seed: int, which: torch.Tensor = ids) -> torch.Tensor:
        edits = pk.ablate_neurons(model, {1: gone, 2: gone}, "resample", reference, seed=seed)
        with pk.edit_all(model, edits):
            states = model.states(which, None, [1, 2], site="mlp")
        return torch.cat([states["1"][..., gone], states["2"][..., gone]], dim=-1)

    one = drawn(0)
    assert torch.equal(one, drawn(0))
    assert not torch.equal(one, drawn(1))
    assert torch.equal(one[:, :4], drawn(0, ids[:, :4]))  # a shorter text draws the same
    twice = drawn(0, ids.repeat(2, 1))
    assert torch.equal(twice[0], twice[1])
    bank = []
    for text in reference:
        states = model.states(some_ids(model, text), None, [1, 2], site="mlp")
        bank.append(torch.cat([states["1"][..., gone], states["2"][..., gone]], dim=-1)[0])
    apart = (
        (one[0][:, None] - torch.cat(bank)).abs().amax(dim=-1)
    )  # all six numbers belong to one piece of one text
    assert float(apart.min(dim=1).values.max()) < 1e-5
    assert len(apart.argmin(dim=1).unique()) > 3


def test_resampling_reads_texts_one_by_one() -> None:
    model = tiny_model("gpt2")
    ways = [pk.ablate_neurons(model, {1: [0]}, how, None if how == "zero" else TEXTS)[0].fn
            for how in ("zero", "mean", "resample")]  # fmt: skip
    assert [fn.rowwise for fn in ways] == [True, True, False]  # type: ignore[attr-defined]


def test_the_key_says_what_is_done() -> None:
    model = tiny_model("bert")
    means = pk.site_means(model, TEXTS, [1], "mlp")
    variants = [
        {}, {"keep_only": True}, {"how": "mean", "reference": means},
        {"how": "mean", "reference": {1: means["1"] + 1}},
        {"how": "resample", "reference": TEXTS}, {"how": "resample", "reference": TEXTS, "seed": 1},
    ]  # fmt: skip
    keys = [pk.ablate_neurons(model, {1: [4, 2]}, **options)[0].fn.key for options in variants]  # type: ignore
    assert len(set(keys)) == len(keys)
    assert pk.ablate_neurons(model, {1: [2, 4, 4]})[0].fn.key == keys[0]  # type: ignore[attr-defined]
    assert pk.ablate_neurons(model, {1: [2]})[0].fn.key != keys[0]  # type: ignore[attr-defined]


def test_layers_may_be_named_in_any_order() -> None:
    model = tiny_model("gpt2")
    edits = pk.ablate_neurons(model, {2: [0], "1": np.array([1, 2])})
    assert [edit.layer for edit in edits] == ["1", "2"]
    [edit] = pk.ablate_neurons(model, {1: torch.tensor([7, 3])})
    assert edit.fn.chosen == (3, 7)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("chosen", "options", "said"),
    [
        ({1: [5000]}, {}, r"layer 1: there is no neuron 5000 of 64; they are numbered 0 to 63"),
        ({1: [-1]}, {}, "no neuron -1 of 64"),
        ({1: [True]}, {}, "named by its number; got True"),
        ({1: [1.0]}, {}, "named by its number; got 1.0"),
        ({1: [1]}, {"how": "resample", "reference": ["a"], "seed": -1}, "seed must be a whole number from 0 on"),
        ({1: 3}, {}, r"give a list of neurons"),
        ({1: []}, {}, "nothing would be ablated"),
        ({1: range(64)}, {"keep_only": True}, "all 64 neurons are kept"),
        ({}, {}, "name neurons by layer"),
        ({0: [1]}, {}, "layer '0' is no block"),
        ({9: [1]}, {}, "no layer '9'"),
        ({1: [1], "1": [2]}, {}, "named twice"),
        ({1: [1]}, {"how": "means"}, "did you mean 'mean'"),
        ({1: [1]}, {"how": "mean"}, "needs a reference"),
        ({1: [1]}, {"how": "resample"}, "needs a reference"),
        ({1: [1]}, {"how": "zero", "reference": ["a"]}, "puts in nothing"),
        ({1: [1]}, {"how": "mean", "reference": "a"}, r"write \[text\]"),
        ({1: [1]}, {"how": "mean", "reference": {2: np.zeros(64)}}, "has no layer '1'; it has 2"),
        ({1: [1]}, {"how": "mean", "reference": {1: np.zeros(63)}}, r"shape \(63,\); .* has 64 numbers at 'mlp'"),
        ({1: [1]}, {"how": "resample", "reference": {1: np.zeros(64)}}, r"draws from states \[rows, dim\]"),
        ({1: [1]}, {"site": "mpl"}, "did you mean 'mlp'"),
    ],
)  # fmt: skip
def test_what_is_refused(chosen: dict, options: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError, match=said):
        pk.ablate_neurons(tiny_model("bert"), chosen, **options)


def test_states_of_another_model_are_refused_and_both_are_named() -> None:
    bert, changed = tiny_model("bert"), copy_of("bert")
    zero_inputs(projections(changed, "bert", 1)[0], [0])
    other = pk.load_model(changed.name, device="cpu")
    object.__setattr__(other, "fingerprint", "another")
    edits = pk.ablate_neurons(bert, {1: [0]}, "mean", TEXTS)
    with pytest.raises(ModelError, match="holds states of"), pk.edit_all(other, edits):
        pass
    with pk.edit_all(other, pk.ablate_neurons(bert, {1: [0]})):  # zero is zero anywhere
        other.states(some_ids(other), None, [1])


def test_another_site_or_a_narrower_model_is_refused() -> None:
    bert, t5 = tiny_model("bert"), tiny_model("t5")
    [edit] = pk.ablate_neurons(bert, {1: [60]})
    with pytest.raises(ConfigError, match="for site 'mlp', not for 'hidden'"), pk.edit(bert, 1, edit.fn):
        pass
    object.__setattr__(edit.fn, "site", "attention_output")
    with (
        pytest.raises(ConfigError, match="no neuron 60 of 32"),
        pk.edit(t5, "encoder.1", edit.fn, "attention_output"),
    ):
        pass
