"""Strategies through peft: the same as peft used by hand, merged as unmerged, quiet but for real warnings."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

import probekit as pk
from probekit.adaptation.strategies.parts import NotMergeable
from probekit.adaptation.strategies.through_peft import expected
from probekit.adaptation.strategy import STRATEGIES, make_tuning
from probekit.errors import ConfigError, MissingExtra, ModelError
from tests.adaptation.strategies.steps import (
    GOLD,
    batch_of,
    make_live,
    outputs,
    prepared,
    snapshot,
    step,
)
from tests.tiny_models import tiny_folder

MERGED = ("bert", "gpt2", "llama", "gpt_neox", "modernbert", "distilbert", "t5")


def by_hand(kind: str, strategy: str) -> Any:
    """What the user of peft writes."""
    with expected():
        import peft

        module = AutoModel.from_pretrained(tiny_folder(kind))
        feature = peft.TaskType.FEATURE_EXTRACTION
        config: Any = {
            "lora": peft.LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"]),
            "ia3": peft.IA3Config(
                target_modules=r".*(self\.key|self\.value|\d\.output\.dense)",
                feedforward_modules=r".*\d\.output\.dense",
            ),
            "prefix": peft.PrefixTuningConfig(num_virtual_tokens=3, task_type=feature),
            "prompt": peft.PromptTuningConfig(num_virtual_tokens=3, task_type=feature),
        }[strategy]
        wrapped = peft.get_peft_model(module, config)
    return wrapped.eval()


@pytest.mark.parametrize("strategy", ["lora", "ia3", "prefix", "prompt"])
def test_the_same_weights_as_peft_used_directly(strategy: str) -> None:
    options = {"pieces": 3} if strategy in ("prefix", "prompt") else {}
    live, _ = prepared("bert", strategy, **options)
    live.eval()
    other = by_hand("bert", strategy)
    theirs = {name: p for name, p in other.named_parameters() if p.requires_grad and "pooler" not in name}
    prefix = "body.wrapped." if options else "body."
    ours = {n.removeprefix(prefix): p for n, p in live.named_parameters() if p.requires_grad}
    head = [ours.pop(name) for name in ("head.weight", "head.bias")]
    assert set(ours) == set(theirs)
    with torch.no_grad():
        for name, parameter in theirs.items():
            parameter.copy_(ours[name])
    their_head = torch.nn.Linear(live.model.dim, 2)
    their_head.load_state_dict(live.head.state_dict())
    batch = batch_of(live)
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    ordinary = torch.zeros_like(mask, dtype=torch.bool)
    ordinary.view(-1)[batch.piece] = True

    def logits() -> torch.Tensor:
        states = other(input_ids=batch.ids, attention_mask=mask).last_hidden_state[:, -batch.ids.shape[1] :]
        means = [row[picked].mean(dim=0) for row, picked in zip(states, ordinary, strict=True)]
        return their_head(torch.stack(means))

    mine = torch.optim.AdamW([*ours.values(), *head], lr=0.01)
    yours = torch.optim.AdamW([*theirs.values(), *their_head.parameters()], lr=0.01)
    for _ in range(3):
        for optimizer, forward in ((mine, lambda: live(batch)), (yours, logits)):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(forward(), GOLD).backward()
            optimizer.step()
    for name, parameter in theirs.items():
        torch.testing.assert_close(ours[name], parameter, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(live(batch), logits(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", MERGED)
@pytest.mark.parametrize("strategy", ["lora", "ia3"])
def test_merged_as_unmerged(strategy: str, kind: str) -> None:
    plain = make_live(kind)
    names, start = set(plain.state_dict()), outputs(plain)
    live, tuning = prepared(kind, strategy)
    assert torch.equal(outputs(live), start), "nothing is changed at first"
    step(live, tuning, steps=3, rate=1.0)
    tuned = outputs(live)
    assert (tuned - start).abs().max() > 1e-2
    tuning.merge(live)
    assert live.body is (live.model.module if kind != "t5" else live.model.module.get_encoder())
    assert set(live.state_dict()) == names
    torch.testing.assert_close(outputs(live), tuned, rtol=0, atol=1e-5)
    assert (plain.head(torch.ones(1, 32)) - live.head(torch.ones(1, 32))).abs().max() > 0


@pytest.mark.parametrize("strategy", ["prefix", "prompt"])
def test_what_stands_in_front_cannot_be_merged(strategy: str) -> None:
    live, tuning = prepared("bert", strategy, pieces=2)
    with pytest.raises(NotMergeable, match=r"does not fold into the weights .* use 'lora'"):
        tuning.merge(live)


@pytest.mark.parametrize("strategy", ["lora", "prefix", "prompt", "ia3", "houlsby", "reinit"])
def test_the_seed_draws_what_is_inserted(strategy: str) -> None:
    def drawn(seed: int) -> dict[str, torch.Tensor]:
        live = make_live("bert", seed)
        torch.manual_seed(99)
        make_tuning(STRATEGIES[strategy], {}).prepare(live)
        found = snapshot(live)
        assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(99)))
        return {name: value for name, value in found.items() if not name.startswith("head")}

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    differ = {name for name in first if not torch.equal(first[name], other[name])}
    assert bool(differ) == (strategy != "ia3")  # ones are ones


@pytest.mark.parametrize(
    ("strategy", "options", "line"),
    [
        ("lora", {"rank": 0}, "rank is a whole number from 1 on; got 0"),
        ("lora", {"rank": True}, "rank is a whole number"),
        ("lora", {"alpha": -1}, "alpha is a number from 0 on; got -1"),
        ("lora", {"dropout": 1}, "dropout is below 1"),
        ("lora", {"targets": "query"}, "targets is a list of names of modules; got 'query'"),
        ("lora", {"targets": []}, "targets is a list"),
        ("prompt", {"pieces": 0}, "pieces is a whole number from 1 on; got 0"),
        ("prefix", {"pieces": 60}, "60 pieces in front leave 4 of the 64"),
        ("prompt", {"pieces": 100}, "100 pieces in front leave -36 of the 64"),
    ],
)
def test_options_that_cannot_be(strategy: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        prepared("bert", strategy, **options)


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(ModelError, match=r"strategy 'lora' is impossible for this model .*nowhere"):
        prepared("bert", "lora", targets=["nowhere"])


@pytest.mark.parametrize("strategy", ["lora", "ia3"])
def test_unknown_maps_are_said_to_be_unknown(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.adaptation.strategies.targets.VALUE", ())
    monkeypatch.setattr(f"probekit.adaptation.strategies.{strategy}.VALUE", ("elsewhere",))
    monkeypatch.setattr(f"probekit.adaptation.strategies.{strategy}.attention_maps", lambda *_: [])
    with pytest.raises(ModelError, match=r"impossible for this model .* are not known"):
        prepared("bert", strategy)


def test_without_peft_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning, live = make_tuning(STRATEGIES["lora"], {}), make_live("bert")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"pip install 'probekit-nlp\[adapt\]'"):
        tuning.prepare(live)


def test_only_the_expected_warning_is_kept_silent() -> None:
    known = "`is_gradient_checkpointing` is deprecated and will be removed in v6."
    with expected():
        warnings.warn(known, FutureWarning, stacklevel=1)
    for message, category in ((known, UserWarning), ("something else is deprecated", FutureWarning)):
        with pytest.raises(category), expected():
            warnings.warn(message, category, stacklevel=1)


@pytest.mark.parametrize("strategy", ["gradual", "ia3", "prefix", "prompt", "houlsby"])
def test_saved_and_loaded_it_predicts_the_same_bits(strategy: str, tmp_path: Any) -> None:
    texts = ["the cat sat", "a dog runs", "dogs bark " * 60, "the keys"]
    clf = pk.FineTune(str(tiny_folder("bert")), strategy, epochs=2, batch_size=2, seed=3)
    clf.fit(texts, ["x", "y", "x", "y"])
    assert clf.n_truncated_ == 1
    clf.save(tmp_path)
    assert np.array_equal(pk.load_adapted(tmp_path).predict_proba(texts), clf.predict_proba(texts))


def test_a_merged_lora_is_an_ordinary_model(tmp_path: Any) -> None:
    texts = ["the cat sat", "a dog runs"]
    clf = pk.FineTune(str(tiny_folder("gpt2")), "lora", epochs=2, rate=0.05).fit(texts, [0, 1])
    clf.export(tmp_path / "plain")
    model = pk.load_model(str(tmp_path / "plain"))
    batch = batch_of(clf.live_, texts)
    with torch.no_grad():
        states = clf.live_.states(batch)
    read = model.states(batch.ids, torch.ones_like(batch.ids) if batch.mask is None else batch.mask, "final")
    length = len(clf.live_.model.tokenizer(texts[1])["input_ids"])
    torch.testing.assert_close(read["final"][1, :length], states[1, :length], rtol=0, atol=1e-5)
