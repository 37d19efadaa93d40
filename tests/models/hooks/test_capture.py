"""What is captured equals what the states add up to, computed from the weights by hand."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

import probekit as pk
from probekit.models.model import Model
from tests.models.hooks.passes import double, draw, padded, whole, zero
from tests.tiny_models import ALL_KINDS, ENCODER_DECODERS, tiny_model

# block, output projection, down projection; and the norm behind either sum, where it lies there
_BERT = ("attention.output.dense", "output.dense", "attention.output.LayerNorm", "output.LayerNorm")
PARTS = {
    "bert": ("encoder.layer.{}", *_BERT),
    "roberta": ("encoder.layer.{}", *_BERT),
    "distilbert": ("transformer.layer.{}", "attention.out_lin", "ffn.lin2", "sa_layer_norm", "output_layer_norm"),
    "bart": ("encoder.layers.{}", "self_attn.out_proj", "fc2", "self_attn_layer_norm", "final_layer_norm"),
    "gpt2": ("h.{}", "attn.c_proj", "mlp.c_proj", "", ""),
    "llama": ("layers.{}", "self_attn.o_proj", "mlp.down_proj", "", ""),
    "t5": ("encoder.block.{}", "layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo", "", ""),
    "gpt_neox": ("layers.{}", "attention.dense", "mlp.dense_4h_to_h", "", ""),
    "modernbert": ("layers.{}", "attn.Wo", "mlp.Wo", "", ""),
}  # fmt: skip


def mapped(part: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """A linear map by its weights alone."""
    weight = part.weight if isinstance(part, nn.Linear) else part.weight.T  # type: ignore[union-attr]
    return functional.linear(states, weight, part.bias)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_block_is_the_sum_of_its_sites(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    hidden = whole(model.module, ids, mask, output_hidden_states=True)
    states = hidden.encoder_hidden_states if kind in ENCODER_DECODERS else hidden.hidden_states
    prefix = "encoder." if kind in ENCODER_DECODERS else ""
    sites = {site: model.states(ids, mask, "all", site=site) for site in ("attention_output", "mlp", "heads")}
    block_name, out, down, inner, outer = PARTS[kind]
    for number in (1, 2):
        layer = f"{prefix}{number}"
        block = model.module.get_submodule(block_name.format(number - 1))
        attention = sites["attention_output"][layer]
        from_heads = mapped(block.get_submodule(out), sites["heads"][layer])
        torch.testing.assert_close(attention, from_heads, rtol=0, atol=1e-6)
        middle = states[number - 1] + attention
        middle = block.get_submodule(inner)(middle) if inner else middle
        end = middle + mapped(block.get_submodule(down), sites["mlp"][layer])
        end = block.get_submodule(outer)(end) if outer else end
        torch.testing.assert_close(end, states[number], rtol=0, atol=2e-6)
        assert float(attention.abs().max()) > 1e-3


def test_the_neurons_of_a_gated_map_are_taken_after_the_product() -> None:
    model = tiny_model("llama")
    ids = draw(model)
    block = model.module.get_submodule("layers.0")
    before = model.states(ids, None, "0")["0"] + model.states(ids, None, "1", site="attention_output")["1"]
    normed = block.post_attention_layernorm(before)  # type: ignore[operator]
    gate, up = (mapped(block.get_submodule(f"mlp.{name}"), normed) for name in ("gate_proj", "up_proj"))
    neurons = model.states(ids, None, "1", site="mlp")["1"]
    torch.testing.assert_close(neurons, functional.silu(gate) * up, rtol=0, atol=1e-6)
    bert = tiny_model("bert")
    middle = bert.module.get_submodule("encoder.layer.0.intermediate.dense")
    caught: list[torch.Tensor] = []
    handle = middle.register_forward_hook(lambda _, __, output: caught.append(output))
    neurons = bert.states(draw(bert), None, "1", site="mlp")["1"]
    handle.remove()
    torch.testing.assert_close(neurons, functional.gelu(caught[-1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_hidden_is_transformers_own_and_heads_are_split(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    plain = model.states(ids, mask, "all")
    with pk.capture(model) as seen, pk.capture(model, site="heads") as heads:
        model.states(ids, mask, "all")
    assert tuple(seen) == model.layers
    flat = model.states(ids, mask, "all", site="heads")
    for layer, state in seen.items():
        rows = slice(1, None) if layer.startswith("decoder.") else slice(None)
        assert torch.equal(state[:, rows], plain[layer])
        if layer in flat:
            assert heads[layer].shape[2] == model.n_heads
            assert flat[layer].shape == (3, 9, model.site_dim("heads"))
            assert torch.equal(heads[layer][:, rows].flatten(2), flat[layer])


def test_the_last_pass_of_this_thread_is_kept_and_edits_are_seen() -> None:
    model = tiny_model("gpt2")
    one, two = draw(model, 1), draw(model, 2)
    plain = model.states(two, None, "1", site="mlp")["1"]
    with pk.capture(model, 1, "mlp") as seen:
        assert seen == {}
        model.states(one, None, "all")
        model.states(two, None, "all")
        thread = threading.Thread(target=lambda: model.states(one, None, "all"))
        thread.start()
        thread.join()
        assert torch.equal(seen["1"], plain)
        with pk.edit(model, 1, double, "mlp"):
            model.states(two, None, "all")
        assert torch.equal(seen["1"], double(plain))


def test_decode_sees_edits_of_both_stacks() -> None:
    model = tiny_model("t5")
    source, decoded = draw(model, 1), draw(model, 2)
    plain = model.decode(source, None, decoded, ["decoder.1", "decoder.2"])
    with pk.edit(model, "decoder.1", double):
        edited = model.decode(source, None, decoded, ["decoder.1", "decoder.2"])
    assert torch.equal(edited["decoder.1"], double(plain["decoder.1"]))
    assert not torch.equal(edited["decoder.2"], plain["decoder.2"])
    with pk.edit(model, "encoder.final", zero):
        first = model.decode(source, None, decoded, "decoder.2")["decoder.2"]
        other = model.decode(draw(model, 3), None, decoded, "decoder.2")["decoder.2"]
    assert torch.equal(first, other)  # whatever the encoder reads
    assert not torch.equal(first, plain["decoder.2"])


def test_layers_asked_for_by_a_model_with_two_stacks() -> None:
    model: Model = tiny_model("bart")
    assert model.resolve_layers("all", "mlp") == ("encoder.1", "encoder.2", "decoder.1", "decoder.2")
    assert list(model.states(draw(model), None, ["decoder.2", "encoder.1"], site="mlp")) == [
        "encoder.1",
        "decoder.2",
    ]
