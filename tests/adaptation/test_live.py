"""A live model: what its head reads, and which way its body looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probekit.adaptation.examples import read_examples
from probekit.adaptation.inputs import encode_inputs, make_batch
from probekit.adaptation.live import Live, reads_ahead
from probekit.errors import ModelError
from probekit.models.ref import ModelRef
from tests.tiny_models import ALL_KINDS, tiny_folder, tiny_model


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_which_way_it_reads_is_seen(kind: str) -> None:
    assert reads_ahead(tiny_model(kind)) == (kind not in ("gpt2", "llama", "gpt_neox"))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_unit_is_the_mean_of_its_pieces_last_states_whatever_stands_beside_it(kind: str) -> None:
    live = Live(ModelRef(name=str(tiny_folder(kind)), device="cpu").load(), 3, seed=1).eval()
    inputs = encode_inputs(live.model, read_examples(["the cats sit on mats", "dogs run"]))
    with torch.no_grad():
        together = live(make_batch(inputs, np.array([0, 1]), live.model.pad_piece, torch.device("cpu")))
        layer = live.model.stacks[0].layers[-1]
        for row in (0, 1):
            ids = torch.from_numpy(inputs.ids[row])[None]
            states = live.model.states(ids, None, [layer])[layer][0]
            wanted = live.head(states[torch.from_numpy(inputs.places[row])].mean(0))
            assert float((together[row] - wanted).abs().max()) < 1e-5


def test_the_seed_draws_the_head() -> None:
    model = ModelRef(name=str(tiny_folder("bert")), device="cpu").load()
    a, b, c = (Live(model, 2, seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_half_precision_weights_are_refused() -> None:
    model = ModelRef(name=str(tiny_folder("bert")), dtype="float16", device="cpu").load()
    with pytest.raises(ModelError, match=r"load it as float32 and fine-tune with precision='bfloat16'"):
        Live(model, 2)
