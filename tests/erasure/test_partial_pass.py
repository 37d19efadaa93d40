"""A pass that ends at the layer wanted: the same bits, no block above, nothing left behind."""

from __future__ import annotations

import threading

import pytest
import torch

import probekit as pk
from probekit.erasure import partial_pass
from probekit.erasure.partial_pass import states_up_to
from probekit.errors import ModelError
from probekit.models import Model
from tests.tiny_models import tiny_model

IDS = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
LAYERS = [(kind, layer) for kind in ("bert", "roberta", "gpt2", "llama") for layer in ("0", "1", "2")]


@pytest.mark.parametrize(
    ("kind", "layer"), [*LAYERS, ("gpt2", "final"), ("t5", "encoder.1"), ("bart", "decoder.1")]
)
def test_the_states_are_the_very_ones_of_a_whole_pass(kind: str, layer: str) -> None:
    model = tiny_model(kind)
    assert torch.equal(states_up_to(model, IDS, layer), model.states(IDS, None, [layer])[layer])
    assert torch.equal(states_up_to(model, IDS, layer), model.states(IDS, None, [layer])[layer])


def passes_of_block(model: Model, number: int, work) -> int:  # type: ignore[no-untyped-def]
    """How often a block runs."""
    with pk.capture(model, [number]) as seen:
        work()
    return len(seen)


def test_blocks_above_do_not_run() -> None:
    model = tiny_model("bert")
    assert passes_of_block(model, 2, lambda: states_up_to(model, IDS, "1")) == 0
    assert passes_of_block(model, 1, lambda: states_up_to(model, IDS, "1")) == 1
    assert passes_of_block(model, 2, lambda: states_up_to(model, IDS, "2")) == 1


def test_an_edit_below_is_seen_and_one_above_is_reached() -> None:
    model = tiny_model("bert")
    plain = states_up_to(model, IDS, "1")
    with pk.edit(model, 1, lambda states: 2 * states):
        assert torch.equal(states_up_to(model, IDS, "1"), 2 * plain)
    with pk.edit(model, 2, lambda states: 0 * states):  # an edit that is never reached is an error
        assert torch.equal(states_up_to(model, IDS, "1"), plain)


def test_another_thread_runs_to_its_end() -> None:
    model = tiny_model("gpt2")
    expected = model.states(IDS, None, ["2"])["2"]
    found: list[torch.Tensor] = []
    inside = partial_pass._place(model, "1")
    assert inside is not None
    started = threading.Event()

    def other() -> None:
        found.append(model.states(IDS, None, ["2"])["2"])
        started.set()

    def wait(states: torch.Tensor) -> torch.Tensor:
        if not found:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return states

    with pk.edit(model, 0, wait):
        states_up_to(model, IDS, "1")
    assert started.is_set()
    assert torch.equal(found[0], expected)


def test_a_family_whose_blocks_are_not_known_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")

    def unknown(*_: object) -> None:
        raise ModelError("which are its blocks?")

    monkeypatch.setattr(partial_pass, "find_place", unknown)
    monkeypatch.setattr(partial_pass, "_PLACES", {})
    assert partial_pass._place(model, "1") is None
    assert torch.equal(states_up_to(model, IDS, "1"), model.states(IDS, None, ["1"])["1"])
