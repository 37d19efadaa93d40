"""Integrated gradients: closed form, a sum of gradients by hand, completeness, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.erasure.attribution import integrated_gradients
from probekit.erasure.log_odds import LogOdds
from probekit.erasure.probe_output import ProbeOutput
from probekit.errors import ConfigError, MissingExtra, ModelError
from tests.erasure.slow_erasure import SlowModel
from tests.tiny_models import tiny_lm, tiny_model

captum = pytest.importorskip("captum.attr", reason="the extra attribution is absent")
RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 32)).astype(np.float32)
TWO = np.where(X[:, 0] > 0, "yes", "no")


def test_the_known_case_of_captum() -> None:
    # ReLU(ReLU(x1) - 1 - ReLU(x2)) at (3, 1): shares 1.5 and -0.5 (Sundararajan, Taly & Yan 2017, figure 2)
    relu = torch.relu
    ig = captum.IntegratedGradients(lambda x: relu(relu(x[:, 0]) - 1 - relu(x[:, 1])))
    shares = ig.attribute(torch.tensor([[3.0, 1.0]]), n_steps=1000)
    assert torch.allclose(shares, torch.tensor([[1.5, -0.5]], dtype=shares.dtype), atol=2e-3)


def test_a_linear_probe_of_the_embedding_has_a_closed_form() -> None:
    # layer 0 of GPT-2 is the embedding plus that of the place: shares are (e - e0) w / pieces
    model = tiny_model("gpt2")
    probe = pk.LinearProbe().fit(X, TWO)
    text = "the jalapeños cat"
    found = integrated_gradients(model, text, ProbeOutput(probe, 0, "yes"), baseline="mean", steps=2)
    rows: Any = model.module.get_input_embeddings().weight
    read = model.tokenizer(text, return_offsets_mapping=True)
    gain = (
        (rows[torch.tensor(read.input_ids)] - rows.mean(0)).double()
        @ torch.from_numpy(probe.coef_[0]).double()
    ).numpy()
    expected = np.zeros(3)
    for piece, (a, b) in enumerate(read.offset_mapping):
        expected[text[: a + 1].rstrip().count(" ") if text[a] != " " else text[:b].count(" ")] += gain[piece]
    assert np.allclose(found.texts[0].importance, expected / len(gain), atol=1e-5)
    assert found.delta is not None
    assert found.delta < 1e-5


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "roberta"])
def test_shares_add_up_to_the_difference_from_the_baseline(kind: str) -> None:
    slow = SlowModel(kind)
    [target] = slow.tokenizer(
        " cat" if kind in ("gpt2", "roberta") else "cat", add_special_tokens=False
    ).input_ids
    [foil] = slow.tokenizer(
        " the" if kind in ("gpt2", "roberta") else "the", add_special_tokens=False
    ).input_ids
    gap = "" if kind == "roberta" else " "
    mask = f"{gap}{slow.tokenizer.mask_token}" if kind in ("bert", "roberta") else ""
    text = f"the cabinet dogs{mask}"
    rows: Any = slow.module.get_input_embeddings().weight
    embedded = rows[torch.tensor(slow.ids(text))].clone()
    for word in ((0, 3), (4, 11), (12, 16)):
        embedded[slow.pieces_of(text, word)] = rows.mean(0)
    whole, empty = slow.odds(text, target, foil), slow.odds(text, target, foil, embedded=embedded[None])
    found = integrated_gradients(
        tiny_lm(kind), "the cabinet dogs ___", LogOdds("cat", "the"), baseline="mean"
    )
    assert found.texts[0].before == pytest.approx(whole, abs=1e-4)
    assert found.texts[0].importance[:3].sum() == pytest.approx(whole - empty, abs=1e-5)
    assert np.abs(found.texts[0].importance[:3]).max() > 1e-4  # whatever pieces the tokenizer was trained to
    assert np.isnan(found.texts[0].importance[3])


def test_shares_are_sums_of_gradients_along_the_way() -> None:
    slow = SlowModel("llama")
    ids = torch.tensor(slow.ids("the cabinet dogs"))
    rows: Any = slow.module.get_input_embeddings().weight
    own, begin = rows[ids], rows[ids].clone()
    words = [slow.pieces_of("the cabinet dogs", span) for span in ((0, 3), (4, 11), (12, 16))]
    for pieces in words:
        begin[pieces] = 0
    [target] = slow.tokenizer("cat", add_special_tokens=False).input_ids
    steps = 200
    total = torch.zeros_like(own)
    for step in range(steps):
        point = (begin + (own - begin) * ((step + 0.5) / steps)).detach()[None].requires_grad_()
        logprob = torch.log_softmax(slow.module(inputs_embeds=point).logits[0, -1], -1)[target]
        total += torch.autograd.grad(logprob, point)[0][0]
    shares = ((own - begin) * total / steps).sum(-1).detach().numpy()
    found = integrated_gradients(
        tiny_lm("llama"), "the cabinet dogs", LogOdds("cat"), baseline="zero", steps=200
    )
    assert np.allclose(found.texts[0].importance, [shares[pieces].sum() for pieces in words], atol=2e-3)
    assert found.how == "every word's embedding 0"


@pytest.mark.parametrize("measure", ["margin", "log-probability"])
@pytest.mark.parametrize("pool", ["mean", "first", "last", "max"])
def test_probes_of_words_and_sentences(measure: Any, pool: str) -> None:
    three = np.array(["a", "b", "c"])[RNG.integers(0, 3, 60)]
    for probe in (
        pk.LinearProbe().fit(X, three),
        pk.MLPProbe(hidden=(8,), max_epochs=3, random_state=0).fit(X, three),
    ):
        predict = ProbeOutput(probe, 1, "b", word=1, measure=measure, pool=pool)
        found = integrated_gradients(
            tiny_model("bert"), "the jalapeños cat", predict, baseline="zero", steps=100
        )
        assert found.delta is not None
        assert found.delta < 5e-2  # maxima have corners
        assert found.texts[0].why[1] == "what is predicted"


def test_several_texts_groups_and_reasons() -> None:
    texts = ["the cat ___", "the " * 70 + "___", "dogs ___"]
    groups = [["D", "N", "X"], ["D"] * 70 + ["X"], ["N", "X"]]
    found = integrated_gradients(tiny_lm("bert"), texts, LogOdds("sat"), groups=groups, steps=5)
    assert found.texts[1].left_out == "too long"
    rows = {(row.metric, row.group): row for row in found.rows}
    assert rows["importance", "group=N"].n == 2
    assert rows["completeness_delta", ""].value == found.delta
    assert "[MASK]" in found.how
    assert found.panels[1].arrays["value"].shape[0] == 3
    assert "Integrated gradients" in found._repr_html_()


def test_nothing_is_left_behind() -> None:
    model = tiny_lm("gpt2")
    integrated_gradients(model, "the cat", LogOdds("sat"), steps=2)
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_what_cannot_be_done_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, predict = tiny_lm("gpt2"), LogOdds("sat")
    with pytest.raises(ConfigError, match="no mask piece"):
        integrated_gradients(model, "the cat", predict, baseline="mask")
    with pytest.raises(ConfigError, match="unknown baseline 'zeros'; did you mean 'zero'"):
        integrated_gradients(model, "the cat", predict, baseline="zeros")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="steps"):
        integrated_gradients(model, "the cat", predict, steps=0)
    with pytest.raises(ConfigError, match="no gradient"):
        integrated_gradients(model, "the cat", len)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no gradient"):
        integrated_gradients(model, "the cat", ProbeOutput(lambda rows: rows[:, 0], 1))
    with pytest.raises(ModelError, match="encoder-decoder"):
        integrated_gradients(tiny_lm("t5"), "the cat", ProbeOutput(pk.LinearProbe().fit(X, TWO), "encoder.1"))
    with pytest.raises(ConfigError, match=r"outside of pk\.edit"), pk.edit(model, 1, lambda states: states):
        integrated_gradients(model, "the cat", predict)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtra, match=r'pip install "probekit-nlp\[attribution\]"'):
        integrated_gradients(model, "the cat", predict)
