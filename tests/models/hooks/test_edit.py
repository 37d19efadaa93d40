"""An edit does what it says in one thread, to one place, in order, and leaves nothing behind."""

from __future__ import annotations

import contextvars
import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.models import load_model
from probekit.models.hooks import active_edits, suspended
from probekit.models.model import Model
from tests.models.hooks.passes import all_hooks, double, draw, padded, whole, zero
from tests.tiny_models import ALL_KINDS, ENCODER_DECODERS, tiny_folder, tiny_lm, tiny_lm_folder, tiny_model

SITES = ("hidden", "attention_output", "mlp", "heads")


def places(model: Model) -> list[tuple[str, str]]:
    return [(layer, site) for site in SITES for layer in model.resolve_layers("all", site)]


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    return [layer for layer in a if torch.equal(a[layer], b[layer])]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_states_are_what_the_function_makes_of_them(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    plain = model.states(ids, mask, "all")
    for layer, site in places(model):
        at = model.states(ids, mask, [layer], site=site)[layer]
        with pk.edit(model, layer, double, site):
            edited = model.states(ids, mask, "all")
            assert torch.equal(model.states(ids, mask, [layer], site=site)[layer], double(at))
        number = model.layers.index(layer)
        same = equal(plain, edited)
        assert same == [name for name in model.layers if name in same]
        if kind in ENCODER_DECODERS and layer.startswith("encoder."):
            # the decoder's own layer 0 has not met the encoder yet
            assert same == [*model.layers[:number], "decoder.0"]
        else:
            assert same == list(model.layers[:number])
    assert equal(plain, model.states(ids, mask, "all")) == list(model.layers)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_transformers_own_record_shows_the_edit(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    field = "decoder_hidden_states" if kind in ENCODER_DECODERS else "hidden_states"
    prefix = "decoder." if kind in ENCODER_DECODERS else ""
    plain = whole(model.module, ids, mask, output_hidden_states=True)
    with pk.edit(model, f"{prefix}1", double):
        edited = whole(model.module, ids, mask, output_hidden_states=True)
    before, after = getattr(plain, field), getattr(edited, field)
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1], double(before[1]))
    assert not torch.equal(after[2], before[2])
    last = model.layers[-1]
    with pk.edit(model, last, zero):
        assert not whole(model.module, ids, mask).last_hidden_state.any()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_identity_changes_no_bit(kind: str) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    plain = whole(model.module, ids, mask, output_hidden_states=True)
    given = []
    for fn in (lambda states: states, lambda states: states.clone()):
        edits = [pk.Edit(layer, fn, site) for layer, site in places(model)]  # type: ignore[arg-type]
        edits += [pk.Edit(layer, fn, site, slice(None)) for layer, site in places(model)]  # type: ignore[arg-type]
        with pk.edit_all(model, edits):
            given.append(whole(model.module, ids, mask, output_hidden_states=True))
    for edited in given:
        assert edited.keys() == plain.keys()
        assert torch.equal(edited.last_hidden_state, plain.last_hidden_state)
        for name in plain:
            if name.endswith("hidden_states"):
                assert all(map(torch.equal, edited[name], plain[name]))


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_all_states_of_another_text_give_its_output(kind: str, site: str) -> None:
    model = tiny_model(kind)
    ids, other = draw(model, 1), draw(model, 2)
    with pk.capture(model, "all", site) as seen:
        wanted = whole(model.module, ids).last_hidden_state
    assert not torch.allclose(whole(model.module, other).last_hidden_state, wanted, atol=1e-2)
    edits = [pk.Edit(layer, lambda _, state=state: state, site) for layer, state in seen.items()]  # type: ignore[arg-type]
    with pk.edit_all(model, edits), pk.capture(model, "all", site) as patched:
        found = whole(model.module, other).last_hidden_state
    assert equal(seen, patched) == list(model.resolve_layers("all", site))
    assert torch.equal(found, wanted) == (
        site == "hidden"
    )  # the other sites only add to what the words bring


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if kind not in ENCODER_DECODERS])
def test_any_one_layer_of_another_text_gives_its_output(kind: str) -> None:
    model = tiny_model(kind)
    ids, other = draw(model, 1), draw(model, 2)
    states = model.states(ids, None, "all")
    wanted = whole(model.module, ids).last_hidden_state
    for layer, state in states.items():
        with pk.edit(model, layer, lambda _, state=state: state):
            assert torch.equal(whole(model.module, other).last_hidden_state, wanted), layer


@pytest.mark.parametrize("kind", ["bert", "t5", "gpt_neox"])
def test_nothing_is_left_behind(kind: str) -> None:
    model = tiny_model(kind)
    ids = draw(model)
    plain = model.states(ids, None, "all")
    everywhere = [pk.Edit(layer, double, site) for layer, site in places(model)]  # type: ignore[arg-type]
    before = all_hooks(model.module)

    def broken(states: torch.Tensor) -> torch.Tensor:
        raise KeyError("mine")

    with pk.edit_all(model, everywhere):
        assert all_hooks(model.module) != before
        model.states(ids, None, "all")
    assert all_hooks(model.module) == before
    layer = model.layers[1]
    with pytest.raises(KeyError), pk.edit(model, layer, broken):
        model.states(ids, None, "all")
    with pytest.raises(ZeroDivisionError), pk.edit_all(model, everywhere), pk.capture(model, layer):
        raise ZeroDivisionError
    with pytest.raises(ModelError), pk.edit(model, layer, double):
        pass
    with pytest.raises(ConfigError), pk.edit_all(model, [*everywhere, pk.Edit("nowhere", double)]):
        raise AssertionError
    assert all_hooks(model.module) == before
    assert active_edits(model) == ()
    assert equal(plain, model.states(ids, None, "all")) == list(model.layers)


def in_a_thread(work: Any) -> Any:
    given: list[Any] = []
    thread = threading.Thread(target=lambda: given.append(work()))
    thread.start()
    thread.join()
    return given[0]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "bart"])
def test_another_thread_is_not_touched(kind: str) -> None:
    model = tiny_model(kind)
    ids = draw(model)
    layer = model.layers[1]
    plain = model.states(ids, None, "all")
    longer = draw(model, 5, rows=2, pieces=7)
    with pk.edit(model, layer, double, positions=lambda seen: seen == seen):
        edited = model.states(ids, None, "all")
        assert in_a_thread(lambda: active_edits(model)) == ()
        theirs = in_a_thread(lambda: model.states(ids, None, "all"))
        # even a context that was copied into the thread
        copied = contextvars.copy_context()
        carried = in_a_thread(lambda: copied.run(model.states, ids, None, "all"))
        in_a_thread(lambda: model.states(longer, None, "all"))
        again = model.states(ids, None, "all")
    assert equal(theirs, plain) == equal(carried, plain) == list(model.layers)
    assert equal(again, edited) == list(model.layers)
    assert layer not in equal(edited, plain)


def test_two_threads_edit_one_model_at_once() -> None:
    model = tiny_model("gpt2")
    ids = draw(model)
    plain = model.states(ids, None, "1")["1"]
    both = threading.Barrier(2)
    found: dict[int, torch.Tensor] = {}

    def work(factor: int) -> None:
        with pk.edit(model, 1, lambda states: factor * states):
            both.wait(10)
            for _ in range(20):
                found[factor] = model.states(ids, None, "1")["1"]
            both.wait(10)

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(found[2], 2 * plain)
    assert torch.equal(found[3], 3 * plain)


def test_edits_of_one_place_act_in_order() -> None:
    model = tiny_model("llama")
    ids = draw(model)
    plain = model.states(ids, None, "1")["1"]
    add, times = (lambda states: states + 1), (lambda states: states * 3)
    with pk.edit_all(model, [pk.Edit(1, add), pk.Edit(1, times)]):
        assert torch.equal(model.states(ids, None, "1")["1"], (plain + 1) * 3)
    with pk.edit(model, 1, times), pk.edit(model, "1", add), pk.edit(model, 2, zero):
        assert torch.equal(model.states(ids, None, "1")["1"], plain * 3 + 1)
        assert [edit.layer for edit in active_edits(model)] == ["1", "1", "2"]
        assert not model.states(ids, None, "2")["2"].any()
    with pk.edit(model, 1, times):
        with pk.edit(model, 1, add):
            model.states(ids, None, "1")
        assert torch.equal(model.states(ids, None, "1")["1"], plain * 3)


def test_edits_belong_to_their_model() -> None:
    one, other = tiny_model("gpt2"), load_model(str(tiny_folder("gpt2")), device="cpu")
    ids = draw(one)
    with pk.edit(one, 1, zero):
        assert active_edits(other) == ()
        assert len(active_edits(dataclasses.replace(one, name="another name for the same module"))) == 1
        assert other.states(ids, None, "1")["1"].any()
        assert not one.states(ids, None, "1")["1"].any()


@pytest.mark.parametrize(
    ("kind", "layer", "site"), [("t5", "decoder.1", "hidden"), ("bart", "decoder.2", "heads")]
)
def test_an_edit_that_is_never_reached(kind: str, layer: str, site: str) -> None:
    model = tiny_model(kind)
    with (
        pytest.raises(ModelError, match=rf"layer {layer}, site '{site}' was never reached"),
        pk.edit(model, layer, double, site),  # type: ignore[arg-type]
    ):
        model.states(draw(model), None, ["encoder.1"])
    edits = [pk.Edit("encoder.1", double), pk.Edit(layer, double), pk.Edit(layer, double)]
    with pytest.raises(ModelError, match="and 1 more"), pk.edit_all(model, edits):
        model.states(draw(model), None, ["encoder.1"])
    with (
        pytest.raises(ModelError, match="never reached"),
        pk.edit(model, layer, double, positions=lambda ids: ids < 0),
    ):
        model.states(draw(model), None, "all")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_what_comes_back_has_the_models_own_type(kind: str, dtype: str) -> None:
    model = load_model(str(tiny_folder(kind)), device="cpu", dtype=dtype)
    ids = draw(model)
    for layer, site in places(model):
        at = model.states(ids, None, [layer], site=site)[layer]
        with pk.edit(model, layer, lambda states: 2 * states.double(), site):
            found = model.states(ids, None, [layer], site=site)[layer]
            model.states(ids, None, "all")
        assert found.dtype == at.dtype
        assert torch.equal(found, (2 * at.double()).to(at.dtype))


def test_what_is_done_in_place_stays_at_its_positions() -> None:
    model = tiny_model("bert")
    ids = draw(model)
    plain = model.states(ids, None, "1")["1"]
    with pk.edit(model, 1, lambda states: states.zero_(), positions=2):
        found = model.states(ids, None, "1")["1"]
    assert not found[:, 2].any()
    rest = [0, 1, *range(3, 9)]
    assert torch.equal(found[:, rest], plain[:, rest])


def test_gradients_go_through() -> None:
    model = tiny_model("gpt2")
    embedded = model.module.get_input_embeddings()(draw(model)).requires_grad_()
    with pk.edit(model, 1, lambda states: 3 * states, positions=-1):
        model.module(inputs_embeds=embedded).last_hidden_state.sum().backward()
    assert embedded.grad is not None
    assert embedded.grad[:, -1].any()


@pytest.mark.parametrize(
    ("layer", "fn", "site", "error", "message"),
    [
        (1, lambda s: s[:, 1:], "hidden", ModelError, r"given \[3, 9, 32\] and gave \[3, 8, 32\]; keep the shape"),
        (1, lambda s: s.flatten(2), "heads", ModelError, r"given \[3, 9, 4, 8\] and gave \[3, 9, 32\]"),
        (1, lambda s: None, "mlp", ModelError, "gave NoneType"),
        (0, double, "mlp", ConfigError, r"layer '0' is no block and has no site 'mlp'; it has 1 \.\.\. 2"),
        ("final", double, "heads", ConfigError, "is no block"),
        (9, double, "hidden", ConfigError, "has no layer '9'"),
        (1, double, "head", ConfigError, "unknown site 'head'; did you mean 'heads'"),
        (1, 3, "hidden", ConfigError, "needs a function of states, not int"),
    ],
)  # fmt: skip
def test_refused(layer: Any, fn: Any, site: Any, error: type[Exception], message: str) -> None:
    model = tiny_model("llama")
    with pytest.raises(error, match=message), pk.edit(model, layer, fn, site):
        model.states(draw(model), None, "all")


def test_a_function_may_refuse_its_place_and_take_heads_unsplit() -> None:
    class Mine:
        flat = True
        asked: tuple[Any, ...] = ()

        def check(self, model: Model, layer: str, site: str) -> None:
            self.asked = (model.name, layer, site)
            if layer == "2":
                raise ModelError("not here")

        def __call__(self, states: torch.Tensor) -> torch.Tensor:
            self.shape = tuple(states.shape)
            return states

    model, mine = tiny_model("llama"), Mine()
    with pytest.raises(ModelError, match="not here"), pk.edit(model, 2, mine, "heads"):
        raise AssertionError
    with pk.edit(model, 1, mine, "heads"):
        model.states(draw(model), None, "all")
    assert mine.asked == (model.name, "1", "heads")
    assert mine.shape == (3, 9, 32)


def test_suspended_passes_see_the_model_itself() -> None:
    model = tiny_model("gpt2")
    ids = draw(model)
    plain = model.states(ids, None, "all")
    with pk.edit(model, 1, zero):
        with suspended():
            assert active_edits(model) == ()
            assert equal(plain, model.states(ids, None, "all")) == list(model.layers)
        assert not model.states(ids, None, "1")["1"].any()


def test_a_function_may_read_another_text_meanwhile() -> None:
    model = tiny_model("gpt2")
    ids, other = draw(model, 1), draw(model, 2, rows=1, pieces=4)

    def fn(states: torch.Tensor) -> torch.Tensor:
        with suspended():
            return states + model.states(other, None, "2")["2"].mean()

    plain = model.states(ids, None, "1")["1"]
    more = model.states(other, None, "2")["2"].mean()
    with pk.edit(model, 1, fn, positions=lambda seen: seen == ids[0, 3]):
        edited = model.states(ids, None, "1")["1"]
    where = (ids == ids[0, 3])[..., None]
    assert torch.equal(edited, torch.where(where, plain + more, plain))


@pytest.mark.parametrize("kind", ["gpt2", "t5", "bert", "gpt_neox"])
def test_what_is_learnt_about_a_model_inside_an_edit_is_about_the_model(kind: str) -> None:
    texts = ["the cat sat on the mat", "the cat sat on mats", "dogs run"]
    outside = pk.score_pieces(tiny_lm(kind), texts)
    model = load_model(str(tiny_lm_folder(kind)), device="cpu")  # nothing is known of it yet
    layer = model.layers[-2]
    with pytest.raises(ModelError, match="never reached"), pk.edit(model, layer, zero):
        scorer = pk.make_scorer(model)
    assert type(getattr(scorer, "tree", None)) is type(getattr(pk.make_scorer(tiny_lm(kind)), "tree", None))
    again = pk.score_pieces(model, texts)
    for one, other in zip(again, outside, strict=True):
        np.testing.assert_array_equal(one.logprob, other.logprob)
