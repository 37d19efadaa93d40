"""The table says where the trained parameters are."""

from __future__ import annotations

import pytest
from sklearn.exceptions import NotFittedError

import probekit as pk
from tests.adaptation.strategies.steps import prepared

D, HEAD = 32, 66
GPT2_BLOCK = (4 * D * D + 4 * D) + (8 * D * D + 5 * D) + 4 * D
"""Attention; feed-forward of four times the width; two norms."""


@pytest.mark.parametrize(
    ("kind", "strategy", "trained"),
    [
        ("bert", "pfeiffer", {"block 1": 162, "block 2": 162}),
        ("bert", "prompt", {"front": 20 * D}),
        ("bert", "head-only", {}),
        ("gpt2", "top-k", {"block 2": GPT2_BLOCK, "above": 2 * D}),
        ("llama", "prefix", {"front": 20 * 2 * 2 * D // 2}),
    ],
)
def test_trained_parameters_by_part(kind: str, strategy: str, trained: dict[str, int]) -> None:
    live, _ = prepared(kind, strategy)
    table = pk.parameter_table(live).set_index("part")
    found = table.trained[table.trained > 0].to_dict()
    assert found == {**trained, "head": HEAD, "all": HEAD + sum(trained.values())}
    assert table.parameters["all"] == sum(p.numel() for p in live.parameters())
    assert table.parameters.drop("all").sum() == table.parameters["all"]
    assert (table.share == table.trained / table.parameters).all()
    order = ["front", "below", "block 1", "block 2", "above", "head", "all"]
    assert list(table.index) == [part for part in order if part in table.index]


def test_what_was_trained_on_the_way_counts() -> None:
    live, _ = prepared("bert", "gradual")
    live.trained = {name for name, _ in live.named_parameters()}
    table = pk.parameter_table(live)
    assert (table.trained == table.parameters).all()


def test_an_unfitted_estimator_is_told_so() -> None:
    with pytest.raises(NotFittedError):
        pk.parameter_table(pk.FineTune("demo:minilm"))
