"""Perplexity: sums over sentences divided once, equal to transformers' own loss, with everything left out counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.behavior.perplexity import Perplexity, perplexity
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError
from probekit.models.ngram import NgramScorer, fit_ngram
from probekit.models.scoring import score_pieces
from tests.behavior.stand_ins import Told
from tests.tiny_models import TEXTS, tiny_lm, tiny_lm_folder

ENGLISH = [TEXTS[0], TEXTS[5], TEXTS[6]]


def test_bits_are_summed_before_they_are_divided() -> None:
    # 4 bits for 1 word, 1 bit for 4 words: 5 bits by 5 words; the mean of the sentences' own would be 2.125
    told = Told(lambda text, part: {"aaaa": 4.0, "b c d e": 1.0}[text])
    found = perplexity(told, ["aaaa", "b c d e"])
    assert found.per_word == 2.0
    assert found.per_piece == 2.0
    assert found.bits_per_character == 5 / 11
    assert found.bits.tolist() == [4.0, 1.0]
    by_name = {row.metric: row for row in found.rows}
    assert list(by_name) == [
        "bits_per_piece",
        "perplexity_per_piece",
        "perplexity_per_word",
        "bits_per_character",
    ]
    assert by_name["bits_per_piece"].value == 1.0
    # the resamples: both the first, one of each, both the second
    row = by_name["perplexity_per_word"]
    assert (row.low, row.high) == pytest.approx((2**0.25, 2**4))
    assert (row.n, row.n_left_out, row.unit) == (2, 0, "sentence")
    assert row.interval.startswith("cluster bootstrap over sentences, 1000")
    assert "perplexity 2 [1.189, 16] per piece" in found.summary


def test_it_can_stand_in_a_report(tmp_path: Path) -> None:
    found = perplexity(Told(lambda text, part: 2.0, name="models/A B"), ["a b", "c"])
    assert [panel.name for panel in found.panels] == [
        "models-a-b-perplexity-summary",
        "models-a-b-perplexity",
    ]
    page = pk.write_report(tmp_path / "r", found).read_text(encoding="utf-8")
    assert "Perplexity of models/A B" in page
    assert "as told" in page
    assert found._repr_html_().startswith("<p>models/A B over 2 sentences")


def test_of_a_causal_model_it_is_the_exponential_of_its_loss() -> None:
    from transformers import AutoModelForCausalLM

    model = tiny_lm("gpt2")
    whole = AutoModelForCausalLM.from_pretrained(tiny_lm_folder("gpt2"), trust_remote_code=False).eval()
    begin = model.tokenizer.bos_token_id
    nats, pieces = 0.0, 0
    for text in ENGLISH:
        ids = torch.tensor([[begin, *model.tokenizer(text)["input_ids"]]])
        with torch.no_grad():
            nats += float(whole(ids, labels=ids).loss) * (ids.shape[1] - 1)
        pieces += ids.shape[1] - 1
    found = pk.perplexity(model, ENGLISH)
    assert found.per_piece == pytest.approx(math.exp(nats / pieces), rel=1e-5)
    assert found.per_word == pytest.approx(math.exp(nats / sum(len(t.split()) for t in ENGLISH)), rel=1e-5)
    assert found.bits_per_character == pytest.approx(nats / math.log(2) / len("".join(ENGLISH)), rel=1e-5)
    assert not found.pseudo
    assert found.rule in found.summary


@pytest.mark.parametrize(("kind", "options"), [("bert", {"pll": "original"}), ("roberta", {}), ("t5", {})])
def test_other_kinds_of_model_and_their_names(kind: str, options: dict[str, str]) -> None:
    model, sources = tiny_lm(kind), ["the dogs"] * 2 if kind == "t5" else None
    found = perplexity(model, ENGLISH[1:], sources=sources, **options)  # type: ignore[arg-type]
    scores = score_pieces(model, ENGLISH[1:], sources=sources, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.bits, [-one.logprob.sum() / math.log(2) for one in scores], rtol=1e-5)
    assert found.pseudo == (kind != "t5")
    assert all(row.metric.startswith("pseudo_") == found.pseudo for row in found.rows)
    assert ("pseudo-perplexity" in found.summary) == found.pseudo
    assert repr(found).startswith("<Pseudo-perplexity" if found.pseudo else "<Perplexity")


def test_words_are_those_of_a_corpus_and_a_split_can_be_chosen() -> None:
    corpus = Corpus(
        [
            Sentence("s1", ("do", "n't"), "don't", ((0, 2), (2, 5)), split="train"),
            Sentence.from_text("s2", "the cat", split="test"),
        ],
        name="tiny",
    )
    told = Told(lambda text, part: float(len(text)))
    assert perplexity(told, corpus).n_words.tolist() == [2, 2]
    test = perplexity(told, corpus, split="test")
    assert (test.ids, test.corpus, test.rows[0].corpus, test.rows[0].split) == (
        ("s2",),
        "tiny",
        "tiny",
        "test",
    )
    assert test.rows[0].low is None  # one sentence has no interval
    assert test.rows[0].interval == ""
    with pytest.raises(DataError, match=r"no sentence in split 'dev'; it has \{'train': 1, 'test': 1\}"):
        perplexity(told, corpus, split="dev")


def test_what_cannot_be_scored_is_left_out_and_named() -> None:
    reasons = {"x" * 9: "too long", "?": "unknown piece", "": "empty text"}
    told = Told(lambda text, part: 3.0, reason=lambda text: reasons.get(text, ""))
    found = perplexity(told, ["a b c", "?", "", *["x" * 9] * 7])
    assert found.per_word == 2.0
    assert found.left_out == {"empty text": 1, "too long": 7, "unknown piece": 1}
    assert found.left_out_examples["too long"] == ("4", "5", "6", "7", "8")
    assert {row.group: row.value for row in found.rows if row.metric == "left_out"} == {
        "reason=empty text": 1, "reason=too long": 7, "reason=unknown piece": 1,
    }  # fmt: skip
    assert all(row.n_left_out == 9 for row in found.rows[:4])
    assert "Left out: 1 empty text, 7 too long, 1 unknown piece." in found.summary
    nothing = perplexity(told, ["?", ""])
    assert nothing.per_piece is None
    assert nothing.bits_per_character is None
    assert [row.reason for row in nothing.rows[:4]] == ["no sentence was scored"] * 4
    assert "no sentence of 2 could be scored" in nothing.summary
    assert nothing.sentences()["left_out"].tolist() == ["unknown piece", "empty text"]


def test_an_ngram_baseline_is_measured_alike() -> None:
    model = tiny_lm("bert")
    held_out = [ENGLISH[2]]
    orders = [
        perplexity(NgramScorer(model, fit_ngram(model, ENGLISH, order)), held_out).per_piece
        for order in (1, 2)
    ]
    assert orders[0] is not None
    assert orders[1] is not None
    assert orders[1] < orders[0] < model.vocabulary
    table = perplexity(NgramScorer(model, fit_ngram(model, ENGLISH, 2)), ENGLISH).table()
    assert set(table.model) == {"2-gram"}
    assert isinstance(perplexity(model, held_out), Perplexity)


def test_bad_input_is_told_in_one_line() -> None:
    told = Told(lambda text, part: 1.0)
    with pytest.raises(ConfigError, match=r"write \[text\]"):
        perplexity(told, "a text")
    with pytest.raises(DataError, match="at least one text"):
        perplexity(told, [])
    with pytest.raises(DataError, match="1 sources for 2 texts"):
        perplexity(told, ["a", "b"], sources=["c"])
    with pytest.raises(ConfigError, match="is for a corpus"):
        perplexity(told, ["a"], split="test")
    with pytest.raises(DataError, match="corpus 'none' has no sentence"):
        perplexity(told, Corpus([], name="none"))
