"""Learned pieces in front: they act as real ones would, and pairs keep the types of their texts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.adaptation.strategies.prompt import Prompt
from probekit.errors import ModelError
from tests.adaptation.strategies.steps import batch_of, make_live, outputs, prepared
from tests.tiny_models import tiny_folder

FRONT, TEXT = 4, 5


def learned(live: object) -> torch.nn.Parameter:
    (found,) = [p for name, p in live.named_parameters() if "prompt_encoder" in name]
    return found


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox"])
def test_a_prefix_made_of_real_keys_and_values_is_real_text(kind: str) -> None:
    live, _ = prepared(kind, "prefix", pieces=FRONT)
    base = live.model.module.eval()
    ids = torch.randint(5, 80, (2, FRONT + TEXT), generator=torch.Generator().manual_seed(0))
    ids[1, :FRONT] = ids[0, :FRONT]
    with torch.no_grad():
        whole = base(input_ids=ids).last_hidden_state[:, FRONT:]
        kept = base(input_ids=ids[:1, :FRONT], use_cache=True).past_key_values
        flat = [
            part[0].transpose(0, 1).reshape(FRONT, -1)
            for layer in kept.layers
            for part in (layer.keys, layer.values)
        ]
        learned(live).copy_(torch.cat(flat, dim=1))
        found = live.body(ids[:, FRONT:], torch.ones(2, TEXT, dtype=torch.long)).last_hidden_state
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "key", "value", "shift"),
    [
        ("bert", "attention.self.key", "attention.self.value", TEXT),
        ("roberta", "attention.self.key", "attention.self.value", TEXT),
        ("bart", "self_attn.k_proj", "self_attn.v_proj", 0),
    ],
)
def test_a_prefix_that_repeats_the_text_changes_nothing(kind: str, key: str, value: str, shift: int) -> None:
    """Every key twice halves every weight: where text is read both ways, the output stays what it is."""
    live, _ = prepared(kind, "prefix", pieces=TEXT)
    base = make_live(kind).body.eval()
    ids = torch.arange(10, 10 + TEXT)[None]
    seen: dict[str, torch.Tensor] = {}
    for name, module in base.named_modules():
        if name.endswith((key, value)):
            module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out[0]))
    first = 2 if kind == "roberta" else 0
    given = {"position_ids": torch.arange(TEXT)[None] + shift + first} if shift else {}
    with torch.no_grad():
        plain = base(input_ids=ids, **given).last_hidden_state
        learned(live).copy_(torch.cat(list(seen.values()), dim=1))
        live.eval()
        found = live.body(ids, torch.ones_like(ids)).last_hidden_state
    assert len(seen) == 4
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "modernbert", "distilbert", "t5"])
def test_a_prompt_of_real_embeddings_is_real_text(kind: str) -> None:
    live, _ = prepared(kind, "prompt", pieces=FRONT)
    plain = make_live(kind).body.eval()
    live.eval()
    ids = torch.randint(5, 80, (2, FRONT + TEXT), generator=torch.Generator().manual_seed(0))
    ids[1, :FRONT] = ids[0, :FRONT]
    with torch.no_grad():
        whole = plain(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        learned(live).copy_(plain.get_input_embeddings()(ids[0, :FRONT]))
        found = live.body(ids[:, FRONT:], torch.ones(2, TEXT, dtype=torch.long)).last_hidden_state
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [
        ("prompt", "modernbert"),
        *itertools.product(["prefix", "prompt"], ["bert", "roberta", "gpt2", "llama", "bart"]),
    ],
)
def test_padding_changes_nothing(strategy: str, kind: str) -> None:
    live, _ = prepared(kind, strategy, pieces=FRONT)
    texts = ["the cat sat on the mat, and the dogs bark at night", "a dog", "the keys"]
    together = outputs(live, texts)
    alone = torch.cat([outputs(live, [text]) for text in texts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_prompt_begins_as_pieces_of_the_vocabulary() -> None:
    live, _ = prepared("bert", "prompt", pieces=FRONT)
    table = live.model.module.get_input_embeddings().weight
    assert all((table == row).all(dim=1).any() for row in learned(live))


@pytest.mark.parametrize("strategy", ["prefix", "prompt"])
def test_the_two_texts_of_a_pair_stay_told_apart(strategy: str) -> None:
    live, _ = prepared("bert", strategy, pieces=FRONT)
    live.eval()
    pairs = [("the cat sat", "a dog"), ("dogs bark", "the keys")]
    batch = batch_of(live, pairs)
    assert batch.types is not None
    with torch.no_grad():
        whole = live.body.wrapped.get_base_model()
        found = live.states(batch)
        object.__setattr__(batch, "types", torch.zeros_like(batch.types))
        assert (live.states(batch) - found).abs().max() > 1e-3
    assert whole is live.model.module


@pytest.mark.parametrize("strategy", ["prefix", "prompt"])
def test_a_long_text_is_cut_to_the_places_that_are_left(strategy: str) -> None:
    live, _ = prepared("bert", strategy, pieces=FRONT)
    assert live.model.max_pieces == 64 - FRONT
    texts = ["the cat " * 100, "a dog runs"]
    clf = pk.FineTune(str(tiny_folder("bert")), strategy, epochs=1).fit(texts, [0, 1], texts, [0, 1])
    assert clf.n_truncated_ == 1
    assert np.isfinite(clf.predict_proba(texts)).all()


def test_what_does_not_act_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prompt, "_acts", lambda *_: False)
    live = make_live("bert")
    body = live.body
    with pytest.raises(
        ModelError, match=r"'prompt' is impossible for this model \(family 'bert'\): not all of what stands"
    ):
        Prompt({"pieces": 2}).prepare(live)
    assert live.body is body
