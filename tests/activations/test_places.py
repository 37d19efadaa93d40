"""The place of prediction: its state, read by the head, is what the scorer says of the word's first piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.activations.places import prediction_places, prediction_units
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.task import Task
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.models import Model, load_model
from probekit.models.head import load_head
from probekit.models.scoring import Ask, make_scorer, score_pieces
from probekit.probing.problem import pose
from tests.tiny_models import TEXTS, tiny_lm, tiny_lm_folder, tiny_model

ENGLISH = [TEXTS[0], TEXTS[5], TEXTS[6]]
WORDS = Task(name="words", question="which word?", label="word")
LENGTH = Task(name="every word", question="is there a word?", label="upos", controls=())


def corpus_of(texts: list[str]) -> Corpus:
    """Texts as sentences, train, dev and test in turn; every word has the column upos."""
    sentences = []
    for number, text in enumerate(texts):
        plain = Sentence.from_text(f"s{number + 1}", text, split=("train", "dev", "test")[number % 3])
        upos = {"upos": tuple("AB"[place % 2] for place in range(len(plain)))}
        sentences.append(Sentence(plain.id, plain.words, plain.text, plain.offsets, upos, split=plain.split))
    return Corpus(sentences, name="tiny")


def first_pieces(model: Model, corpus: Corpus, **options: str) -> list[tuple[int, float, bool]]:
    """For every word, by a plain loop: its first piece, its log-probability, and whether it is the only one."""
    found = []
    for sentence in corpus:
        [scores] = score_pieces(model, [sentence.text], **options)  # type: ignore[arg-type]
        for begin, end in sentence.offsets:
            own = [
                k
                for k, (start, stop) in enumerate(scores.spans.tolist())
                if sentence.text[start:stop].strip() and start < end and stop > begin
            ]
            found.append((scores.pieces[own[0]], float(scores.logprob[own[0]]), len(own) == 1))
    return found


def by_head(model: Model, states: np.ndarray, pieces: list[int]) -> np.ndarray:
    """The log-probability of each piece by the head applied to states of the highest layer."""
    logits = load_head(model)(torch.from_numpy(states))
    return logits.log_softmax(-1)[torch.arange(len(pieces)), torch.tensor(pieces)].numpy()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_head_at_the_place_gives_the_scorers_log_probability(kind: str) -> None:
    model, corpus = tiny_lm(kind), corpus_of(ENGLISH)
    data = prediction_units(model, corpus, LENGTH)
    assert len(data) == corpus.n_words
    assert not data.left_out
    wanted = first_pieces(model, corpus)
    got = by_head(model, data.X(model.layers[-1]), [piece for piece, *_ in wanted])
    np.testing.assert_allclose(got, [logprob for _, logprob, _ in wanted], atol=1e-5)
    assert np.ptp(got) > 0.1


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_of_a_masked_model_too(kind: str) -> None:
    model, corpus = tiny_lm(kind), corpus_of(ENGLISH)
    data = prediction_units(model, corpus, LENGTH)
    for pll in ("within_word_l2r", "original"):
        wanted = first_pieces(model, corpus, pll=pll)
        got = by_head(model, data.X(model.layers[-1]), [piece for piece, *_ in wanted])
        alone = np.array([only for *_, only in wanted])
        assert alone.sum() > 5
        assert not alone.all()
        whole = np.array([logprob for _, logprob, _ in wanted])
        np.testing.assert_allclose(got[alone], whole[alone], atol=1e-5)
    assert abs(got - whole)[~alone].max() > 1e-3  # original shows the rest of the word; here it is masked
