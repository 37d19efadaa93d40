"""Norm-based attention: the vectors add up to what the block's self-attention gave, in families of every shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.attention.norms import head_vectors, joint_norms, output_projection
from probekit.errors import ConfigError, ModelError
from probekit.models.attention import Attended, attend
from tests.tiny_models import tiny_model, write_tiny

TEXT = "The keys to the cabinet are here"


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "llama", "gpt_neox", "modernbert", "distilbert"])
def test_vectors_add_up_to_the_output_of_attention(kind: str) -> None:
    model = tiny_model(kind)
    ids = torch.tensor(model.tokenizer([TEXT]).input_ids)
    seen: dict[str, Attended] = {}
    with pk.capture(model, [2], "attention_output") as given:
        attend(model, ids, None, lambda layer, attended: seen.update({layer: attended}), [2])
    weight, bias = output_projection(model, "2")
    values = seen["2"].values
    assert values is not None
    vectors = head_vectors(values, weight)
    summed = torch.einsum("bhij,bhje->bie", seen["2"].weights, vectors)
    if bias is not None:
        summed = summed + bias
    torch.testing.assert_close(summed, given["2"], atol=2e-5, rtol=1e-4)

    # one norm at a time
    found = pk.norm_maps(model, TEXT, [2], level="piece").map(2)
    head, i, j = 1, ids.shape[1] - 1, 1
    expected = float((seen["2"].weights[0, head, i, j] * vectors[0, head, j]).norm())
    assert found[head, i, j] == pytest.approx(expected, rel=1e-4)
    joint = pk.norm_maps(model, TEXT, [2], level="piece", together=True).map(2)
    both = sum(seen["2"].weights[0, h, i, j] * vectors[0, h, j] for h in range(vectors.shape[1]))
    assert joint[i, j] == pytest.approx(float(torch.as_tensor(both).norm()), rel=1e-4)


def test_a_piece_with_no_value_gets_no_norm_whatever_its_weight() -> None:
    values = torch.tensor([[[[0.0, 0.0], [1.0, 1.0]]]])
    weight = torch.eye(2)[None]
    weights = torch.tensor([[[[0.9, 0.1], [0.9, 0.1]]]])
    assert joint_norms(weights, values, weight)[0, 0, 0].tolist() == pytest.approx([0.0, 0.1 * 2**0.5])


def test_rows_of_a_joint_map_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pk.norm_maps(tiny_model("bert"), TEXT, together=True).map()
    monkeypatch.setattr("probekit.attention.norms.CELLS", 1)
    in_parts = pk.norm_maps(tiny_model("bert"), TEXT, together=True).map()
    np.testing.assert_allclose(in_parts, whole, rtol=1e-6)  # sums of another order


def test_heads_and_layers_are_named() -> None:
    found = pk.norm_maps(tiny_model("bert"), [TEXT, "a dog"])
    assert found.layers == ("1", "2")
    assert found.heads == ("0", "1")
    assert {row.group for row in found.rows} == {"head=0", "head=1"}
    assert found.map("1", text=1).shape == (2, 2, 2)


def test_heads_have_the_names_that_other_analyses_give_them() -> None:
    model = tiny_model("bert")
    found = pk.norm_maps(model, TEXT)
    statistics = pk.head_statistics(model, TEXT)
    groups = {row.group for row in statistics.rows if row.group}
    assert {row.group for row in found.rows} == groups
    assert found.heads == tuple(statistics.panels[0].labels["columns"])
    assert found.heads == tuple(map(str, pk.attention_map(model, TEXT).heads))


def test_an_edit_of_heads_is_not_measured_wrongly() -> None:
    model = tiny_model("bert")
    with (
        pk.edit(model, 1, lambda states: 0 * states, site="heads"),
        pytest.raises(ModelError, match="site 'heads' or 'attention_output' is in force"),
    ):
        pk.norm_maps(model, TEXT, [1])


def test_half_precision_is_read(tmp_path: Path) -> None:
    folder = write_tiny("bert", tmp_path)
    half = pk.load_model(str(folder), device="cpu", dtype="bfloat16")
    whole = pk.load_model(str(folder), device="cpu")
    found, exact = (pk.norm_maps(model, TEXT, [1]).map(1) for model in (half, whole))
    np.testing.assert_allclose(found, exact, rtol=0.2, atol=0.02)


def test_values_out_of_sight_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(model: object, ids: torch.Tensor, mask: object, visit: object, layers: object) -> None:
        visit("1", Attended(torch.ones(1, 2, 3, 3)))  # type: ignore[operator]

    monkeypatch.setattr("probekit.attention.norms.attend", blind)
    with pytest.raises(ModelError, match="computes the values of layer 1 out of sight"):
        pk.norm_maps(tiny_model("bert"), TEXT, [1])


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_an_encoder_decoder_is_read_in_its_encoder(kind: str) -> None:
    found = pk.norm_maps(tiny_model(kind), TEXT)  # that vectors add up is checked inside
    assert found.layers == ("encoder.1", "encoder.2")
    with pytest.raises(ConfigError, match=r"not in decoder\.2, which also takes from the encoder"):
        pk.norm_maps(tiny_model(kind), TEXT, ["decoder.2"])


def test_bad_layers_and_levels() -> None:
    with pytest.raises(ConfigError, match="no layer '9'"):
        pk.norm_maps(tiny_model("bert"), TEXT, [9])
    with pytest.raises(ConfigError, match="unknown level 'words'; did you mean 'word'"):
        pk.norm_maps(tiny_model("bert"), TEXT, level="words")
