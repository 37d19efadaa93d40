"""Causal scores against the slow loop, the piece in front, what is left out, what cancels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import DataError, ModelError
from probekit.models import load_model, random_twin
from probekit.models.scoring import Ask, make_scorer, score_pieces
from probekit.models.scoring.causal import CausalScorer
from tests import slow_scores
from tests.tiny_models import TEXTS as TRAINED_ON
from tests.tiny_models import tiny_lm, write_tiny

KINDS = ("gpt2", "llama")
SCORERS = {(kind, bos): CausalScorer(tiny_lm(kind), bos) for kind in KINDS for bos in ("with", "without")}
TEXTS = [
    "the cat sat on the mat",
    "the cat sat on the mats",
    "the cat sat",
    " the cat  sat on dogs ",
    "Über naïve cafés in Zürich",
    "a",
]
BITS = math.log(2)


def whole_text(text: str) -> Ask:
    return Ask(text, ((0, len(text)),))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bos", ["with", "without"])
def test_pieces_equal_the_slow_loop(kind: str, bos: str) -> None:
    front = tiny_lm(kind).tokenizer.bos_token_id if bos == "with" else None
    for text, scores in zip(TEXTS, score_pieces(tiny_lm(kind), TEXTS, bos=bos), strict=True):  # type: ignore[arg-type]
        np.testing.assert_allclose(scores.logprob, slow_scores.causal(kind, text, front), atol=1e-5)
        assert len(scores.pieces) == len(scores.spans) == len(scores.words) == len(scores.logprob)


LETTERS = st.sampled_from(list("abcdogst ,.'éñ東 \t-3Ü\U0001f600"))
WORDS = st.sampled_from([word for text in TRAINED_ON for word in text.split()] + ["", " "])
RANDOM = st.lists(WORDS, max_size=8).map(" ".join) | st.text(LETTERS, max_size=12)


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(RANDOM, min_size=1, max_size=4), cut=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_packed_and_separate_reading_and_the_slow_loop_agree(kind: str, texts: list[str], cut: int) -> None:
    scorer = SCORERS[kind, "with"]
    plain = CausalScorer(tiny_lm(kind), "with", 40)
    plain.tree = None
    assert scorer.tree is not None
    asks = [Ask(text, ((0, min(cut, len(text))), (0, len(text)))) for text in texts]
    for one, other, ask in zip(scorer.score([asks])[0], plain.score([asks])[0], asks, strict=True):
        assert one.left_out == other.left_out
        np.testing.assert_allclose(one.bits, other.bits, atol=1e-4)
        if not one.left_out:
            slow = slow_scores.causal(kind, ask.text, scorer.front[0])
            assert one.n_pieces[1] == len(slow)
            assert one.bits[1] == pytest.approx(-sum(slow) / BITS, abs=1e-4)
            assert one.bits[0] == pytest.approx(-sum(slow[: one.n_pieces[0]]) / BITS, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_piece_in_front_the_first_is_not_scored(kind: str) -> None:
    scorer = SCORERS[kind, "without"]
    [[answer, alone]] = scorer.score([[whole_text("the cat sat"), Ask("the cat sat", ((0, 3), (4, 11)))]])
    slow = slow_scores.causal(kind, "the cat sat", None)
    assert answer.n_pieces.tolist() == [len(slow) - 1]
    assert answer.bits[0] == pytest.approx(-sum(slow[1:]) / BITS, abs=1e-4)
    assert alone.left_out == "no piece in a needed region"  # "the" has no context, so the region has no score
    assert "not scored" in scorer.rule
    assert "<s>" in SCORERS["llama", "with"].rule


def test_spans_share_out_the_whole_and_may_overlap() -> None:
    scorer = SCORERS["gpt2", "with"]
    text = "the cats sit on mats"
    [[answer]] = scorer.score([[Ask(text, ((0, 3), (3, 8), (8, 20), (0, 20), (4, 12)))]])
    assert answer.bits[:3].sum() == pytest.approx(answer.bits[3])
    assert answer.n_pieces[:3].sum() == answer.n_pieces[3]
    assert answer.bits[1] < answer.bits[4] < answer.bits[3]


def test_reasons_for_leaving_out() -> None:
    scorer = make_scorer(tiny_lm("gpt2"), bos="with")
    long = " ".join(["the cat"] * 40)
    answers = [
        scorer.score([[ask]])[0][0]
        for ask in (
            whole_text(""),
            whole_text(long),
            Ask("the cat", ((0, 7), (3, 3))),
            Ask("cat  ", ((0, 3), (3, 5))),
        )
    ]
    assert [a.left_out for a in answers[:3]] == ["empty text", "too long", "no piece in a needed region"]
    assert answers[3].left_out == ""
    assert all(np.isnan(a.bits).all() and not a.n_pieces.any() for a in answers[:3])
    with pytest.raises(DataError, match="span 0:9 is not inside the 3 characters of 'cat'"):
        scorer.score([[Ask("cat", ((0, 9),))]])


def test_the_longest_text_fits_with_its_piece_in_front_and_one_more_does_not() -> None:
    text = " ".join(["the"] * 63)  # 64 places
    assert scorer_reason(text) == ""
    assert scorer_reason(text + " the") == "too long"
    assert np.isnan(score_pieces(tiny_lm("gpt2"), [text + " the"])[0].logprob).all()


def scorer_reason(text: str) -> str:
    return SCORERS["gpt2", "with"].score([[whole_text(text)]])[0][0].left_out


def test_unknown_pieces_leave_out_only_where_they_are_needed() -> None:
    scorer = SCORERS["llama", "with"]
    unknown = scorer.model.tokenizer.unk_token
    text = f"the {unknown} cat"
    [[inside, outside]] = scorer.score([[whole_text(text), Ask(text, ((len(text) - 4, len(text)),))]])
    assert inside.left_out == "unknown piece"
    assert outside.left_out == ""
    assert (outside.n_unknown, outside.n_pieces[0]) == (1, 1)
    scores = score_pieces(scorer.model, [text])[0]
    assert np.isnan(scores.logprob).tolist() == [
        p == scorer.model.tokenizer.unk_token_id for p in scores.pieces
    ]


@pytest.mark.parametrize("key", SCORERS)
def test_a_shared_prefix_cancels(key: tuple[str, str]) -> None:
    scorer = SCORERS[key]  # type: ignore[index]
    groups = [
        [
            whole_text("the cat sat on the mat"),
            whole_text("the cat sat at the mat"),
            whole_text("the cat sat"),
        ],
        [whole_text("dogs run"), whole_text("the dogs run")],
        [whole_text("dogs run"), whole_text("dogs run")],
        [Ask("the cat sat", ((8, 11),)), Ask("the cat sit", ((8, 11),))],
        [whole_text("the dogs run")],
    ]
    full = scorer.score(groups)
    short = scorer.score(groups, shared_prefix_cancels=True)
    for whole, part in zip(full, short, strict=True):
        gaps = {round(float(a.bits[0] - b.bits[0]), 4) for a, b in zip(whole, part, strict=True)}
        assert len(gaps) == 1
        assert [a.left_out for a in whole] == [b.left_out for b in part]
    assert short[0][2].n_pieces[0] == 0 < full[0][2].n_pieces[0]  # nothing but the common beginning
    assert short[3][0].bits[0] == pytest.approx(full[3][0].bits[0], abs=1e-5)  # regions are never shortened
    few = scorer.queries(groups, shared_prefix_cancels=True)
    assert len(few) < len(scorer.queries(groups))


def test_a_left_out_condition_keeps_its_group_whole() -> None:
    scorer = SCORERS["gpt2", "with"]
    [[good, bad]] = scorer.score([[whole_text("the cat"), whole_text("")]], shared_prefix_cancels=True)
    assert bad.left_out
    assert good.n_pieces[0] > 1


def test_queries_trim_what_predicts_nothing_and_keep_equal_inputs_once() -> None:
    scorer = SCORERS["gpt2", "with"]
    queries = scorer.queries([[whole_text("the cat"), whole_text("the dog"), whole_text("the cat")]])
    assert {int(ids[0]) for ids in queries.inputs} == set(scorer.front)
    assert len({ids.tobytes() for ids in queries.inputs}) == len(queries.inputs)
    n = len(scorer.model.tokenizer("the cat")["input_ids"])
    assert len(queries.inputs[queries.input[0]]) == n  # the piece in front is read, the last is not
    assert (queries.position < np.array([len(ids) for ids in queries.inputs])[queries.input]).all()


def test_nothing_asked_nothing_answered() -> None:
    scorer = SCORERS["gpt2", "with"]
    assert scorer.score([]) == []
    assert scorer.score([[]]) == [[]]
    assert scorer.score([[Ask("the cat", ())]])[0][0].bits.shape == (0,)
    assert score_pieces(scorer.model, []) == []


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[str, int, int]] = []
    SCORERS["gpt2", "with"].score([[whole_text(t) for t in TEXTS]], progress=lambda *now: seen.append(now))
    assert seen[0][1] == 0
    assert seen[-1][1] == seen[-1][2] > 0


def test_a_causal_head_on_a_model_that_sees_the_future_is_refused(tmp_path: object) -> None:
    import json
    from pathlib import Path

    folder = write_tiny("bert", Path(str(tmp_path)) / "m", head=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertLMHeadModel"]}))
    with pytest.raises(ModelError, match="depend on what comes later"):
        make_scorer(load_model(str(folder), device="cpu"))


def test_a_random_twin_is_scored_too() -> None:
    twin = random_twin(tiny_lm("gpt2"), 1)
    [[answer]] = make_scorer(twin).score([[whole_text("the cat sat")]])
    uniform = answer.n_pieces[0] * math.log2(twin.vocabulary)
    assert answer.bits[0] == pytest.approx(uniform, rel=0.1)
