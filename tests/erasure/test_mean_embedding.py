"""The mean of the vocabulary in place of some embeddings, in one thread, and gone afterwards."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from probekit.erasure.mean_embedding import MeanEmbedding, mean_embedding
from probekit.errors import ModelError
from tests.tiny_models import tiny_model


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_the_mean_is_over_all_rows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(kind)
    weight: Any = model.module.get_input_embeddings().weight
    monkeypatch.setattr("probekit.erasure.mean_embedding.CHUNK", 7)
    assert torch.allclose(mean_embedding(model), weight.mean(0), atol=1e-6)


def test_marked_pieces_are_replaced_in_this_thread_alone() -> None:
    model = tiny_model("gpt2")
    embed: Any = model.module.get_input_embeddings()
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    marks = torch.tensor([[0, 1, 0], [1, 0, 0]])
    plain = embed(ids)
    other: list[torch.Tensor] = []
    change = MeanEmbedding(model)
    with change(marks):
        inside = embed(ids)
        thread = threading.Thread(target=lambda: other.append(embed(ids)))
        thread.start()
        thread.join()
    assert torch.equal(inside[marks == 0], plain[marks == 0])
    assert torch.equal(inside[marks == 1], change.mean.expand(2, -1))
    assert torch.equal(other[0], plain)
    assert torch.equal(embed(ids), plain)
    with pytest.raises(RuntimeError, match="on purpose"), change(marks):
        raise RuntimeError("on purpose")
    assert torch.equal(embed(ids), plain)


def test_an_encoder_decoder_has_one_embedding_for_two_stacks() -> None:
    with pytest.raises(ModelError, match="encoder-decoder"):
        MeanEmbedding(tiny_model("t5"))
