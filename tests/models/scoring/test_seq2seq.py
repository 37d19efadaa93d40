"""Decoder scores given a source, against the slow loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from probekit.errors import ConfigError
from probekit.models.scoring import Ask, make_scorer, score_pieces
from tests import slow_scores
from tests.tiny_models import tiny_lm

KINDS = ("t5", "bart")
TEXTS = ["the cat sat on mats", " dogs  run", "Zürich", "a teacher laughs"]
SOURCES = ["a dog runs", "", "the cats sit on the mat, dogs run", "a dog runs"]


def front(kind: str) -> list[int]:
    model = tiny_lm(kind)
    assert model.start_piece is not None
    return [model.start_piece] if kind == "t5" else [model.start_piece, model.tokenizer.bos_token_id]


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_equal_the_slow_loop(kind: str) -> None:
    found = score_pieces(tiny_lm(kind), TEXTS, sources=SOURCES)
    for text, source, scores in zip(TEXTS, SOURCES, found, strict=True):
        if kind == "t5" and not source:
            continue  # this tokenizer gives an empty source nothing to read; see the next test
        known = ~np.isnan(scores.logprob)
        slow = np.array(slow_scores.decoded(kind, text, source, front(kind)))
        assert known.any()
        np.testing.assert_allclose(scores.logprob[known], slow[known], atol=1e-5)


def test_an_empty_source_is_something_to_read() -> None:
    [[answer]] = make_scorer(tiny_lm("t5")).score([[Ask("the cat", ((0, 7),))]])
    assert math.isfinite(answer.bits[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_source_counts_and_batches_do_not(kind: str) -> None:
    text = "the cat sat"
    asks = [Ask(text, ((0, 11), (4, 7)), source) for source in ("dogs run", "a dog", "dogs run")]
    one, other, again = make_scorer(tiny_lm(kind)).score([asks])[0]
    assert one.bits.tolist() == again.bits.tolist()
    assert abs(one.bits[0] - other.bits[0]) > 1e-4
    alone = make_scorer(tiny_lm(kind), pieces_per_batch=1).score([asks[1:2]])[0][0]
    np.testing.assert_allclose(alone.bits, other.bits, atol=1e-4)
    slow = slow_scores.decoded(kind, text, "a dog", front(kind))
    assert other.bits[0] == pytest.approx(-sum(slow) / math.log(2), abs=1e-4)


def test_a_shared_prefix_cancels_only_under_one_source() -> None:
    scorer = make_scorer(tiny_lm("bart"))
    same = [Ask("the cat sat", ((0, 11),), "dogs"), Ask("the cat run", ((0, 11),), "dogs")]
    full, short = scorer.score([same])[0], scorer.score([same], shared_prefix_cancels=True)[0]
    assert short[0].n_pieces[0] < full[0].n_pieces[0]
    assert full[0].bits - full[1].bits == pytest.approx(short[0].bits - short[1].bits, abs=1e-4)
    other = [same[0], Ask("the cat run", ((0, 11),), "cats")]
    assert scorer.score([other], shared_prefix_cancels=True)[0][0].n_pieces == full[0].n_pieces


def test_too_long_on_either_side_is_left_out() -> None:
    scorer = make_scorer(tiny_lm("bart"))
    long = " ".join(["cat"] * 70)
    answers = scorer.score([[Ask(long, ((0, 3),)), Ask("cat", ((0, 3),), long), Ask("cat", ((0, 3),))]])[0]
    assert [a.left_out for a in answers] == ["too long", "too long", ""]


def test_the_rule_names_what_stands_in_front() -> None:
    assert "</s> <s> in front" in make_scorer(tiny_lm("bart")).rule
    assert make_scorer(tiny_lm("t5")).kind == "encoder-decoder"
    with pytest.raises(ConfigError, match="leave it out"):
        make_scorer(tiny_lm("t5"), bos="without")
    with pytest.raises(ConfigError, match="1 sources for 2 texts"):
        score_pieces(tiny_lm("t5"), ["a", "b"], sources=["c"])
