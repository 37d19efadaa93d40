"""The n-gram scorer: the model's pieces and spans, the n-gram's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.errors import ConfigError, DataError
from probekit.models.ngram import Ngram, NgramScorer, fit_ngram, read_sequences
from probekit.models.scoring.asks import Ask

from ..tiny_models import TEXTS, tiny_lm, tiny_model

KINDS = ("gpt2", "llama", "bert", "t5")


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_sums_over_the_pieces_of_a_span(kind: str) -> None:
    model = tiny_model(kind)
    ngram = fit_ngram(model, TEXTS, order=3)
    scorer = NgramScorer(model, ngram)
    text = "The dogs that chase the cats bark"
    cut = text.index(" chase")
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    (logprob,) = ngram.logprob([ids])
    before = len(model.tokenizer(text[:cut], add_special_tokens=False)["input_ids"])
    (answers,) = scorer.score([[Ask(text, ((0, cut), (cut, len(text)))), Ask(text, ((0, len(text)),))]])
    bits = -logprob / np.log(2)
    np.testing.assert_allclose(answers[0].bits, [bits[:before].sum(), bits[before:].sum()])
    np.testing.assert_allclose(answers[1].bits, [bits.sum()])
    assert answers[0].n_pieces.tolist() == [before, len(ids) - before]
    assert "left to right for every kind of model: the first piece is scored" in scorer.rule
    assert (scorer.name, scorer.kind) == ("3-gram", "n-gram")


def test_without_a_beginning_the_first_piece_is_not_scored() -> None:
    model = tiny_lm("gpt2")
    ngram = fit_ngram(model, TEXTS, order=2)
    text = TEXTS[-1]
    whole, rest = (
        NgramScorer(model, ngram, bos=bos).score([[Ask(text, ((0, len(text)),))]])[0][0]
        for bos in ("with", "without")
    )
    (logprob,) = ngram.logprob(read_sequences(model, [text]))
    assert rest.n_pieces[0] == whole.n_pieces[0] - 1
    assert whole.bits[0] - rest.bits[0] == pytest.approx(-logprob[0] / np.log(2))
    assert "is not scored" in NgramScorer(model, ngram, bos="without").rule


def test_shared_prefixes_cancel_and_reasons_are_told() -> None:
    model = tiny_lm("bert")
    scorer = NgramScorer(model, fit_ngram(model, TEXTS, order=5))
    pair = [Ask(text, ((0, len(text)),)) for text in ("the cats sit on the mat", "the cats sits on the mat")]
    (apart,), (shared,) = scorer.score([pair]), scorer.score([pair], shared_prefix_cancels=True)
    assert shared[0].bits[0] < apart[0].bits[0]
    assert apart[1].bits[0] - apart[0].bits[0] == pytest.approx(shared[1].bits[0] - shared[0].bits[0])
    assert apart[1].bits[0] > apart[0].bits[0]
    ((empty, unknown, good),) = scorer.score(
        [[Ask("", ((0, 0),)), Ask("the ☃ cat", ((0, 9),)), Ask("the cat " * 500, ((0, 3),))]]
    )
    assert (empty.left_out, unknown.left_out, good.left_out) == ("empty text", "unknown piece", "")
    assert np.isnan(unknown.bits).all()


def test_names_order_and_progress() -> None:
    model = tiny_model("gpt2")
    stages: list[Any] = []
    ngram = fit_ngram(model, TEXTS, 1, lambda *stage: stages.append(stage))
    assert NgramScorer(model, ngram).name == "unigram"
    assert stages[0] == ("reading text", 0, len(TEXTS))
    assert stages[-1] == ("counting n-grams", 1, 1)


def test_what_does_not_fit_is_refused() -> None:
    model = tiny_model("gpt2")
    with pytest.raises(ConfigError, match="the n-gram model has 7 pieces"):
        NgramScorer(model, Ngram.fit([[0]], 1, vocabulary=7))
    with pytest.raises(DataError, match=r"write \[text\]"):
        fit_ngram(model, "a text")
    with pytest.raises(DataError, match="texts 1 to 2 is not valid Unicode"):
        fit_ngram(model, ["a", "\ud800"])
    with pytest.raises(DataError, match="at least one piece"):
        fit_ngram(model, [""])
