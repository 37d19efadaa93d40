"""Pseudo-log-likelihoods against the slow loop, and the two rules told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import ConfigError
from probekit.models.scoring import Ask, make_scorer, score_pieces
from probekit.models.scoring.masked import MaskedScorer
from tests import slow_scores
from tests.tiny_models import TEXTS as TRAINED_ON
from tests.tiny_models import tiny_lm

KINDS = ("bert", "roberta")
RULES = ("original", "within_word_l2r")
SCORERS = {(kind, pll): MaskedScorer(tiny_lm(kind), pll) for kind in KINDS for pll in RULES}  # type: ignore[arg-type]
TEXTS = ["the cats sit on mats, dogs run", "zebras  admire kangaroos!", " jalapeños", "a"]
BITS = math.log(2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pll", RULES)
def test_pieces_equal_the_slow_loop(kind: str, pll: str) -> None:
    for text, scores in zip(TEXTS, score_pieces(tiny_lm(kind), TEXTS, pll=pll), strict=True):  # type: ignore[arg-type]
        slow = np.array(slow_scores.masked(kind, text, pll))
        known = ~np.isnan(scores.logprob)
        assert known.any()
        np.testing.assert_allclose(scores.logprob[known], slow[known], atol=1e-5)


WORDS = st.sampled_from([word for text in TRAINED_ON for word in text.split()] + ["", " ", "zebra's"])


@pytest.mark.parametrize("key", SCORERS)
@given(words=st.lists(WORDS, min_size=1, max_size=5))
@settings(max_examples=5, deadline=None)
def test_random_texts_equal_the_slow_loop(key: tuple[str, str], words: list[str]) -> None:
    text = " ".join(words)
    [[answer]] = SCORERS[key].score([[Ask(text, ((0, len(text)),))]])
    if answer.left_out:
        assert answer.left_out in ("empty text", "unknown piece", "no piece in a needed region")
        return
    slow = slow_scores.masked(key[0], text, key[1])
    assert answer.n_pieces[0] == len(slow)
    assert answer.bits[0] == pytest.approx(-sum(slow) / BITS, abs=1e-4)


def test_only_later_pieces_of_the_same_word_are_hidden_too() -> None:
    tokenizer = tiny_lm("bert").tokenizer
    text = "the zebra runs"
    names = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    inside = [i for i, name in enumerate(names) if i >= 2 and (i == 2 or name.startswith("##")) and i < 2 + 9]
    own = [i for i in inside if all(names[j].startswith("##") for j in range(3, i + 1))]
    assert len(own) >= 2
    mask = tokenizer.mask_token_id
    hidden = {}
    for pll in RULES:
        queries = SCORERS["bert", pll].queries([[Ask(text, ((4, 9),))]])
        assert queries.position.tolist() == own
        hidden[pll] = [np.flatnonzero(queries.inputs[i] == mask).tolist() for i in queries.input]
    assert hidden["original"] == [[i] for i in own]
    assert hidden["within_word_l2r"] == [own[k:] for k in range(len(own))]
    one, other = (SCORERS["bert", pll].score([[Ask(text, ((4, 9),))]])[0][0].bits[0] for pll in RULES)
    assert abs(one - other) > 1e-3
    # the last piece of a word is scored alike
    [first, second] = (score_pieces(tiny_lm("bert"), [text], pll=pll)[0].logprob for pll in RULES)  # type: ignore[arg-type]
    assert first[own[-1] - 1] == pytest.approx(second[own[-1] - 1], abs=1e-6)


def test_only_needed_spans_are_masked_and_equal_copies_read_once() -> None:
    scorer = SCORERS["bert", "original"]
    pair = [Ask("the cats sit", ((4, 8),)), Ask("the dogs sit", ((4, 8),))]
    queries = scorer.queries([pair])
    assert len(queries.inputs) == 1 < len(queries)  # what is visible is the same
    assert len(set(queries.target.tolist())) == 2
    [[cats, dogs]] = scorer.score([pair])
    for answer, text in ((cats, "the cats sit"), (dogs, "the dogs sit")):
        assert answer.bits[0] == pytest.approx(
            -slow_scores.masked("bert", text, "original")[1] / BITS, abs=1e-4
        )


def test_reasons_for_leaving_out() -> None:
    scorer = make_scorer(tiny_lm("bert"))
    long = " ".join(["cat"] * 63)  # 64 places hold [CLS] and [SEP] too
    asks = [Ask("", ((0, 0),)), Ask(long, ((0, 3),)), Ask(long[:-4], ((0, 3),)), Ask("the ☃ cat", ((4, 5),)),
            Ask("the ☃ cat", ((0, 3),))]  # fmt: skip
    answers = scorer.score([asks])[0]
    assert [a.left_out for a in answers] == ["empty text", "too long", "", "unknown piece", ""]
    assert answers[4].n_unknown == 1


def test_options_are_checked_and_the_rule_is_said() -> None:
    with pytest.raises(ConfigError, match="did you mean 'original'"):
        make_scorer(tiny_lm("bert"), pll="orginal")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is for causal models"):
        make_scorer(tiny_lm("bert"), bos="with")
    with pytest.raises(ConfigError, match="pieces_per_batch"):
        make_scorer(tiny_lm("bert"), pieces_per_batch=0)
    assert "within-word" in make_scorer(tiny_lm("bert")).rule
    assert make_scorer(tiny_lm("bert")).kind == "masked"
