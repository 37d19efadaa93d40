"""Continued pretraining: the objective of the checkpoint, on the task's texts, before full fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from probekit.adaptation.examples import Examples
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.inputs import encode_inputs
from probekit.adaptation.live import Live
from probekit.adaptation.saved import load_adapted
from probekit.adaptation.strategies.continued import Continued, language_loss, make_optimizer, tuning
from probekit.errors import ConfigError, ModelError
from probekit.models import load_model
from probekit.models.head import load_head
from tests.tiny_models import tiny_folder, tiny_lm_folder

TEXTS = ("the cat sat on the mat", "a dog runs", "the cats sit on mats and the dogs bark", "a teacher laughs")


def live_of(folder: Any, texts: tuple[str, ...] = TEXTS, seed: int = 0) -> Live:
    live = Live(load_model(str(folder), device="cpu"), 2, seed=seed)
    live.inputs = encode_inputs(live.model, Examples("sentence", texts))
    return live


def weights(live: Live) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in live.body.named_parameters()}


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_loss_of_the_next_piece_is_transformers_own(kind: str) -> None:
    """Padded together here, one by one there: what fills a batch up counts nowhere."""
    live = live_of(tiny_lm_folder(kind)).eval()
    strategy, head = tuning({}), load_head(live.model)
    rng = np.random.default_rng(0)
    loss, n = language_loss(live, head, strategy.objective(live, head), np.arange(4), rng)
    whole = AutoModelForCausalLM.from_pretrained(tiny_lm_folder(kind)).eval()
    total = count = 0.0
    for ids in live.inputs.ids if live.inputs else ():
        row = torch.from_numpy(ids)[None]
        with torch.no_grad():
            total += float(whole(input_ids=row, labels=row).loss) * (len(ids) - 1)
        count += len(ids) - 1
    assert n == count
    assert float(loss.detach()) == pytest.approx(total / count, abs=1e-4)


def test_masked_pieces_are_predicted_as_transformers_does() -> None:
    live = live_of(tiny_lm_folder("bert")).eval()
    head = load_head(live.model)

    class Second:
        """Masks the second ordinary piece of every row, and every piece that fills up."""

        def lesson(self, batch: Any, generator: Any) -> Any:
            from probekit.models.training.objective import Lesson

            ids = batch.ids.copy()
            width = ids.shape[1]
            places = np.concatenate([np.arange(4) * width + 2, [width + width - 1]])
            labels = ids.reshape(-1)[places].copy()
            ids.reshape(-1)[places[:4]] = live.model.tokenizer.mask_token_id
            return Lesson(ids, places, labels)

    stand_in: Any = Second()
    loss, n = language_loss(live, head, stand_in, np.arange(4), np.random.default_rng(0))
    whole = AutoModelForMaskedLM.from_pretrained(tiny_lm_folder("bert")).eval()
    losses = []
    for ids in live.inputs.ids if live.inputs else ():
        given = torch.from_numpy(ids)[None].clone()
        gold = int(given[0, 2])
        given[0, 2] = live.model.tokenizer.mask_token_id
        with torch.no_grad():
            losses.append(-float(whole(input_ids=given).logits[0, 2].log_softmax(-1)[gold]))
    assert n == 4  # the last place of the shorter second row is no piece
    assert float(loss.detach()) == pytest.approx(np.mean(losses), abs=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "modernbert", "distilbert"])
def test_the_loss_falls_and_the_body_moves(kind: str) -> None:
    live = live_of(tiny_lm_folder(kind), TEXTS * 4)
    before = weights(live)
    strategy = tuning({"pretrain_epochs": 6, "pretrain_rate": 3e-3, "share": 0.3})
    strategy.prepare(live)
    losses = [record["loss"] for record in strategy.pretraining]
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.2
    kept = {name for name, p in weights(live).items() if torch.equal(p, before[name])}
    assert kept == {name for name in before if "pooler" in name}  # the head reads no pooler
    assert all(p.requires_grad for p in live.body.parameters())
    assert not any(p.requires_grad for p in load_head(live.model).parameters_of_its_own())
    assert len(strategy.groups(live)) == 1


def test_one_step_is_a_step_of_the_whole_language_model() -> None:
    """Body and head, tied as they are, against transformers' own model with the same optimiser."""
    live = live_of(tiny_lm_folder("gpt2"), TEXTS[:1]).eval()
    live.train = lambda mode=True: live  # type: ignore[method-assign, assignment]
    strategy = Continued(1, 1e-2, 0.15)
    strategy.prepare(live)
    whole = AutoModelForCausalLM.from_pretrained(tiny_lm_folder("gpt2")).eval()
    optimizer = make_optimizer(list(whole.parameters()), 1e-2)
    row = torch.from_numpy(live.inputs.ids[0])[None] if live.inputs else torch.zeros(1)
    whole(input_ids=row, labels=row).loss.backward()
    torch.nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
    optimizer.step()
    theirs = dict(whole.transformer.named_parameters())
    for name, parameter in live.body.named_parameters():
        own, other = parameter.detach(), theirs[name].detach()
        if name.endswith(
            "c_attn.bias"
        ):  # the gradient of keys' biases is 0, and Adam makes steps of its rounding
            own, other = own[[*range(32), *range(64, 96)]], other[[*range(32), *range(64, 96)]]
        assert torch.allclose(own, other, atol=1e-5), name


def test_seeds_draw_what_is_masked_and_nothing_is_read_when_put_together_again() -> None:
    states = []
    for seed in (1, 1, 2):
        live = live_of(tiny_lm_folder("bert"), seed=seed)
        torch.rand(3)  # what was drawn before does not matter
        tuning({"pretrain_epochs": 1}).prepare(live)
        states.append(weights(live))
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0].values(), states[2].values(), strict=True))
    live = live_of(tiny_lm_folder("bert"))
    live.inputs = None
    before, strategy = weights(live), tuning({})
    strategy.prepare(live)
    assert all(torch.equal(p, before[name]) for name, p in weights(live).items())
    assert strategy.pretraining == []


def test_it_is_fitted_saved_and_read_again_as_a_strategy(tmp_path: Path) -> None:
    labels = ["sg", "sg", "pl", "sg"]
    settings: dict[str, Any] = {"epochs": 1, "options": {"pretrain_epochs": 2}}
    fitted = FineTune(str(tiny_lm_folder("bert")), "continued", **settings).fit(TEXTS, labels)
    assert [record["epoch"] for record in fitted.tuning_.pretraining] == [1, 2]
    assert fitted.n_trainable_ == sum(
        p.numel() for p in fitted.live_.parameters()
    )  # and nothing of the other head
    plain = FineTune(str(tiny_lm_folder("bert")), "full", epochs=1).fit(TEXTS, labels)
    assert not np.array_equal(plain.decision_function(TEXTS), fitted.decision_function(TEXTS))
    fitted.save(tmp_path)
    again = load_adapted(tmp_path)
    assert np.array_equal(again.decision_function(TEXTS), fitted.decision_function(TEXTS))
    assert again.tuning_.pretraining == []
    pairs = [(one, other) for one, other in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)]
    assert FineTune(str(tiny_lm_folder("bert")), "continued", **settings).fit(pairs, labels).unit_ == "pair"


def test_models_that_cannot() -> None:
    with pytest.raises(
        ModelError, match=r"impossible for this model \(family 'bert'\): .* no language-model head"
    ):
        tuning({}).prepare(live_of(tiny_folder("bert")))
    with pytest.raises(ModelError, match=r"an encoder-decoder has neither .*; take 'full'"):
        tuning({}).prepare(live_of(tiny_lm_folder("t5")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pretrain_epoch": 2}, "no option 'pretrain_epoch'; did you mean 'pretrain_epochs'"),
        ({"pretrain_epochs": 0}, "pretrain_epochs must be a whole number from 1 on; got 0"),
        ({"pretrain_epochs": True}, "got True"),
        ({"pretrain_rate": float("inf")}, "pretrain_rate must be above 0; got inf"),
        ({"share": 1}, "share must lie between 0 and 1; got 1"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tuning(options)
