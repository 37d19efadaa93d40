"""A real treebank through real tokenizers: hardly a word is lost, and never one unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probekit.data.read_conllu import read_conllu
from probekit.data.sentence import Sentence
from probekit.errors import MissingExtra
from probekit.models import Model, encode, load_model
from tests.conftest import SHARED
from tests.tiny_models import KINDS, tiny_model

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def sample(shared_data: Path) -> list[Sentence]:
    """The first 2,000 sentences of EWT's dev part."""
    return list(read_conllu(shared_data / "ud_ewt" / "en_ewt-ud-dev.conllu"))[:2000]


def real_model(name: str) -> Model:
    if name in KINDS:
        return tiny_model(name)
    if name == "demo:minilm":
        try:
            return load_model(name, device="cpu")
        except MissingExtra as reason:
            pytest.skip(str(reason))
    folder = SHARED / "models" / name
    if not folder.is_dir():
        pytest.skip("the pretrained models are not beside this checkout (../shared/models)")
    return load_model(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("demo:minilm", 0.999),
        ("stories260k", 0.999),
        ("novels-causal", 0.99),
        ("gpt2", 0.999),
        ("llama", 0.999),
    ],
)
def test_nearly_every_word_has_its_pieces(name: str, at_least: float, sample: list[Sentence]) -> None:
    model = real_model(name)
    encoding = encode(model, sample, length="window")
    counts = encoding.counts
    assert counts["words"] == sum(len(sentence.words) for sentence in sample)
    lost = counts["words_without_piece"] + counts["truncated_words"] + counts["unknown_words"]
    assert counts["words"] - lost == (encoding.word_reason == 0).sum() >= at_least * counts["words"]
    assert counts["shared_pieces"] > 0  # "don" of "don't" is part of do and of n't
    wrong = 0
    for word in np.flatnonzero(encoding.word_reason == 0):
        sentence = sample[encoding.word_sentence[word]]
        start, stop = sentence.offsets[encoding.word_index[word]]
        begin = encoding.input_start[encoding.word_input[word]]
        ids = encoding.piece_ids[begin + encoding.word_first[word] : begin + encoding.word_stop[word]]
        spelled = model.tokenizer.decode(ids.tolist()).lower().replace(" ", "")
        wrong += sentence.text[start:stop].lower().replace(" ", "") not in spelled
    assert wrong <= 0.005 * counts["words"]  # accents that a normaliser strips
