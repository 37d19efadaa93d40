"""Schedule, steps, and the loop against transformers' modules with torch's plain AdamW."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from probekit.errors import ConfigError, ModelError
from probekit.models.training.architecture import build_module
from probekit.models.training.batches import Batches, encode_texts
from probekit.models.training.config import OptimizerPlan, load_config
from probekit.models.training.loop import (
    bfloat16_is_fast,
    checkpoint_steps,
    evaluation_steps,
    make_optimizer,
    precision_in_force,
    rate_at,
    steps_of,
)
from probekit.models.training.text import read_texts
from probekit.models.training.tokenizer import make_tokenizer
from probekit.models.training.train import train
from tests.models.training.tiny import TEXTS, tiny

CPU = torch.device("cpu")


def test_schedules() -> None:
    def rates(schedule: str) -> list[float]:
        plan = OptimizerPlan(rate=2.0, warmup=4, schedule=schedule)
        return [rate_at(step, 8, plan) for step in range(8)]

    assert rates("constant") == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert rates("linear")[4:] == [2.0, 1.5, 1.0, 0.5]
    assert rates("cosine")[4:] == pytest.approx([2.0, 1 + 2**-0.5, 1.0, 1 - 2**-0.5])
    assert rate_at(0, 5, OptimizerPlan(rate=1.0, warmup=0)) == 1.0


def test_steps() -> None:
    def config(**changes: object) -> object:
        return load_config({**{k: v for k, v in tiny().items() if k != "steps"}, **changes})

    assert steps_of(config(epochs=2.5), 7) == 18
    assert steps_of(config(steps=9), 7) == 9
    assert evaluation_steps(config(steps=40), 40) == {16, 32, 40}
    assert evaluation_steps(config(steps=40, evaluate=15), 40) == {15, 30, 40}
    assert evaluation_steps(config(steps=40, evaluate=[3, 5]), 40) == {3, 5, 40}
    assert evaluation_steps(config(steps=40, evaluate="end"), 40) == {40}
    assert checkpoint_steps(config(steps=6, checkpoints="log"), 6) == {0, 1, 2, 4, 6}
    assert checkpoint_steps(config(steps=6, checkpoints=[0, 5, 9]), 6) == {0, 5}
    assert checkpoint_steps(config(steps=6), 6) == set()


def test_only_matrices_decay() -> None:
    config = load_config(tiny())
    module = build_module(config, make_tokenizer(config, TEXTS))
    decay, rest = make_optimizer(module, config.optimizer).param_groups
    assert {p.dim() for p in decay["params"]} == {2}
    assert {p.dim() for p in rest["params"]} == {1}
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.01, 0.0)
    assert len(decay["params"]) + len(rest["params"]) == len(list(module.parameters()))


def test_the_loop_is_the_plain_loop(tmp_path: Path) -> None:
    """The same weights as transformers' forward, its own loss, and AdamW written out (to float rounding)."""
    document = tiny(
        model={"dropout": 0.0}, optimizer={"weight_decay": 0.1, "clip": 0.5, "schedule": "cosine"}
    )
    config = load_config(document)
    trained = train(document, out=tmp_path / "model")
    texts = read_texts(config.corpus)
    tokenizer = make_tokenizer(config, texts.train)
    module = build_module(config, tokenizer).train()
    batches = Batches(encode_texts(tokenizer, texts.train), config.batches, config.seed).epoch(0)
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in module.named_parameters()}
    losses = []
    for step, batch in zip(range(6), batches, strict=False):
        ids = torch.from_numpy(batch.ids)
        module.zero_grad()
        loss = module(input_ids=ids, labels=ids).loss
        loss.backward()
        losses.append(loss.item())
        length = torch.sqrt(sum((p.grad**2).sum() for p in module.parameters()))
        rate = rate_at(step, 6, config.optimizer)
        with torch.no_grad():
            for name, p in module.named_parameters():
                gradient = p.grad * min(1.0, 0.5 / (float(length) + 1e-6))
                first, second = moments[name]
                first.mul_(0.9).add_(0.1 * gradient)
                second.mul_(0.999).add_(0.001 * gradient**2)
                p.mul_(1 - rate * (0.1 if p.dim() > 1 else 0.0))
                fixed = (second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
                p.sub_(rate * first / (1 - 0.9 ** (step + 1)) / fixed)
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(trained.path)
    for (name, ours), theirs in zip(loaded.named_parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5, msg=name)
    assert trained.curve[-1]["train_loss"] == pytest.approx(np.mean(losses), abs=1e-4)


def test_a_loss_that_is_no_number_names_the_step(tmp_path: Path) -> None:
    wild = tiny(optimizer={"rate": 1e30, "clip": 0.0, "warmup": 0}, steps=30)
    with pytest.raises(
        ModelError, match=r"the training loss is (nan|inf) at step \d+; lower optimizer.rate"
    ) as caught:
        train(wild, out=tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_bfloat16_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision_in_force(load_config(tiny()), CPU) == "float32"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not bfloat16_is_fast(CPU)
    with pytest.raises(ConfigError, match="bfloat16 is emulated on cpu"):
        precision_in_force(load_config(tiny(precision="bfloat16")), CPU)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert precision_in_force(load_config(tiny(precision="bfloat16")), CPU) == "bfloat16"


def test_bfloat16_trains(tmp_path: Path) -> None:
    if not bfloat16_is_fast(CPU):
        pytest.skip("this processor has no bfloat16")
    trained = train(tiny(precision="bfloat16"), out=tmp_path / "model")
    plain = train(tiny(), out=tmp_path / "plain")
    assert trained.record["precision"] == "bfloat16"
    assert trained.perplexity == pytest.approx(plain.perplexity, rel=0.05)
