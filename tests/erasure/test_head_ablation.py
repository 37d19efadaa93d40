"""Heads by hook against heads by weights; that nothing is ever silently left as it was."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import probekit as pk
from probekit.errors import ConfigError
from probekit.models import load_model
from probekit.models.scoring import Ask
from tests.erasure.edited_weights import (
    BLOCKS,
    KINDS,
    PROJECTIONS,
    all_states,
    copy_of,
    prefix,
    projections,
    some_ids,
    zero_inputs,
)
from tests.tiny_models import TEXTS, tiny_model, write_tiny


def inside(model, edits, ids):  # type: ignore[no-untyped-def]
    with pk.edit_all(model, edits):
        return all_states(model, ids)


def columns(model, heads):  # type: ignore[no-untyped-def]
    """The inputs of the output projection that belong to some heads."""
    width = model.site_dim("heads") // model.n_heads
    return [c for head in heads for c in range(head * width, (head + 1) * width)]


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_zero_columns_of_the_output_projection(kind: str) -> None:
    model, changed, p = tiny_model(kind), copy_of(kind), prefix(kind)
    ids = some_ids(model)
    zero_inputs(projections(changed, kind, 1)[0], columns(model, [1]))
    found = inside(model, pk.ablate_heads(model, {f"{p}1": [1]}), ids)
    expected, before = all_states(changed, ids), all_states(model, ids)
    for layer, state in found.items():
        torch.testing.assert_close(state, expected[layer], atol=1e-6, rtol=1e-6)
        assert torch.equal(state, before[layer]) == (layer == f"{p}0")


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_head_matters(kind: str) -> None:
    model, p = tiny_model(kind), prefix(kind)
    ids = some_ids(model)
    before = all_states(model, ids)
    found = [
        inside(model, pk.ablate_heads(model, {f"{p}{block}": [head]}), ids)[f"{p}2"]
        for block in (1, 2)
        for head in range(model.n_heads)
    ]
    for i, one in enumerate([before[f"{p}2"], *found]):
        for other in found[i:]:
            assert float((one - other).abs().max()) > 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_keep_only_is_the_complement(kind: str) -> None:
    model, p = tiny_model(kind), prefix(kind)
    ids = some_ids(model)
    others = list(range(1, model.n_heads))
    one = inside(model, pk.ablate_heads(model, {f"{p}2": [0]}, keep_only=True), ids)
    two = inside(model, pk.ablate_heads(model, {f"{p}2": others}), ids)
    assert all(torch.equal(one[layer], two[layer]) for layer in one)


def test_the_mean_of_a_head_is_put_in_for_that_head_alone() -> None:
    model = tiny_model("llama")
    ids, own = some_ids(model), columns(model, [2])
    means = pk.site_means(model, TEXTS, [1], "heads")
    before = model.states(ids, None, [1], site="heads")["1"]
    for reference in (TEXTS, means, {1: means["1"].reshape(model.n_heads, -1)}):
        with pk.edit_all(model, pk.ablate_heads(model, {1: [2]}, "mean", reference)):
            after = model.states(ids, None, [1], site="heads")["1"]
        expected = before.clone()
        expected[..., own] = torch.from_numpy(means["1"][own]).float()
        torch.testing.assert_close(after, expected, atol=1e-6, rtol=1e-6)


def test_resampled_heads() -> None:
    model = tiny_model("bert")
    ids = some_ids(model)
    edits = pk.ablate_heads(model, {1: [0]}, "resample", TEXTS[1:], seed=3)
    again = pk.ablate_heads(model, {1: [0]}, "resample", TEXTS[1:], seed=3)
    one, two, before = inside(model, edits, ids), inside(model, again, ids), all_states(model, ids)
    assert torch.equal(one["2"], two["2"])
    assert not torch.equal(one["1"], before["1"])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_a_scorer_inside_sees_the_model_with_zeroed_weights(kind: str, tmp_path: Path) -> None:
    write_tiny(kind, tmp_path / "plain", head=True)
    auto = transformers.AutoModelForMaskedLM if kind == "bert" else transformers.AutoModelForCausalLM
    whole = auto.from_pretrained(tmp_path / "plain")
    model = load_model(str(tmp_path / "plain"), device="cpu")
    blocks = BLOCKS[kind](whole.base_model)
    zero_inputs(PROJECTIONS[kind](blocks[0])[0], columns(model, [1]))
    whole.save_pretrained(tmp_path / "changed")
    model.tokenizer.save_pretrained(tmp_path / "changed")
    changed = load_model(str(tmp_path / "changed"), device="cpu")
    groups = [[Ask(text, ((0, len(text)),)) for text in ("the cat sat on the mat", "the cat sat", "the dog")]]
    before = [answer.bits for answer in pk.make_scorer(model).score(groups)[0]]
    expected = [answer.bits for answer in pk.make_scorer(changed).score(groups)[0]]
    for how in ("inside", "before"):
        scorer = pk.make_scorer(model) if how == "before" else None
        with pk.edit_all(model, pk.ablate_heads(model, {1: [1]})):
            found = [answer.bits for answer in (scorer or pk.make_scorer(model)).score(groups)[0]]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(np.array(found) - before).min() > 1e-3


def test_extraction_inside_is_kept_apart_from_extraction_outside(tmp_path: Path) -> None:
    model = tiny_model("gpt2")
    corpus = pk.Corpus([pk.Sentence.from_text(f"s{i}", text) for i, text in enumerate(TEXTS)], name="texts")
    read = partial(pk.extract, model, corpus, layers=[1, 2], dtype="float32", store=tmp_path)
    plain = read()
    edits = pk.ablate_heads(model, {2: [0]}, "mean", TEXTS)
    with pk.edit_all(model, edits):
        edited = read()
    with pk.edit_all(model, pk.ablate_heads(model, {2: [0]}, "mean", TEXTS)):
        again = read()
    assert edited.key == again.key != plain.key
    np.testing.assert_array_equal(edited.rows(1), plain.rows(1))
    assert np.abs(edited.rows(2) - plain.rows(2)).max() > 1e-3


def test_what_is_refused() -> None:
    model = tiny_model("llama")
    with pytest.raises(ConfigError, match="no head 4 of 4; they are numbered 0 to 3"):
        pk.ablate_heads(model, {1: [4]})
    with pytest.raises(ConfigError, match="layer 'final' is no block"):
        pk.ablate_heads(model, {"final": [0]})
    with pytest.raises(ConfigError, match="no head was chosen"):
        pk.ablate_heads(model, {1: []})
