"""Held-out loss against a slow plain loop over transformers' own forward pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.models.training.architecture import build_module
from probekit.models.training.batches import encode_texts
from probekit.models.training.config import load_config
from probekit.models.training.evaluate import HeldOut, Score, overlapping
from probekit.models.training.lean import lean_forward
from probekit.models.training.objective import make_objective
from probekit.models.training.tokenizer import make_tokenizer
from tests.models.training.tiny import TEXTS, masked, tiny


def prepared(document: dict[str, Any], length: int, limit: int = 10_000) -> tuple[Any, Any, HeldOut, Any]:
    config = load_config(document)
    tokenizer = make_tokenizer(config, TEXTS)
    module = build_module(config, tokenizer)
    pieces = encode_texts(tokenizer, TEXTS[:20])
    counts = np.bincount(pieces.ids, minlength=len(tokenizer))
    held_out = HeldOut(
        pieces,
        TEXTS[:20],
        counts,
        make_objective(config.objective, tokenizer),
        length=length,
        at_once=40,
        limit=limit,
    )
    return module, pieces, held_out, tokenizer


def test_causal_loss_is_that_of_a_plain_loop() -> None:
    module, pieces, held_out, tokenizer = prepared(tiny(), 16)
    score = held_out.score(module, lean_forward(module))
    nats, n, frequent = 0.0, 0, 0.0
    counts = np.bincount(pieces.ids, minlength=len(tokenizer)) + 1.0
    module.eval()
    for number in range(len(pieces)):
        ids = torch.from_numpy(pieces.text(number).astype(np.int64))
        logprob = module(ids[None]).logits[0].detach().log_softmax(-1)
        nats -= sum(float(logprob[i, ids[i + 1]]) for i in range(len(ids) - 1))
        frequent -= sum(math.log(counts[piece] / counts.sum()) for piece in ids[1:].tolist())
        n += len(ids) - 1
    assert (score.pieces, score.texts) == (n, 20)
    assert score.loss == pytest.approx(nats / n, abs=1e-5)
    assert score.perplexity == pytest.approx(math.exp(nats / n), rel=1e-5)
    words = sum(len(text.split()) for text in TEXTS[:20])
    assert score.perplexity_per_word == pytest.approx(math.exp(nats / words), rel=1e-5)
    assert score.unigram_loss == pytest.approx(frequent / n)


def test_long_texts_are_scored_once_a_piece_with_half_a_window_before() -> None:
    module, pieces, held_out, _ = prepared(tiny(batches={"length": 4}, model={"positions": 16}), 4)
    score = held_out.score(module, lean_forward(module))
    assert score.pieces == int((pieces.lengths - 1).sum())
    module.eval()
    nats = 0.0
    for number in range(len(pieces)):
        ids = torch.from_numpy(pieces.text(number).astype(np.int64))  # 7 or 8 pieces
        for i in range(1, len(ids)):
            start = next(start for start, stop, new in overlapping(len(ids), 4) if new <= i < stop)
            nats -= float(module(ids[None, start:i]).logits[0, -1].detach().log_softmax(-1)[ids[i]])
    assert score.loss == pytest.approx(nats / score.pieces, abs=1e-5)


def test_masks_are_fixed_and_all_masked() -> None:
    module, pieces, held_out, tokenizer = prepared(masked(objective={"share": 0.3}), 16)
    again = prepared(masked(objective={"share": 0.3}, seed=5), 16)[2]
    assert [lesson.ids.tolist() for lesson in held_out.lessons] == [
        lesson.ids.tolist() for lesson in again.lessons
    ]
    for lesson in held_out.lessons:
        assert (lesson.ids.reshape(-1)[lesson.positions] == tokenizer.mask_token_id).all()
        assert (lesson.ids == tokenizer.mask_token_id).sum() == len(lesson.labels)
        assert not np.isin(lesson.labels, tokenizer.all_special_ids).any()
    ordinary = len(pieces.ids) - 2 * len(pieces)
    assert 0.15 < held_out.pieces / ordinary < 0.45
    score = held_out.score(module, lean_forward(module))
    assert score.perplexity_per_word is None
    assert module.training


def test_whole_texts_up_to_the_limit() -> None:
    _, pieces, held_out, _ = prepared(tiny(), 16, limit=20)
    assert held_out.texts == int((np.cumsum(pieces.lengths) <= 20).sum()) == 2


@given(st.integers(1, 60), st.integers(2, 12))
def test_windows_cover_every_piece_once(pieces: int, length: int) -> None:
    found = list(overlapping(pieces, length))
    new = [i for start, stop, first in found for i in range(first, stop)]
    assert new == list(range(pieces))
    assert all(stop - start <= length and start <= first for start, stop, first in found)
    # after the first window, each new piece has at least one before it
    assert all(first > start for start, _, first in found[1:])


def test_the_plateau_is_less_than_five_percent_below_unigram() -> None:
    assert Score(4.8, 1.0, None, 5.0, 1, 1).on_plateau
    assert not Score(4.7, 1.0, None, 5.0, 1, 1).on_plateau
    assert Score(5.2, 1.0, None, 5.0, 1, 1).row()["on_plateau"] is True
