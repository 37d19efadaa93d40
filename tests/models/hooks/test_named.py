"""Texts that begin alike are packed under rowwise edits alone, and scores under edits are those of another model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import probekit as pk
from probekit.models import load_model
from probekit.models.hooks import only_rowwise
from probekit.models.scoring.tree import Tree
from tests.models.hooks.passes import zero
from tests.models.hooks.test_heads import OUTPUT_PROJECTION
from tests.tiny_models import tiny_lm, write_tiny

TEXTS = [
    "the cat sat on the mat",
    "the cat sat on mats",
    "the cats sit on mats",
    "dogs run",
    "the keys to the cabinet are here",
]


class Shrink:
    """Half of the states; piece by piece."""

    rowwise = True

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return states / 2


class Centred:
    """The states less their mean over the row: not piece by piece."""

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return states - states.mean(1, keepdim=True)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many answers came from packed rows, time by time."""
    seen: list[int] = []
    logprobs = Tree.logprobs

    def counted(self: Tree, head: Any, queries: Any, *rest: Any) -> Any:
        seen.append(len(queries))
        return logprobs(self, head, queries, *rest)

    monkeypatch.setattr(Tree, "logprobs", counted)
    return seen


def scores(model: Any) -> list[np.ndarray]:
    return [found.logprob for found in pk.score_pieces(model, TEXTS)]


def one_by_one(model: Any) -> list[np.ndarray]:
    return [pk.score_pieces(model, [text])[0].logprob for text in TEXTS]


@pytest.mark.parametrize("site", ["hidden", "attention_output", "mlp", "heads"])
@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox"])
def test_a_rowwise_edit_keeps_the_packing(kind: str, site: Any, packed: list[int]) -> None:
    model = tiny_lm(kind)
    plain = scores(model)
    assert packed
    packed.clear()
    with pk.edit(model, 1, Shrink(), site):
        assert only_rowwise(model)
        together = scores(model)
        assert packed
    packed.clear()
    with pk.edit(model, 1, Shrink(), site, slice(None)):
        assert not only_rowwise(model)
        apart = scores(model)
    with pk.edit(model, 1, lambda states: states / 2, site):
        unsaid = scores(model)
    assert packed == []
    for a, b, c in zip(together, apart, unsaid, strict=True):
        np.testing.assert_allclose(a / np.log(2), b / np.log(2), rtol=0, atol=1e-4)
        np.testing.assert_array_equal(b, c)
    assert max(np.abs(a - d)[1:].max() for a, d in zip(together, plain, strict=True)) > 1e-3


@pytest.mark.parametrize(
    ("fn", "positions"), [(Shrink(), -1), (Shrink(), lambda ids: ids == ids[:, -1:]), (Centred(), None)]
)
def test_other_edits_read_texts_as_they_stand(fn: Any, positions: Any, packed: list[int]) -> None:
    model = tiny_lm("gpt2")
    with pk.edit(model, 1, fn, positions=positions):
        found, truth = scores(model), one_by_one(model)
    assert packed == []
    for a, b in zip(found, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "bert", "t5", "bart", "gpt_neox", "modernbert"])
def test_scores_without_heads_are_those_of_a_model_without_them(kind: str, tmp_path: Path) -> None:
    folder = write_tiny(kind, tmp_path / "plain", head=True)
    model = load_model(str(folder), device="cpu")
    layer = model.resolve_layers("all", "heads")[-1]
    stack = layer.rpartition(".")[0]
    name = OUTPUT_PROJECTION[kind].format(int(layer.rpartition(".")[2]) - 1) + ".weight"
    weights = load_file(folder / "model.safetensors")
    [hit] = [key for key in weights if key.endswith(name) and stack in (*key.split("."), "")]
    weights[hit] = torch.zeros_like(weights[hit])
    other = shutil.copytree(folder, tmp_path / "other")
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    truth, plain = scores(load_model(str(other), device="cpu")), scores(model)
    with pk.edit(model, layer, zero, "heads"):
        found = scores(model)
    for a, b in zip(found, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
    assert max(np.nanmax(np.abs(a - b)) for a, b in zip(found, plain, strict=True)) > 1e-3
