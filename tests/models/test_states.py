"""States equal transformers' own hidden states, layer by layer, for six families."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, GPTNeoConfig, GPTNeoModel

from probekit.errors import ConfigError
from probekit.models import Model, load_model
from tests.tiny_models import ENCODER_DECODERS, KINDS, WITH_FINAL_NORM, tiny_folder, tiny_model


def batch(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Three rows of unequal length, padded on the right."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, len(model.tokenizer), (3, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 6:] = mask[2, 2:] = 0
    return ids.masked_fill(mask == 0, model.pad_piece), mask


def reference(kind: str) -> torch.nn.Module:
    """The same weights through transformers alone, raw last states asked for before construction."""
    config = AutoConfig.from_pretrained(tiny_folder(kind))
    config.tie_last_hidden_states = False
    return AutoModel.from_pretrained(tiny_folder(kind), config=config, dtype=torch.float32).eval()


def expected(kind: str, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """All layers by name from one plain call of transformers' model."""
    model = reference(kind)
    with torch.no_grad():
        if kind not in ENCODER_DECODERS:
            out = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            layers = {str(number): state for number, state in enumerate(out.hidden_states)}
            return layers | {"final": out.last_hidden_state}
        start = model.config.decoder_start_token_id
        front = torch.full((len(ids), 1), start)
        out = model(
            input_ids=ids,
            attention_mask=mask,
            decoder_input_ids=torch.cat([front, ids], dim=1),
            decoder_attention_mask=torch.cat([torch.ones_like(front), mask], dim=1),
            output_hidden_states=True,
        )
    layers = {f"encoder.{number}": state for number, state in enumerate(out.encoder_hidden_states)}
    layers |= {f"decoder.{number}": state[:, 1:] for number, state in enumerate(out.decoder_hidden_states)}
    return layers | {
        "encoder.final": out.encoder_last_hidden_state,
        "decoder.final": out.last_hidden_state[:, 1:],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_transformers_own(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = batch(model)
    states = model.states(ids, mask, model.layers)
    truth = expected(kind, ids, mask)
    assert tuple(states) == model.layers
    for layer, state in states.items():
        assert state.shape == (3, 9, model.dim)
        assert torch.equal(state, truth[layer]), layer


@pytest.mark.parametrize("kind", KINDS)
def test_final_is_a_layer_only_behind_a_final_norm(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = batch(model)
    truth = expected(kind, ids, mask)
    for stack in ("encoder.", "decoder.") if kind in ENCODER_DECODERS else ("",):
        assert (f"{stack}final" in model.layers) == (kind in WITH_FINAL_NORM)
        top, final = (
            model.states(ids, mask, [f"{stack}2", f"{stack}final"]).values()
            if (f"{stack}final" in model.layers)
            else 2 * tuple(model.states(ids, mask, [f"{stack}final"]).values())
        )
        assert torch.equal(final, truth[f"{stack}final"])
        assert torch.equal(top, final) == (kind not in WITH_FINAL_NORM)


@pytest.mark.parametrize("kind", KINDS)
def test_some_layers_and_no_mask(kind: str) -> None:
    model = tiny_model(kind)
    ids = batch(model)[0][:1]
    every = model.states(ids, None, model.layers)
    for layer in model.layers:
        alone = model.states(ids, None, [layer])
        assert list(alone) == [layer]
        assert torch.equal(alone[layer], every[layer])


@pytest.mark.parametrize("kind", ENCODER_DECODERS)
def test_decoder_rows_know_their_piece_and_no_later_one(kind: str) -> None:
    model = tiny_model(kind)
    ids = batch(model)[0][:1]
    with torch.no_grad():
        embedded = model.states(ids, None, ["decoder.0"])["decoder.0"]
        other = ids.clone()
        other[0, 4] = 7 if ids[0, 4] != 7 else 8
        changed = model.states(other, None, ["decoder.0"])["decoder.0"]
    assert [t for t in range(9) if not torch.equal(embedded[0, t], changed[0, t])] == [4]


def test_a_causal_model_reads_nothing_ahead() -> None:
    model = tiny_model("gpt2")
    ids = batch(model)[0][:1]
    whole = model.states(ids, None, ["2"])["2"]
    part = model.states(ids[:, :5], None, ["2"])["2"]
    torch.testing.assert_close(whole[:, :5], part, rtol=0, atol=1e-5)


def test_no_gradients_and_no_cache() -> None:
    model = tiny_model("llama")
    state = model.states(torch.tensor([[5, 6]]), None, ["1"])["1"]
    assert not state.requires_grad
    assert not state.is_inference()
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_layers_are_resolved_in_order_and_once() -> None:
    model = tiny_model("gpt2")
    assert model.resolve_layers("all") == ("0", "1", "2", "final")
    assert model.resolve_layers(["final", 1, "1", 0]) == ("0", "1", "final")
    assert model.resolve_layers(2) == ("2",)
    assert model.resolve_layers("final") == ("final",)
    assert tiny_model("bert").resolve_layers(["final", 2]) == ("2",)
    assert tiny_model("bart").resolve_layers(["encoder.final", "decoder.0"]) == ("encoder.2", "decoder.0")


@pytest.mark.parametrize(
    ("kind", "layers", "hint"),
    [
        ("bert", 3, "has no layer '3': it has 0 ... 2"),
        ("bert", [-1], "has no layer '-1'"),
        ("gpt2", "finale", "did you mean 'final'"),
        ("bart", 1, "'encoder.1' or 'decoder.1'"),
        ("bart", "final", "has no layer 'final'"),
        ("bert", "encoder.1", "has no layer"),
        ("bert", [], "no layer was asked for"),
    ],
)
def test_unknown_layers_are_refused(kind: str, layers: object, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint.replace("...", r"\.\.\.")):
        tiny_model(kind).resolve_layers(layers)  # type: ignore[arg-type]


def test_a_family_that_hides_its_last_block_behind_the_norm(tmp_path: Path) -> None:
    """GPT-Neo's code shows only the normed state; the raw one is taken from the block itself."""
    shutil.copytree(tiny_folder("gpt2"), tmp_path, dirs_exist_ok=True)
    config = GPTNeoConfig(
        vocab_size=500, hidden_size=32, num_layers=2, num_heads=2, attention_types=[[["global"], 2]],
        max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        GPTNeoModel(config).save_pretrained(tmp_path)
    model = load_model(str(tmp_path), device="cpu")
    assert model.layers == ("0", "1", "2", "final")
    ids, mask = batch(model)
    states = model.states(ids, mask, ["1", "2", "final"])
    with torch.no_grad():
        plain = model.module(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        normed = model.module.ln_f(states["2"])
    assert torch.equal(states["1"], plain.hidden_states[1])
    assert torch.equal(states["final"], plain.last_hidden_state)
    assert torch.equal(normed, states["final"])
    assert not torch.allclose(states["2"], states["final"])
    assert torch.equal(model.states(ids, mask, ["2"])["2"], states["2"])
    assert not any(block._forward_hooks for block in model.module.h)
