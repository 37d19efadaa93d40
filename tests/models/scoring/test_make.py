"""Real language models: a published reference, and a model trained on novels."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.models.scoring import Ask, make_scorer, score_pieces
from tests.tiny_models import KINDS, tiny_lm, tiny_model


@pytest.fixture
def real_models(shared_data: Path) -> Path:
    folder = shared_data.parent / "models"
    if not folder.is_dir():
        pytest.skip("the real language models are not beside this checkout (../shared/models)")
    return folder


def test_the_scorer_follows_the_head() -> None:
    kinds = {kind: make_scorer(tiny_lm(kind)).kind for kind in KINDS}
    assert kinds == {
        "bert": "masked", "roberta": "masked", "gpt2": "causal", "llama": "causal", "t5": "encoder-decoder",
        "bart": "encoder-decoder",
    }  # fmt: skip
    assert make_scorer(tiny_lm("gpt2")).name == tiny_lm("gpt2").name
    assert make_scorer(tiny_lm("gpt2")).rule != make_scorer(tiny_lm("gpt2"), bos="without").rule


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ModelError, match="no language-model head"):
        make_scorer(tiny_model("gpt2"))
    with pytest.raises(ConfigError, match="a list of texts"):
        score_pieces(tiny_lm("gpt2"), "the cat")


@pytest.mark.real
def test_log_probabilities_equal_the_reference_of_a_pretrained_model(real_models: Path) -> None:
    reference = json.loads((real_models / "stories260k" / "reference_outputs.json").read_text())
    model = pk.load_model(str(real_models / "stories260k"), device="cpu")
    [scores] = pk.score_pieces(model, [reference["sentence"]])
    assert [model.tokenizer.bos_token_id, *scores.pieces] == reference["sentence_token_ids"]
    expected = reference["sentence_logprobs"]
    assert len(scores.logprob) == len(expected)
    np.testing.assert_allclose(scores.logprob, expected, atol=1e-4)


@pytest.mark.real
def test_a_model_trained_on_novels_prefers_the_right_verb(real_models: Path) -> None:
    model = pk.load_model(str(real_models / "novels-causal"), device="cpu")
    scorer = pk.make_scorer(model)
    assert "[CLS] in front" in scorer.rule
    pairs = [("the man laughs .", "the man laugh ."), ("the men laugh .", "the men laughs ."),
             ("he is here .", "he are here ."), ("they were happy .", "they was happy .")]  # fmt: skip
    groups = [[Ask(text, ((0, len(text)),)) for text in pair] for pair in pairs]
    answers = scorer.score(groups, shared_prefix_cancels=True)
    assert sum(float(good.bits[0]) < float(bad.bits[0]) for good, bad in answers) >= 3
    held_out = "it was a bright morning , and she walked slowly to the house of her father ."
    [scores] = pk.score_pieces(model, [held_out])
    assert 0 < -scores.logprob.mean() < math.log(model.vocabulary) - 2
