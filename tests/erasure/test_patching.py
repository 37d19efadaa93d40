"""Patching: against a plain loop with transformers alone, on weights where the answer is known, exact at the ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import probekit as pk
from probekit.erasure import patch_pairs
from probekit.erasure.patch_pairs import PatchPair
from probekit.erasure.patching import TOO_LITTLE, interchange, patch_effects
from probekit.errors import ConfigError, DataError, ModelError
from probekit.models import Model, load_model
from tests.erasure.edited_weights import some_ids
from tests.tiny_models import ALL_KINDS, tiny_lm, tiny_lm_folder, tiny_model, write_tiny

A, B = "the cat and the dog", "the mat and the dog"
PAIR = PatchPair(A, B, "sit", "dog", {"subject": [1]})


def two_texts(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Two texts of as many pieces that differ in the first, in one in the middle, and in the last."""
    one = some_ids(model)
    two = one.clone()
    for place in (0, one.shape[1] // 2, -1):
        two[0, place] = (two[0, place] + 1) % model.vocabulary
    return one, two


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("site", ["hidden", "attention_output", "mlp", "heads"])
def test_all_positions_of_all_layers_give_the_other_output_exactly(
    kind: str, site: pk.models.hooks.edit.Site
) -> None:
    model = tiny_model(kind)
    into, source = two_texts(model)
    plain, wanted = (model.states(ids, None, "all", site=site) for ids in (into, source))
    with pk.edit_all(model, interchange(model, source, "all", site)):
        found = model.states(into, None, "all", site=site)
        top = model.states(into, None, "all")
    for layer in found:
        assert torch.equal(found[layer], wanted[layer])
        assert not torch.equal(found[layer], plain[layer])  # the two texts are not the same to it
    if site == "hidden":
        assert all(torch.equal(top[layer], wanted[layer]) for layer in model.layers)


def test_patching_the_output_of_a_part_moves_the_states_behind_it() -> None:
    model = tiny_model("gpt2")
    into, source = two_texts(model)
    before = model.states(into, None, "all")
    with pk.edit_all(model, interchange(model, source, [2], "heads", positions=-1)):
        after = model.states(into, None, "all")
    assert torch.equal(after["1"], before["1"])
    assert torch.equal(after["2"][:, :-1], before["2"][:, :-1])
    assert not torch.equal(after["2"][:, -1], before["2"][:, -1])


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_last_layer_is_read_at_one_place_alone(kind: str) -> None:
    found = patch_effects(tiny_lm(kind), [PAIR], least=1e-6, whole=True)
    top = found.effect[0, -1]
    for place, effect in zip(found.places, top, strict=True):
        assert effect == pytest.approx(1.0 if place in ("last", "all") else 0.0, abs=1e-4)
    np.testing.assert_allclose(found.effect[0, :, found.places.index("all")], 1.0, atol=1e-4)


def test_of_a_masked_model_the_last_layer_is_read_at_the_mask() -> None:
    pair = PatchPair("the cat ___ on the mat", "the dog ___ on the mat", "a", "s")
    found = patch_effects(tiny_lm("bert"), [pair], least=1e-9)
    at_top = dict(zip(found.places, found.effect[0, -1], strict=True))
    assert at_top.pop("mask") == pytest.approx(1.0, abs=1e-2)
    assert max(abs(effect) for effect in at_top.values()) < 1e-2
    below = dict(zip(found.places, found.effect[0, 1], strict=True))
    assert below["mask"] != pytest.approx(1.0, abs=1e-2)


def known(folder: Path, last_mixes: bool) -> Model:
    """A GPT-2 whose pieces look at each other in block 2 alone (or nowhere), the rest of it as it was."""
    write_tiny("gpt2", folder, head=True)
    whole: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for block in whole.transformer.h[: 1 if last_mixes else 2]:
            block.attn.c_proj.weight.zero_()
            block.attn.c_proj.bias.zero_()
    whole.save_pretrained(folder)
    return load_model(str(folder), device="cpu")


def test_known_weights_have_known_effects(tmp_path: Path) -> None:
    found = patch_effects(known(tmp_path, last_mixes=True), [PAIR], least=1e-6)
    expected = np.zeros((4, len(found.places)))
    expected[:2, found.places.index("subject")] = 1.0  # nothing leaves the subject before block 2
    expected[2:, found.places.index("last")] = 1.0  # behind it nothing else is read
    np.testing.assert_allclose(found.effect[0], expected, atol=1e-3)
    assert found.layers == ("0", "1", "2", "final")
    assert "'subject' (layers 0 to 1) then 'last' (layers 2 to final)" in found.summary


def test_where_nothing_reaches_the_prediction_no_effect_is_invented(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no pair of 1 can be patched: {TOO_LITTLE}"):
        patch_effects(known(tmp_path, last_mixes=False), [PAIR])


def slow_patched(kind: str, pair: PatchPair, layer: int, position: int) -> tuple[float, float, float]:
    """Log-odds in nats after base, after source, and patched, with transformers alone, one text at a time."""
    whole: Any = transformers.AutoModelForCausalLM.from_pretrained(tiny_lm_folder(kind)).train(False)
    tokenizer = tiny_lm(kind).tokenizer
    blocks = whole.transformer.h if kind == "gpt2" else whole.model.layers
    front = pk.make_scorer(tiny_lm(kind)).front  # type: ignore[attr-defined]

    def pieces(text: str) -> list[int]:
        return [*front, *tokenizer(text, add_special_tokens=False).input_ids]

    def total(text: str, put: torch.Tensor | None, context: int) -> tuple[float, torch.Tensor]:
        ids, kept = torch.tensor([pieces(text)]), []

        def hook(_module: Any, _args: Any, output: Any) -> Any:
            state = output[0] if isinstance(output, tuple) else output
            kept.append(state.clone())
            if put is None:
                return None
            state = state.clone()
            state[0, position] = put[0, position]
            return (state, *output[1:]) if isinstance(output, tuple) else state

        handle = blocks[layer - 1].register_forward_hook(hook)
        with torch.no_grad():
            logprob = whole(input_ids=ids, use_cache=False).logits.log_softmax(-1)
        handle.remove()
        found = sum(float(logprob[0, t - 1, ids[0, t]]) for t in range(context, ids.shape[1]))
        return found, kept[0]

    context = len(pieces(pair.base))
    values = []
    for text, patched in ((pair.base, False), (pair.source, False), (pair.base, True)):
        odds = 0.0
        for word, sign in ((pair.target, 1), (pair.foil, -1)):
            put = total(f"{pair.source} {word}", None, context)[1] if patched else None
            odds += sign * total(f"{text} {word}", put, context)[0]
        values.append(odds)
    return values[0], values[1], values[2]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize(("target", "foil"), [("sit", "dog"), ("sits on the mat", "dogs run")])
def test_a_plain_loop_gives_the_same(kind: str, target: str, foil: str) -> None:
    pair = PatchPair(A, B, target, foil)
    found = patch_effects(tiny_lm(kind), [pair], [1, 2], least=1e-6)
    assert len(found.places) == len(tiny_lm(kind).tokenizer(A, add_special_tokens=False).input_ids) + 1
    for i, layer in enumerate((1, 2)):
        for position, place in enumerate(found.places):
            base, source, patched = slow_patched(kind, pair, layer, position)
            assert found.base[0] == pytest.approx(base, abs=1e-4)
            assert found.source[0] == pytest.approx(source, abs=1e-4)
            assert found.patched[0, i, position] == pytest.approx(patched, abs=1e-4), (layer, place)


PAIRS = [
    PAIR,
    PatchPair("a dog and the mat", "a cat and the mat", "sit", "dog", {"subject": [1]}),
    PatchPair("the cat", "the mat", "sits on the mat", "dogs run", {"subject": [1]}),
    PatchPair(
        "the cat sat on the mat", "the mat sat on the cat", "sit", "dog", {"subject": [1], "object": [5]}
    ),
    PatchPair("the cat", "the cat sat", "sit", "dog"),
]


@pytest.mark.parametrize("site", ["hidden", "heads"])
def test_together_is_as_one_by_one(site: pk.models.hooks.edit.Site) -> None:
    model = tiny_lm("gpt2")
    together = patch_effects(model, PAIRS, site=site, least=1e-6)
    narrow = patch_effects(model, PAIRS, site=site, least=1e-6, pieces_per_batch=1)
    np.testing.assert_allclose(together.patched, narrow.patched, atol=1e-5)
    assert together.left_out == {patch_pairs.OTHER_LENGTH: 1}
    for row, number in enumerate(together.pair):
        alone = patch_effects(model, [PAIRS[number]], site=site, least=1e-6)
        for j, place in enumerate(alone.places):
            k = together.places.index(place)
            np.testing.assert_allclose(together.patched[row, :, k], alone.patched[0, :, j], atol=1e-5)


def test_pairs_that_differ_too_little_are_counted() -> None:
    model = tiny_lm("gpt2")
    every = patch_effects(model, PAIRS, [1], least=1e-6)
    apart = np.sort(np.abs(every.source - every.base))
    least = float(apart[1] + apart[2]) / 2
    some = patch_effects(model, PAIRS, [1], least=least)
    assert some.left_out[TOO_LITTLE] == 2
    assert len(some.pair) == len(every.pair) - 2


def test_nothing_is_left_behind() -> None:
    model = tiny_lm("gpt2")
    ids = some_ids(model)
    before = model.states(ids, None, "all")
    patch_effects(model, [PAIR], least=1e-6)
    after = model.states(ids, None, "all")
    assert all(torch.equal(after[layer], before[layer]) for layer in before)


def test_progress_ends_at_its_total() -> None:
    said: list[tuple[int, int]] = []
    patch_effects(
        tiny_lm("gpt2"), PAIRS, [1], least=1e-6, progress=lambda _, done, total: said.append((done, total))
    )
    assert said[0][0] == 0
    assert said[-1][0] == said[-1][1]


def test_what_is_refused() -> None:
    model = tiny_lm("gpt2")
    with pytest.raises(DataError, match="a list of PatchPair; got none"):
        patch_effects(model, [])
    with pytest.raises(DataError, match="a list of PatchPair; got one"):
        patch_effects(model, PAIR)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="least must be above 0"):
        patch_effects(model, [PAIR], least=0.0)
    with pytest.raises(ConfigError, match="no block"):
        patch_effects(model, [PAIR], [0], "mlp")
    with pytest.raises(ModelError, match="not in encoder-decoders"):
        patch_effects(tiny_lm("t5"), [PAIR])
    with (
        pytest.raises(ModelError, match="as many pieces"),
        pk.edit_all(model, interchange(model, some_ids(model), [1])),
    ):
        model.states(some_ids(model)[:, :3], None, [1])
