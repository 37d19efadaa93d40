"""Bottleneck adapters: nothing at first, exactly; in the published places; gone without a trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from probekit.adaptation.strategies.bottleneck import Adapters, Bottleneck
from probekit.adaptation.strategies.parts import NotMergeable
from probekit.errors import ConfigError, ModelError
from probekit.models.families import FAMILIES
from tests.adaptation.strategies.steps import make_live, outputs, prepared, snapshot, step
from tests.tiny_models import ALL_KINDS


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("strategy", ["houlsby", "pfeiffer"])
def test_at_first_nothing_is_changed_and_in_the_end_nothing_is_left(strategy: str, kind: str) -> None:
    plain = make_live(kind)
    live, tuning = prepared(kind, strategy, reduction=4)
    assert torch.equal(outputs(live), outputs(plain)), "not close: equal"
    head = {name: value.clone() for name, value in live.head.state_dict().items()}
    step(live, tuning, steps=2, rate=1.0)
    live.head.load_state_dict(head)
    assert not torch.equal(outputs(live), outputs(plain))
    assert isinstance(tuning, Adapters)
    tuning.remove(live)
    assert torch.equal(outputs(live), outputs(plain))
    before = snapshot(plain)
    assert {name: value.shape for name, value in live.state_dict().items()} == {
        name: value.shape for name, value in before.items()
    }
    assert all(torch.equal(value, before[name]) for name, value in live.state_dict().items())


@pytest.mark.parametrize("strategy", ["houlsby", "pfeiffer"])
def test_adapters_stand_before_the_residual_sum(strategy: str) -> None:
    live, _ = prepared("bert", strategy, reduction=4)
    live.eval()
    with torch.no_grad():
        for module in live.modules():
            if isinstance(module, Bottleneck):
                for parameter in module.parameters():
                    parameter.copy_(torch.randn_like(parameter) * 0.3)
        ids = torch.tensor([[5, 6, 7, 8]])
        states = live.body(input_ids=ids, output_hidden_states=True).hidden_states
        block: Any = live.body.encoder.layer[0]

        def projected(dense: Any, given: torch.Tensor, adapted: bool) -> torch.Tensor:
            out = functional.linear(given, dense.weight, dense.bias)
            if not adapted:
                return out
            own = dense.bottleneck
            narrow = functional.linear(out, own.down.weight, own.down.bias)
            narrow = functional.gelu(narrow) if strategy == "houlsby" else functional.relu(narrow)
            return out + functional.linear(narrow, own.up.weight, own.up.bias)

        looked = block.attention.self(states[0])[0]
        part = block.attention.output
        first = part.LayerNorm(projected(part.dense, looked, strategy == "houlsby") + states[0])
        neurons = functional.gelu(block.intermediate.dense(first))
        second = block.output.LayerNorm(projected(block.output.dense, neurons, True) + first)
    torch.testing.assert_close(states[1], second, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("asked", "size"), [(16, 2), (1, 32), (3, 10), (1000, 1), (0.5, 64)])
def test_the_reduction_is_of_the_width(asked: float, size: int) -> None:
    live, _ = prepared("gpt2", "pfeiffer", reduction=asked)
    assert {m.down.out_features for m in live.modules() if isinstance(m, Bottleneck)} == {size}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"reduction": 0}, "reduction is a number above 0; got 0"),
        ({"reduction": "16"}, "reduction is a number above 0; got '16'"),
        ({"reduction": float("inf")}, "reduction is a number above 0; got inf"),
        ({"activation": "rellu"}, r"no activation 'rellu'; did you mean 'relu'\?"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        prepared("bert", "houlsby", **options)


def test_they_do_not_merge() -> None:
    live, tuning = prepared("bert", "houlsby")
    with pytest.raises(NotMergeable, match=r"strategy 'houlsby': .* do not fold into the weights"):
        tuning.merge(live)


def test_a_family_whose_places_are_not_known_is_told_how_to_say_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAMILIES, "bert")
    with pytest.raises(ModelError, match="register_family"):
        prepared("bert", "pfeiffer")
