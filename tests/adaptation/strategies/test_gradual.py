"""ULMFiT: what is unfrozen when, and at which rate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

import probekit as pk
from probekit.adaptation.strategies.gradual import levels_at
from probekit.adaptation.strategy import STRATEGIES
from probekit.errors import ConfigError
from tests.adaptation.strategies.steps import changed, prepared, snapshot, step
from tests.tiny_models import tiny_folder

KEY_BIAS = "attention.self.key.bias"


def level_of(name: str) -> str:
    return "below" if "embeddings" in name else name.partition("encoder.layer.")[2][:1] or "head"


def test_a_level_more_in_every_epoch_as_published() -> None:
    live, tuning = prepared("bert", "gradual")
    told, trained = [], set[str]()
    for epoch, level in enumerate(["head", "1", "0", "below"]):
        told.append(tuning.begin_epoch(live, epoch, 5))
        before = snapshot(live)
        step(live, tuning, steps=1, rate=1.0)
        trained.add(level)
        assert {level_of(name) for name in changed(before, live) if KEY_BIAS not in name} == trained
        assert all((p.grad is not None) == p.requires_grad for p in live.parameters())
    told.append(tuning.begin_epoch(live, 4, 5))
    assert told == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        ("bert", ["head", "body.encoder.layer.1", "body.encoder.layer.0", "body.embeddings"]),
        ("gpt2", ["head", "body.h.1 body.ln_f", "body.h.0", "body.wte body.wpe"]),
        ("llama", ["head", "body.layers.1 body.norm", "body.layers.0", "body.embed_tokens"]),
        ("modernbert", ["head", "body.layers.1 body.final_norm", "body.layers.0", "body.embeddings"]),
        ("t5", ["head", "body.block.1 body.final_layer_norm", "body.block.0", "body.embed_tokens"]),
        ("bart", ["head", "body.layers.1", "body.layers.0",
                  "body.embed_tokens body.embed_positions body.layernorm_embedding"]),
    ],
)  # fmt: skip
def test_every_level_has_its_parameters_and_its_rate(kind: str, levels: list[str]) -> None:
    live, tuning = prepared(kind, "gradual", unfreezing=False, decay=2.0)
    groups = tuning.groups(live)
    assert [group.rate for group in groups] == [1, 0.5, 0.25, 0.125]
    every = {name for name, _ in live.named_parameters()}
    for group, level in zip(groups, levels, strict=True):
        starts = tuple(f"{one}." for one in level.split())
        names = {name for name, _ in group.parameters}
        assert names == {name for name in every if name.startswith(starts)} != set()


def test_the_rates_fall_by_2_6_unless_told_otherwise() -> None:
    live, tuning = prepared("bert", "gradual", unfreezing=False)
    assert [group.rate for group in tuning.groups(live)] == pytest.approx(
        [1, 1 / 2.6, 1 / 2.6**2, 1 / 2.6**3]
    )
    live, tuning = prepared("bert", "gradual", unfreezing=False, decay=1)
    assert {group.rate for group in tuning.groups(live)} == {1}
    assert not tuning.begin_epoch(live, 0, 3)


@given(epochs=some.integers(1, 40), levels=some.integers(1, 30))
def test_levels_only_grow_and_all_are_trained_in_the_end(epochs: int, levels: int) -> None:
    found = [levels_at(epoch, epochs, levels) for epoch in range(epochs)]
    assert found == sorted(found)
    assert found[-1] == levels
    assert epochs == 1 or found[0] == 0
    if epochs > levels:
        assert found == [min(epoch, levels) for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"decay": 0.5}, "decay is a number from 1 on; got 0.5"),
        ({"decay": "2"}, "decay is a number"),
        ({"unfreezing": 1}, "unfreezing is true or false; got 1"),
        ({"slanted": False}, "has no option 'slanted'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        prepared("bert", "gradual", **options)


def test_the_slanted_triangle_comes_with_it_and_can_be_switched_off() -> None:
    assert STRATEGIES["gradual"].defaults["schedule"] == "slanted"
    texts, labels = ["the cat", "a dog runs", "the keys", "dogs bark"], [0, 1, 0, 1]

    def fitted(**options: Any) -> Any:
        clf = pk.FineTune(str(tiny_folder("bert")), "gradual", epochs=1, batch_size=2, rate=0.05, **options)
        return clf.fit(texts, labels).predict_proba(texts)

    slanted = fitted()
    assert (fitted(schedule="slanted") == slanted).all()
    assert (fitted(schedule="linear") != slanted).any()
