"""Attention weights beside transformers' own eager ones, in every family, and what is left as it was behind them."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoModel,
    GptOssConfig,
    GptOssModel,
    MambaConfig,
    MambaModel,
)

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.models import load_model
from probekit.models.attention import Attended, attend, attentions, looked_up_by_name
from probekit.models.hooks.sites import find_place
from probekit.models.load import assemble
from probekit.models.model import Model
from tests.models.hooks.passes import all_hooks, double, draw, padded, zero_head
from tests.models.hooks.small_families import CONFIGS, small
from tests.tiny_models import ALL_KINDS, tiny_folder, tiny_model

REFUSED = {
    "falcon": "gives other states when its attention is looked at .* load it with attention='eager'",
    "longt5": r"encoder.1 has the shape \[1, 1, 4, 5, 15\]",
    "longt5 tglobal": r"encoder.1 has the shape \[1, 1, 4, 5, 16\]",
}


def eager(module: Any) -> Any:
    """The same weights in a model that transformers built with its eager attention."""
    found = type(module)._from_config(copy.deepcopy(module.config), attn_implementation="eager").eval()
    found.load_state_dict(module.state_dict())
    return found


@torch.no_grad()
def own(
    module: Any, start: int | None, ids: torch.Tensor, mask: torch.Tensor | None = None
) -> dict[str, Any]:
    """What transformers hands out for ``output_attentions``, by layer.

    Without a cache: one copies the keys of GPT-2 to other places in memory, and their products round differently by
    some 1e-8.
    """
    more: dict[str, Any] = {"use_cache": False} if hasattr(module.config, "use_cache") else {}
    if start is not None:
        pad = torch.nn.functional.pad
        more["decoder_input_ids"] = pad(ids, (1, 0), value=start)
        more["decoder_attention_mask"] = None if mask is None else pad(mask, (1, 0), value=1)
    out = module(input_ids=ids, attention_mask=mask, output_attentions=True, return_dict=True, **more)
    if start is None:
        return {str(n): weights for n, weights in enumerate(out.attentions, start=1)}
    return {
        f"{stack}.{n}": weights
        for stack in ("encoder", "decoder")
        for n, weights in enumerate(getattr(out, f"{stack}_attentions"), start=1)
    }


def build(module: Any) -> Model:
    return assemble(
        module.eval(), tiny_model("bert").tokenizer, name="mine", revision="", kind="pretrained", start=None
    )


SIZES: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_weights_equal_transformers_own(kind: str) -> None:
    """To the bit, with rows under padding, and whatever layer is asked for."""
    model = tiny_model(kind)
    reference = AutoModel.from_pretrained(tiny_folder(kind), attn_implementation="eager").eval()
    assert model.module.config._attn_implementation == "sdpa"
    for ids, mask in ((draw(model), None), padded(model)):
        expected = own(reference, model.start_piece, ids, mask)
        found = attentions(model, ids, mask)
        assert list(found) == list(expected) == list(model.resolve_layers("all", "heads"))
        for layer, weights in found.items():
            assert torch.equal(weights, expected[layer]), layer
            if mask is not None:
                real = weights[2, :, : 2 + layer.startswith("decoder.")]
                assert real.sum(-1).allclose(torch.ones(()), atol=1e-5)
                assert (real[..., 2 + layer.startswith("decoder.") :] == 0).all()
    last = model.resolve_layers("all", "heads")[-1]
    assert torch.equal(attentions(model, ids, mask, [last])[last], expected[last])
    assert model.module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_what_may_be_looked_at(kind: str) -> None:
    """Exactly what gets a weight, under padding too; None where the family does not let it be seen."""
    model = tiny_model(kind)

    def visit(layer: str, seen: Attended) -> None:
        assert seen.visible is not None
        assert torch.equal(seen.visible.expand(seen.weights.shape), seen.weights > 0)

    attend(model, draw(model, pieces=20), None, visit)
    ids, mask = padded(model)
    rows = mask.bool()

    def of_real(layer: str, seen: Attended) -> None:
        assert seen.visible is not None
        shown = seen.visible.expand(seen.weights.shape)
        start = seen.weights.shape[2] - ids.shape[1]
        for row, real in enumerate(rows):
            n = int(real.sum()) + start
            assert torch.equal(shown[row, :, :n], seen.weights[row, :, :n] > 0)

    attend(model, ids, mask, of_real)
    hidden: list[Any] = []
    attend(
        small("mpnet"),
        draw(small("mpnet")),
        None,
        lambda _, seen: hidden.append((seen.visible, seen.queries)),
    )
    assert hidden == [(None, None)] * 3


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family(family: str) -> None:
    model = small(family)
    ids = draw(model, rows=2, pieces=8)
    if family in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[family]):
            attentions(model, ids)
        return
    expected = own(eager(model.module), model.start_piece, ids)
    found = attentions(model, ids)
    assert list(found) == list(expected)
    assert all(torch.equal(found[layer], expected[layer]) for layer in found)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_weights_are_made_of_queries_and_keys(kind: str) -> None:
    """Softmax of scaled products (T5 adds distances and does not scale); values times weights are what heads read."""
    model = tiny_model(kind)
    ids = draw(model, rows=2)
    heads = model.states(ids, None, "all", site="heads")

    def visit(layer: str, seen: Attended) -> None:
        queries, keys, values = seen.queries, seen.keys, seen.values
        assert queries is not None
        assert keys is not None
        assert values is not None
        assert queries.shape == keys.shape == values.shape
        assert queries.shape[1] == model.n_heads
        skip = int(layer.startswith("decoder."))
        mixed = (seen.weights @ values)[:, :, skip:].transpose(1, 2).flatten(2)
        torch.testing.assert_close(mixed, heads[layer], atol=1e-5, rtol=1e-4)
        if kind in ("t5", "modernbert"):
            return
        scores = queries @ keys.transpose(2, 3) / queries.shape[-1] ** 0.5
        if model.family in ("gpt2", "llama", "gpt_neox") or skip:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
        torch.testing.assert_close(scores.softmax(-1), seen.weights, atol=1e-5, rtol=1e-4)

    attend(model, ids, None, visit)


def test_falcon_is_read_under_eager() -> None:
    module = eager(small("falcon").module)
    ids = draw(small("falcon"), rows=2, pieces=8)
    found = attentions(build(module), ids)
    expected = own(module, None, ids)
    assert all(torch.equal(found[layer], expected[layer]) for layer in expected)


def test_blocks_that_share_their_weights_are_told_apart() -> None:
    module = AlbertModel(AlbertConfig(**SIZES, embedding_size=16))
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    found = attentions(build(module), ids)
    expected = own(eager(module), None, ids)
    assert all(torch.equal(found[layer], expected[layer]) for layer in expected)
    assert not torch.equal(found["1"], found["2"])


def test_models_without_such_attention_are_refused() -> None:
    mamba = build(MambaModel(MambaConfig(vocab_size=99, hidden_size=24, num_hidden_layers=3, state_size=4)))
    with pytest.raises(ModelError, match="mamba gives 0 attentions for 3 blocks; it has no attention that"):
        attentions(mamba, torch.tensor([[5, 6, 7]]))
    sinks = GptOssConfig(
        **SIZES,
        num_key_value_heads=2,
        head_dim=8,
        num_local_experts=2,
        num_experts_per_tok=1,
        pad_token_id=0,
    )
    with pytest.raises(
        ModelError, match=r"rows of the attention weights of layer 1 add up to 0.* and not to 1"
    ):
        attentions(build(GptOssModel(sinks)), torch.tensor([[5, 6, 7]]))


def test_an_unknown_layer() -> None:
    with pytest.raises(ConfigError, match="layer '0' is no block"):
        attentions(tiny_model("bert"), torch.tensor([[5, 6]]), layers=[0])


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_edits_in_force_act(kind: str) -> None:
    """A state doubled below layer 2 changes its attention and not that of layer 1; a head zeroed likewise."""
    model = tiny_model(kind)
    prefix = "decoder." if model.start_piece is not None else ""
    ids = draw(model)
    plain = attentions(model, ids)
    for fn, site in ((double, "hidden"), (zero_head(0), "heads")):
        with pk.edit(model, f"{prefix}1", fn, site):  # type: ignore[arg-type]
            edited = attentions(model, ids)
        assert torch.equal(edited[f"{prefix}1"], plain[f"{prefix}1"])
        assert not torch.equal(edited[f"{prefix}2"], plain[f"{prefix}2"])
    assert all(torch.equal(weights, plain[layer]) for layer, weights in attentions(model, ids).items())


def test_a_visitor_that_fails_leaves_the_model_as_it_was() -> None:
    model = tiny_model("gpt2")
    ids = draw(model)
    before, hooks = model.states(ids, None, "all"), all_hooks(model.module)

    def fail(layer: str, seen: Attended) -> None:
        raise RuntimeError(layer)

    with pytest.raises(RuntimeError, match="2"):
        attend(model, ids, None, fail, [2])
    assert model.module.config._attn_implementation == "sdpa"
    assert all_hooks(model.module) == hooks
    assert all(torch.equal(state, before[layer]) for layer, state in model.states(ids, None, "all").items())


def test_a_visitor_may_use_the_model_it_looks_at() -> None:
    model = tiny_model("gpt2")
    ids = draw(model)
    expected, plain = attentions(model, ids), model.states(ids, None, "all")
    seen = []

    def visit(layer: str, attended: Attended) -> None:
        inner = attentions(model, ids[:1], layers=[layer])[layer]
        torch.testing.assert_close(inner, attended.weights[:1], atol=1e-6, rtol=1e-5)
        inside = model.states(ids, None, "all")
        assert all(torch.equal(inside[name], plain[name]) for name in plain)
        seen.append(torch.equal(attended.weights, expected[layer]))

    attend(model, ids, None, visit)
    assert seen == [True, True]
    assert model.module.config._attn_implementation == "sdpa"


def test_passes_of_other_threads_go_on_as_before() -> None:
    """A pass that began under sdpa has sdpa's mask; handed to an eager function it would see the future."""
    model = tiny_model("gpt2")
    ids = draw(model)
    plain = model.states(ids, None, "all")
    expected = attentions(model, ids)
    began, attending = threading.Event(), threading.Event()
    found: dict[str, Any] = {}

    def wait(states: torch.Tensor) -> torch.Tensor:
        began.set()
        assert attending.wait(10)
        return states

    def other() -> None:
        with pk.edit(model, 1, wait):
            found.update(model.states(ids, None, "all"))

    thread = threading.Thread(target=other)
    thread.start()
    assert began.wait(10)  # between its layers 1 and 2

    def visit(layer: str, seen: Attended) -> None:
        assert torch.equal(seen.weights, expected[layer])
        if layer == "1":
            attending.set()
            thread.join(10)  # runs its layer 2, and a whole pass, while our function is in force

    attend(model, ids, None, visit)
    assert not thread.is_alive()
    assert all(torch.equal(found[layer], plain[layer]) for layer in plain)


def test_several_threads_attend_at_once() -> None:
    model = tiny_model("llama")
    batches = [draw(model, seed, rows=2, pieces=5 + seed) for seed in range(4)]
    expected = [attentions(model, ids) for ids in batches]
    right: list[bool] = []

    def work(number: int) -> None:
        for _ in range(5):
            found = attentions(model, batches[number])
            right.append(
                all(torch.equal(found[layer], weights) for layer, weights in expected[number].items())
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 20


def test_a_model_that_was_loaded_eager_stays_so() -> None:
    model = load_model(str(tiny_folder("bert")), attention="eager", device="cpu")
    ids = draw(model)
    assert torch.equal(attentions(model, ids)["2"], attentions(tiny_model("bert"), ids)["2"])
    assert model.module.config._attn_implementation == "eager"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_pass_may_end_with_the_last_layer_asked_for(kind: str) -> None:
    """The same weights, nothing above is computed, and nothing is left behind; under an edit the pass is whole."""
    model = tiny_model(kind)
    ids = draw(model)
    layers = [layer for layer in model.resolve_layers("all", "heads") if "decoder" not in layer]
    by_name = looked_up_by_name(model)
    reached: list[str] = []
    last = find_place(model, layers[-1], "hidden")
    handle = last.module.register_forward_hook(lambda *_: reached.append("end"))
    before = model.module.config._attn_implementation, all_hooks(model.module)
    full, short = {}, {}
    try:
        attend(model, ids, None, lambda layer, seen: full.update({layer: seen.weights}), layers[:1])
        assert reached == ["end"]
        attend(
            model, ids, None, lambda layer, seen: short.update({layer: seen.weights}), layers[:1], whole=False
        )
        assert reached == ["end"] * (1 if by_name else 2)
        with pk.edit(model, layers[-1], double):
            attend(model, ids, None, lambda *_: None, layers[:1], whole=False)
        assert len(reached) == (2 if by_name else 3)
        assert (model.module.config._attn_implementation, all_hooks(model.module)) == before
    finally:
        handle.remove()
    assert torch.equal(full[layers[0]], short[layers[0]])


def test_weights_that_are_nan_are_laid_to_the_checkpoint() -> None:
    broken = load_model(str(tiny_folder("bert")), device="cpu")
    with torch.no_grad():
        broken.module.get_submodule("encoder.layer.1.attention.self.query").weight[0, 0] = torch.nan  # type: ignore[index,operator,union-attr]
    with pytest.raises(
        ModelError, match="attention weights of layer 2 are NaN; the checkpoint may be broken"
    ):
        attentions(broken, draw(broken))


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_layers_without_heads_are_not_offered(kind: str) -> None:
    model = tiny_model(kind)
    with pytest.raises(ConfigError, match=r"has no layer '9': it has 1 \.\.\. 2; known: 1, 2$"):
        attentions(model, draw(model), layers=[9])
    with pytest.raises(ConfigError, match=r"no layer was asked for; .* has 1 \.\.\. 2$"):
        attentions(model, draw(model), layers=[])
