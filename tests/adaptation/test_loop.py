"""The fine-tuning loop against plain twins written out by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.adaptation import loop
from probekit.adaptation.live import Live
from probekit.adaptation.loop import (
    Labelled,
    TrainingFailed,
    epoch_batches,
    make_optimizer,
    plain_memory,
    predict_outputs,
    run_loop,
    unit_loss,
)
from probekit.adaptation.schedule import linear
from probekit.adaptation.strategies import gradual
from probekit.adaptation.strategies.parts import PlainTuning
from probekit.errors import ModelError
from tests.adaptation.small_tasks import FLIPPED, LABELS, TEXTS, labelled, live_model, plan, same, weights

WORDS = [["the", "cat"], ["dogs"], ["a", "dog", "runs", "at", "night"], ["cats", "sit"]]
TAGS = [["D", "N"], ["N"], ["D", "N", "V", "P", "N"], ["N", "V"]]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=300), st.integers(1, 9), st.integers(0, 5))
def test_an_epoch_has_every_example_once_and_near_lengths_together(
    lengths: list[int], size: int, seed: int
) -> None:
    batches = epoch_batches(np.array(lengths), size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == math.ceil(len(lengths) / size) or len(lengths) > size * loop.WINDOW
    if len(lengths) <= size * loop.WINDOW:  # one window: batches do not overlap in length
        spans = sorted((min(own), max(own)) for own in ([lengths[i] for i in batch] for batch in batches))
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


def plain_twin(live: Live, train: Labelled, batches: list[Any], rate: float, decay: float) -> None:
    """Every example read by itself, without padding; the plain AdamW; the norm clipped by hand."""
    parameters = list(live.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate, foreach=False, fused=False)
    for step, batch in enumerate(batches):
        losses = []
        for row in batch:
            ids = torch.from_numpy(train.inputs.ids[row])[None]
            states = live.body(input_ids=ids).last_hidden_state[0]
            for unit in range(train.inputs.first[row], train.inputs.first[row + 1]):
                logits = live.head(states[torch.from_numpy(train.inputs.places[unit])].mean(0))
                losses.append(-torch.log_softmax(logits, 0)[train.y[unit]])
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters if p.grad is not None))
        for parameter in parameters:
            if parameter.grad is not None and norm > 1:
                parameter.grad /= norm
        for group in optimizer.param_groups:
            group["lr"] = rate * linear(step, len(batches), 0.1)
        optimizer.step()


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_loop_equals_a_plain_one(kind: str) -> None:
    ours, theirs = live_model(kind, outputs=4), live_model(kind, outputs=4)
    train = labelled(ours, WORDS, TAGS)
    run_loop(ours, PlainTuning(), train, None, plan(batch_size=2, epochs=3, weight_decay=0.1))
    batches = [
        batch
        for epoch in range(3)
        for batch in epoch_batches(train.inputs.lengths, 2, np.random.default_rng([0, 1, epoch]))
    ]
    plain_twin(theirs, train, batches, 1e-3, 0.1)
    got, wanted = weights(ours), weights(theirs)
    before = weights(live_model(kind, outputs=4))
    for name, value in wanted.items():
        if (
            np.abs(value - before[name]).max() > 1e-4
        ):  # else its gradient is rounding, and Adam makes it a step
            close = np.abs(got[name] - value) < 2e-4
            assert close.mean() > 0.99, name


def test_accumulated_batches_are_one_batch_for_units_of_any_number() -> None:
    # a mean of means would weigh the one word of "dogs" like the five of its neighbour
    one, two = live_model(outputs=4), live_model(outputs=4)
    train = labelled(one, WORDS, TAGS)
    run_loop(one, PlainTuning(), train, None, plan(batch_size=4, epochs=1, clip=None))
    run_loop(two, PlainTuning(), train, None, plan(batch_size=1, accumulate=4, epochs=1, clip=None))
    a, b = weights(one)["head.weight"], weights(two)["head.weight"]
    assert np.abs(a - b).max() < 1e-6
    assert np.abs(a - weights(live_model(outputs=4))["head.weight"]).max() > 1e-4


def test_the_loss_weighs_classes() -> None:
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    y = np.array([0, 0, 1])
    each = -torch.log_softmax(outputs, 1)[range(3), y.tolist()]
    assert float(unit_loss(outputs, y)) == pytest.approx(float(each.mean()))
    weighed = (5 * each[0] + 5 * each[1] + each[2]) / 11
    assert float(unit_loss(outputs, y, (5.0, 1.0))) == pytest.approx(float(weighed))
    assert float(unit_loss(outputs[:, :1], np.array([1.0, 0.0, 0.0]))) == pytest.approx(1 / 3)


def test_a_class_of_weight_0_teaches_nothing_and_breaks_nothing() -> None:
    live = live_model()
    history = run_loop(
        live, PlainTuning(), labelled(live), None, plan(batch_size=1, class_weight=(0.0, 1.0), clip=None)
    )
    assert all(math.isfinite(record["loss"]) for record in history)
    # only "s" (code 1) is ever taught
    assert (predict_outputs(live, labelled(live).inputs).argmax(1) == 1).all()


def test_vectors_do_not_decay() -> None:
    live = live_model()
    optimizer = make_optimizer(live, PlainTuning(), plan(weight_decay=0.3))
    for group in optimizer.param_groups:
        assert group["weight_decay"] == (0.3 if all(p.dim() > 1 for p in group["params"]) else 0.0)
        assert len({p.dim() > 1 for p in group["params"]}) == 1
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(live.parameters()))
    assert live.trained == {name for name, _ in live.named_parameters()}


def test_the_best_epoch_on_dev_is_what_stands_in_the_end() -> None:
    # dev labels are the wrong way round: the better it learns, the worse; so the first epoch is the best
    settings: dict[str, Any] = {"schedule": "constant", "warmup": 0.0, "metric": "loss"}
    chosen, once, told = live_model(), live_model(), []
    train, dev = labelled(chosen), labelled(chosen, TEXTS, FLIPPED)
    history = run_loop(
        chosen, PlainTuning(), train, dev, plan(epochs=4, **settings), progress=lambda *a: told.append(a)
    )
    run_loop(once, PlainTuning(), train, None, plan(epochs=1, **settings))
    assert [record["kept"] for record in history] == [True, False, False, False]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert same(weights(chosen), weights(once))
    assert told[-1] == ("fine-tuning", 12, 12)

    patient = live_model()
    history = run_loop(patient, PlainTuning(), train, dev, plan(epochs=9, patience=2, **settings))
    assert len(history) == 3
    assert same(weights(patient), weights(once))


def test_what_is_unfrozen_behind_the_best_epoch_goes_back_to_what_it_was() -> None:
    live = live_model()
    before = weights(live)
    tuning = gradual.tuning({})
    tuning.prepare(live)
    dev = labelled(live, TEXTS, FLIPPED)
    history = run_loop(
        live, tuning, labelled(live), dev, plan(epochs=4, schedule="constant", metric="loss", rate=1e-2)
    )
    assert history[0]["kept"]
    after = weights(live)
    assert {name for name in after if not np.array_equal(before[name], after[name])} == {
        "head.weight",
        "head.bias",
    }


def test_part_of_an_epoch() -> None:
    live, told = live_model(), []
    run_loop(live, PlainTuning(), labelled(live), None, plan(epochs=0.5), progress=lambda *a: told.append(a))
    assert told == [("fine-tuning", 1, 2), ("fine-tuning", 2, 2)]
    # 3.3 steps are three, and no epoch is without a step
    assert len(run_loop(live, PlainTuning(), labelled(live), None, plan(epochs=1.1))) == 1
    assert len(run_loop(live, PlainTuning(), labelled(live), None, plan(epochs=1.2))) == 2


def test_same_seed_same_bits_and_another_seed_others() -> None:
    found = []
    for seed in (0, 0, 1):
        live = live_model(dropout=0.1)
        torch.rand(3)  # whatever was drawn before
        run_loop(live, PlainTuning(), labelled(live), None, plan(seed=seed))
        found.append(weights(live))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_bfloat16_is_near_and_weights_stay_float32() -> None:
    exact, mixed = live_model(), live_model()
    run_loop(exact, PlainTuning(), labelled(exact), None, plan(epochs=1))
    run_loop(mixed, PlainTuning(), labelled(mixed), None, plan(epochs=1, precision="bfloat16"))
    a, b = weights(exact)["head.weight"], weights(mixed)["head.weight"]
    assert b.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 3e-3


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    live = live_model()
    with torch.no_grad():
        live.head.weight[0, 0] = float("nan")
    with pytest.raises(TrainingFailed, match=r"the loss is nan at step 1; lower the rate \(0\.001\)"):
        run_loop(live, PlainTuning(), labelled(live), None, plan())


def test_a_gradient_that_is_no_number_ends_the_run_before_its_step() -> None:
    live = live_model()
    live.head.weight.register_hook(lambda grad: grad * float("inf"))
    before = weights(live)
    with pytest.raises(TrainingFailed, match=r"the gradient is (inf|nan) at step 1"):
        run_loop(live, PlainTuning(), labelled(live), None, plan())
    assert same(before, weights(live))


def test_a_rate_that_is_far_too_high_diverges() -> None:
    live = live_model()
    with pytest.raises(
        TrainingFailed, match=r"the run diverged: the mean loss of epoch . is .*, guessing costs"
    ):
        run_loop(
            live, PlainTuning(), labelled(live), None, plan(rate=100.0, epochs=20, batch_size=1, clip=None)
        )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_memory_at_an_end_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    live = live_model()

    def no_memory(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(loop, "unit_loss", no_memory)
    with pytest.raises(
        ModelError, match=r"training does not fit into memory; lower batch_size \(4; raise accumulate\)"
    ):
        run_loop(live, PlainTuning(), labelled(live), None, plan())


def test_any_other_error_is_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), plain_memory("training", "less"):
        raise RuntimeError("shapes do not fit")


def test_predictions_are_those_of_each_text_alone_and_nan_without_a_piece() -> None:
    live = live_model(outputs=3)
    words = [["the", "cat"], ["東", "dogs"], ["\u200b"], ["a"] * 30]
    train = labelled(live, words, [["D", "N"], ["N", "V"], ["V"], ["D"] * 30])
    together = predict_outputs(live, train.inputs, pieces_per_batch=64)
    assert np.isnan(together).all(axis=1).tolist() == train.inputs.left_out.tolist()
    assert train.inputs.left_out.any()
    alone = live.body(input_ids=torch.from_numpy(train.inputs.ids[0])[None]).last_hidden_state[0, 1]
    assert np.abs(together[0] - live.head(alone).detach().numpy()).max() < 1e-5
    # what has no piece is never read, and never makes the rest NaN
    history = run_loop(live, PlainTuning(), train, None, plan())
    assert math.isfinite(history[-1]["loss"])


def test_the_labels_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    live = live_model()
    run_loop(live, PlainTuning(), labelled(live), None, plan(epochs=12, rate=1e-2))
    train = labelled(live)
    assert (predict_outputs(live, train.inputs).argmax(1) == train.y).mean() == 1.0
    assert len(LABELS) == len(train.y)
