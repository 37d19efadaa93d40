"""Values changed in a watched pass: what changes, what does not, and that nothing stays behind."""

from __future__ import annotations

import pytest
import torch

import probekit as pk
from probekit.errors import ModelError
from probekit.models.attention import Attended, attend
from probekit.models.attention_edits import changed_values
from tests.tiny_models import tiny_model


def _read(kind: str = "bert") -> tuple[torch.Tensor, dict[str, Attended]]:
    model = tiny_model(kind)
    ids = torch.tensor(model.tokenizer(["the cat sat on mats"]).input_ids)
    seen: dict[str, Attended] = {}
    with pk.capture(model, [1], "heads") as heads:
        attend(model, ids, None, lambda layer, attended: seen.update({layer: attended}), [1, 2])
    return heads["1"], seen


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_values_change_and_weights_of_that_layer_do_not(kind: str) -> None:
    before, plain = _read(kind)
    with changed_values(tiny_model(kind), lambda values: 3 * values):
        after, seen = _read(kind)
    torch.testing.assert_close(after, 3 * before)
    assert torch.equal(seen["1"].weights, plain["1"].weights)
    again, _ = _read(kind)
    assert torch.equal(again, before)


def test_passes_that_are_not_watched_go_on_as_they_were() -> None:
    model = tiny_model("bert")
    ids = torch.tensor([[5, 6, 7]])
    before = model.states(ids, None, [2])["2"]
    with changed_values(model, lambda values: 0 * values):
        assert torch.equal(model.states(ids, None, [2])["2"], before)


def test_an_error_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = _read()
    with (
        pytest.raises(ZeroDivisionError),
        changed_values(tiny_model("bert"), lambda values: values / (1 // 0)),
    ):
        _read()
    assert torch.equal(_read()[0], before)
    monkeypatch.setattr("probekit.models.attention_edits.looked_up_by_name", lambda model: False)
    with (
        pytest.raises(ModelError, match="out of sight"),
        changed_values(tiny_model("bert"), lambda values: values),
    ):
        pass
