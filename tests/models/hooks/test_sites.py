"""Where sites are: found in every family, and told apart from all other places by what passes by there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.models.families import FAMILIES
from probekit.models.hooks.sites import find_place
from probekit.models.load import assemble
from probekit.models.model import Model
from tests.models.hooks.passes import double, draw, whole, zero
from tests.models.hooks.small_families import CONFIGS, small
from tests.tiny_models import tiny_model

Call = tuple[tuple[Any, ...], dict[str, Any]]


def maps_called(block: nn.Module, call: Call) -> list[tuple[nn.Module, torch.Tensor]]:
    """The linear maps of a block in the order in which they are called, and what each reads."""
    maps = [m for m in block.modules() if getattr(getattr(m, "weight", None), "ndim", 0) == 2]
    seen: list[tuple[nn.Module, torch.Tensor]] = []
    handles = [
        part.register_forward_pre_hook(lambda part, args: seen.append((part, args[0].clone())))
        for part in maps
        if not isinstance(part, nn.Embedding)
    ]
    with torch.no_grad():
        block(*call[0], **call[1])
    for handle in handles:
        handle.remove()
    return seen


def other_neighbour(call: Call) -> Call:
    """The same call with another state at the last piece but one."""
    args, kwargs = copy.copy(call[0]), dict(call[1])
    states = (args[0] if args else kwargs["hidden_states"]).clone()
    states[:, -2] += torch.randn(states.shape[-1], generator=torch.Generator().manual_seed(0))
    return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})


def expected(block: nn.Module, call: Call) -> tuple[nn.Module, nn.Module]:
    """Of one block: the first map that at one piece reads something of another piece, and the last map of all."""
    one, two = maps_called(block, call), maps_called(block, other_neighbour(call))
    width = (call[0][0] if call[0] else call[1]["hidden_states"]).shape[1]
    first = next(
        part
        for (part, a), (_, b) in zip(one, two, strict=True)
        if a.numel() // a.shape[-1] == width
        and not torch.equal(a.reshape(width, -1)[-1], b.reshape(width, -1)[-1])
    )
    return first, one[-1][0]


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family_of_the_table(family: str) -> None:
    """Self-attention is where pieces meet, and the down projection is the last map of a block."""
    model = small(family)
    calls: dict[nn.Module, Call] = {}
    layers = model.resolve_layers("all", "mlp")
    places = {layer: find_place(model, layer, "hidden") for layer in layers}
    assert len({place.module for place in places.values()}) == 3 * len(model.stacks)
    handles = [
        place.module.register_forward_pre_hook(
            lambda part, args, kwargs: calls.__setitem__(part, (args, kwargs)), with_kwargs=True
        )
        for place in places.values()
    ]
    ids = draw(model, rows=1, pieces=8)
    plain = model.states(ids, None, "all")
    for handle in handles:
        handle.remove()
    for layer, place in places.items():
        attention, mlp = expected(place.module, calls[place.module])
        assert find_place(model, layer, "attention_output").module is attention
        assert find_place(model, layer, "heads").module is attention
        assert find_place(model, layer, "mlp").module is mlp
    assert model.site_dim("mlp") in (40, 4 * model.dim, 2 * model.dim)  # some have a ratio of their own
    assert model.site_dim("heads") % model.n_heads == 0
    for site in ("hidden", "attention_output", "mlp", "heads"):
        layer = model.resolve_layers("all", site)[-1]
        at = model.states(ids, None, [layer], site=site)[layer]
        with pk.edit(model, layer, double, site):
            assert torch.equal(model.states(ids, None, [layer], site=site)[layer], double(at))
            assert not torch.equal(model.states(ids, None, "all")[model.layers[-1]], plain[model.layers[-1]])


@pytest.mark.parametrize("family", CONFIGS)
def test_transformers_own_record_shows_edits_in_every_family(family: str) -> None:
    """Heads taken out and a layer changed show in what transformers hands out: nothing below, something above."""
    model = small(family)
    ids = draw(model, rows=2, pieces=8)
    prefix = "decoder." if model.start_piece is not None else ""
    field = f"{prefix.replace('.', '_')}hidden_states"
    plain = getattr(whole(model.module, ids, output_hidden_states=True), field)
    for fn, site in ((double, "hidden"), (zero, "heads"), (zero, "mlp")):
        with pk.edit(model, f"{prefix}2", fn, site):
            edited = getattr(whole(model.module, ids, output_hidden_states=True), field)
        assert [torch.equal(a, b) for a, b in zip(plain, edited, strict=True)] == [True, True, False, False]
        if site == "hidden":
            assert torch.equal(edited[2], double(plain[2]))


def test_every_row_with_paths_is_tried() -> None:
    tried = {name.partition(" ")[0] for name in CONFIGS}
    assert {name for name, family in FAMILIES.items() if family.attention} - tried == set()


def test_numbers_of_heads_and_widths() -> None:
    llama = small("llama")  # heads wider than dim / heads
    assert (llama.n_heads, llama.dim) == (4, 24)
    assert [llama.site_dim(site) for site in ("hidden", "attention_output", "mlp", "heads")] == [
        24,
        24,
        40,
        32,
    ]
    assert small("t5").site_dim("heads") == 20
    with pytest.raises(ConfigError, match="unknown site 'neurons'"):
        llama.site_dim("neurons")


def build(module: Any, start: int | None = None) -> Model:
    return assemble(
        module, tiny_model("bert").tokenizer, name="mine", revision="", kind="pretrained", start=start
    )


def test_stacks_that_differ() -> None:
    module = type(small("bart").module)(
        type(small("bart").module.config)(**{
            **CONFIGS["bart"], "decoder_attention_heads": 2, "decoder_ffn_dim": 24, "decoder_layers": 2,
        })
    )  # fmt: skip
    model = build(module, 2)
    with pytest.raises(ModelError, match=r"different numbers of heads \[2, 4\]"):
        _ = model.n_heads
    with pytest.raises(ModelError, match=r"different widths \[24, 40\] at 'mlp'"):
        model.site_dim("mlp")
    with pk.capture(model, "all", "heads") as seen:
        model.states(draw(model), None, "all")
    assert {layer: state.shape[2] for layer, state in seen.items()} == {
        "encoder.1": 4, "encoder.2": 4, "encoder.3": 4, "decoder.1": 2, "decoder.2": 2,
    }  # fmt: skip


def albert() -> Model:
    config = AlbertConfig(
        vocab_size=99, embedding_size=8, hidden_size=24, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=40,
    )  # fmt: skip
    return build(AlbertModel(config, add_pooling_layer=False))


def test_blocks_that_share_their_weights() -> None:
    model = albert()
    with pytest.raises(ModelError, match="blocks of AlbertModel cannot be seen"), pk.edit(model, 1, zero):
        raise AssertionError
    with pytest.raises(ModelError, match="blocks of AlbertModel"):
        model.states(draw(model), None, "all", site="mlp")


def test_a_family_without_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAMILIES, "gptj")
    model = small("gptj")
    ids = draw(model)
    with pk.edit(model, 1, zero):  # blocks are seen, not looked up
        assert not model.states(ids, None, "1")["1"].any()
    with pytest.raises(
        ModelError, match=r"site 'heads' is not known; say it with probekit.register_family\('gptj'"
    ):
        model.states(ids, None, "1", site="heads")
    pk.register_family("gptj", attention="attn.out_proj")
    assert model.states(ids, None, "1", site="heads")["1"].shape == (3, 9, 24)
    with pytest.raises(ModelError, match="site 'mlp' is not known"):
        model.states(ids, None, "1", site="mlp")
    pk.register_family("gptj", attention="attn.nothing", mlp="mlp.nothing, mlp.fc_out")
    assert model.states(ids, None, "1", site="mlp")["1"].shape == (3, 9, 40)
    with pytest.raises(ModelError, match=r"block 1 \(GPTJBlock\) has no part 'attn.nothing'"):
        model.states(ids, None, "1", site="heads")


def test_registering_keeps_what_is_known_of_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "xlnet", FAMILIES["xlnet"])
    pk.register_family("xlnet", attention="a", mlp="b")
    assert FAMILIES["xlnet"].unbounded
    pk.register_family("xlnet", unbounded=False)
    assert not FAMILIES["xlnet"].unbounded


@pytest.mark.parametrize("path", ["a..b", ".a", "a, ", 3])
def test_no_path(path: Any) -> None:
    with pytest.raises(ConfigError, match="is no path inside a block"):
        pk.register_family("mine", attention=path)


def test_a_row_read_in_chunks_is_refused() -> None:
    module = copy.deepcopy(small("bert").module)
    module.config.chunk_size_feed_forward = 2
    model = build(module)
    with pytest.raises(ModelError, match="chunk_size_feed_forward to 0"), pk.edit(model, 1, zero, "mlp"):
        raise AssertionError
