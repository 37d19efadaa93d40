"""The tuned lens: divergence falls, the last block keeps the identity, and a lens belongs to one model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from probekit.behavior.lens import layer_answers
from probekit.behavior.tuned_lens import TunedLens, fit_tuned_lens
from probekit.data.suite import Item, pair_suite, target_pair
from probekit.errors import ConfigError, DataError, ModelError
from probekit.models import Model, load_model
from probekit.models.head import load_head
from tests.tiny_models import TEXTS, tiny_lm_folder

LINES = [text for text in TEXTS if text.isascii()] * 3
QUICK = {"steps": 60, "batch": 64, "rate": 1e-2, "places": 400}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {
        kind: load_model(str(tiny_lm_folder(kind)), device="cpu") for kind in ("gpt2", "llama", "bert", "t5")
    }


@pytest.fixture(scope="module")
def lenses(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> dict[str, TunedLens]:
    store = tmp_path_factory.mktemp("lens-store")
    return {kind: fit_tuned_lens(models[kind], LINES, store=store, **QUICK) for kind in ("gpt2", "bert")}


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_divergence_falls_and_the_last_block_keeps_the_identity(
    lenses: dict[str, TunedLens], kind: str
) -> None:
    lens = lenses[kind]
    assert lens.layers == ("0", "1", "2")
    assert (lens.after.mean(axis=1)[:2] < 0.8 * lens.before.mean(axis=1)[:2]).all()
    assert lens.before[2].max() < 1e-4  # bits: the last block, normed, is what the head reads
    np.testing.assert_array_equal(lens.after[2], lens.before[2])
    assert not lens.weight[2].any()
    assert not lens.bias[2].any()
    assert (lens.before > -1e-6).all()


def test_divergence_is_that_of_a_plain_computation(
    models: dict[str, Model], lenses: dict[str, TunedLens]
) -> None:
    model, lens = models["gpt2"], lenses["gpt2"]
    head = load_head(model)
    begin = model.tokenizer.bos_token_id
    found = {True: [], False: []}
    for number in sorted(set(lens.text.tolist())):
        ids = model.tokenizer(LINES[number], add_special_tokens=False)["input_ids"]
        states = model.states(torch.tensor([[begin, *ids][:-1]]), None, ("1", "final"))
        p = head(states["final"][0]).log_softmax(-1)
        for fitted in (True, False):
            h = lens(states["1"][0], "1") if fitted else states["1"][0]
            q = head(head.norm(h)).log_softmax(-1)
            found[fitted] += ((p.exp() * (p - q)).sum(-1) / np.log(2)).tolist()
    # every place of the held-out texts was measured: they are fewer than were allowed
    np.testing.assert_allclose(sorted(lens.after[1]), sorted(found[True]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sorted(lens.before[1]), sorted(found[False]), rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_lens_and_another_seed_another(
    models: dict[str, Model], lenses: dict[str, TunedLens]
) -> None:
    again = fit_tuned_lens(models["gpt2"], LINES, layers=[1], **QUICK)
    np.testing.assert_array_equal(again.weight[0], lenses["gpt2"].weight[1])
    other = fit_tuned_lens(models["gpt2"], LINES, layers=[1], seed=1, **QUICK)
    assert (other.weight != again.weight).any()


def test_texts_that_are_measured_on_are_not_fitted_to(lenses: dict[str, TunedLens]) -> None:
    assert 1 <= len(set(lenses["gpt2"].text.tolist())) <= round(0.2 * len(LINES))


def test_a_lens_is_saved_and_read_back(lenses: dict[str, TunedLens], tmp_path: Path) -> None:
    lenses["bert"].save(tmp_path / "lens")
    back = TunedLens.load(tmp_path / "lens")
    for name in ("weight", "bias", "before", "after", "text"):
        np.testing.assert_array_equal(getattr(back, name), getattr(lenses["bert"], name))
    assert (back.layers, back.options, back.rule) == (
        lenses["bert"].layers,
        lenses["bert"].options,
        lenses["bert"].rule,
    )


def test_rows_and_panels_say_before_and_after(lenses: dict[str, TunedLens]) -> None:
    rows = lenses["gpt2"].rows
    assert [row.method for row in rows[:2]] == ["logit lens", "tuned lens"]
    assert rows[0].value == pytest.approx(lenses["gpt2"].before[0].mean())
    assert rows[1].low <= rows[1].value <= rows[1].high
    assert [panel.kind for panel in lenses["gpt2"].panels] == ["sentence", "layer-curve"]


def test_behaviour_through_a_tuned_lens(models: dict[str, Model], lenses: dict[str, TunedLens]) -> None:
    suite = pair_suite("t", [Item("a", target_pair("the dogs", "run", "runs", "at night"))], "target")
    model, lens = models["gpt2"], lenses["gpt2"]
    tuned = layer_answers(model, suite, lens=lens)
    plain = layer_answers(model, suite)
    assert "tuned lens" in tuned[0].rule
    assert abs(tuned[1].bits - plain[1].bits).max() > 1e-3
    for at in (2, 3):  # the last block and the final layer
        np.testing.assert_allclose(tuned[at].bits, plain[at].bits)
    with pytest.raises(ConfigError, match="was fitted to"):
        layer_answers(models["llama"], suite, lens=lens)
    small = fit_tuned_lens(model, LINES, layers=[1], **QUICK)
    with pytest.raises(ConfigError, match="no layer '0'"):
        layer_answers(model, suite, lens=small)


def test_what_cannot_be_fitted_is_refused(models: dict[str, Model]) -> None:
    with pytest.raises(DataError, match="at least 2 texts"):
        fit_tuned_lens(models["gpt2"], ["one"])
    with pytest.raises(DataError, match="at least 2 texts"):
        fit_tuned_lens(models["gpt2"], "one text")
    with pytest.raises(DataError, match="no piece"):
        fit_tuned_lens(models["gpt2"], ["", ""])
    with pytest.raises(ConfigError, match="steps"):
        fit_tuned_lens(models["gpt2"], LINES, steps=0)
    with pytest.raises(ConfigError, match="rate"):
        fit_tuned_lens(models["gpt2"], LINES, rate=0.0)
    with pytest.raises(ConfigError, match="final"):
        fit_tuned_lens(models["gpt2"], LINES, layers="final")
    with pytest.raises(ModelError, match="encoder-decoder"):
        fit_tuned_lens(models["t5"], LINES)
