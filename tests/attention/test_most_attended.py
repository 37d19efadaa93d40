"""The most attended other word, against transformers' own weights and loops over pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from probekit.attention import most_attended as subject
from probekit.attention.most_attended import most_attended
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from tests.tiny_models import tiny_folder, tiny_model

TEXTS = (
    "The keys to the cabinet are here, and the dogs chase cats.",
    "She doesn't know whether he's read the books",
    "A teacher who admires the farmers laughs",
    "dogs",
)
CORPUS = Corpus([Sentence.from_text(f"s{n}", text) for n, text in enumerate(TEXTS)], "texts")


def word_maps(kind: str, sentence: Sentence) -> tuple[np.ndarray[Any, Any], list[list[int]]]:
    """[layers, heads, words, words] by loops over the pieces of one sentence, and the pieces of each word."""
    model = tiny_model(kind)
    eager = AutoModel.from_pretrained(tiny_folder(kind), attn_implementation="eager").eval()
    encoded = model.tokenizer(sentence.text, return_tensors="pt", return_offsets_mapping=True)
    with torch.no_grad():
        layers = eager(input_ids=encoded["input_ids"], output_attentions=True).attentions
    spans = encoded["offset_mapping"][0].tolist()
    text = sentence.text
    own = [
        [p for p, (a, b) in enumerate(spans) if text[a:b].strip() and a < end and b > begin]
        for begin, end in sentence.offsets
    ]
    found = np.zeros((len(layers), layers[0].shape[1], len(own), len(own)))
    for layer, weights in enumerate(layers):
        for head in range(weights.shape[1]):
            for i, rows in enumerate(own):
                for j, columns in enumerate(own):
                    total = sum(float(weights[0, head, p, q]) for p in rows for q in columns)
                    found[layer, head, i, j] = total / len(rows)
    return found, own


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_it_is_the_word_that_loops_find(kind: str) -> None:
    found = most_attended(tiny_model(kind), CORPUS)
    for number, sentence in enumerate(CORPUS):
        maps, own = word_maps(kind, sentence)
        assert all(own)
        n = len(own)
        maps[..., np.arange(n), np.arange(n)] = 0.0
        maps = maps.reshape(-1, n, n)
        picked = found.of(np.full(n, number), np.arange(n))
        silent = maps.max(2) == 0
        assert ((picked < 0) == silent).all()
        heads, words = np.nonzero(~silent)
        assert np.allclose(maps[heads, words, picked[heads, words]], maps.max(2)[heads, words], atol=1e-6)


def test_heads_are_named_in_order_and_words_counted() -> None:
    found = most_attended(tiny_model("bert"), CORPUS, layers=[2])
    assert found.place == (("2", 0), ("2", 1))
    assert found.word.shape == (2, sum(map(len, CORPUS)))
    assert found.silent.tolist() == [1, 1]  # the sentence of one word has no other
    assert found.is_present(np.array([3]), np.array([0])).all()


def test_a_first_word_of_a_causal_model_looks_at_no_other() -> None:
    found = most_attended(tiny_model("gpt2"), CORPUS)
    assert (found.of(np.arange(4), np.zeros(4, int)) == -1).all()
    assert (found.silent == 4).all()


def test_batches_change_nothing() -> None:
    one, other = (most_attended(tiny_model("bert"), CORPUS, pieces_per_batch=n) for n in (1, 5000))
    assert (one.word == other.word).all()


def test_of_equals_the_first_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(model: Any, corpus: Corpus, visit: Any, layers: Any, **options: Any) -> Any:
        weights = torch.tensor(
            [[[[0.5, 0.2, 0.2, 0.1], [0.0, 0.9, 0.3, 0.3], [0.4, 0.1, 0, 0.4], [0, 0, 0, 1.0]]]]
        )
        batch = type("Batch", (), {})()
        batch.present = torch.ones(1, 4, dtype=torch.bool)
        batch.sentences = torch.zeros(1, dtype=torch.int64)
        batch.to_words = lambda given: given.clone()
        attended = type("Attended", (), {"weights": weights.expand(1, 2, 4, 4)})()
        visit(batch, "1", attended)
        return {}

    monkeypatch.setattr(subject, "read_pieces", alike)
    corpus = Corpus([Sentence.from_words("s", ["a", "b", "c", "d"])])
    found = most_attended(tiny_model("bert"), corpus, layers=[1])
    assert found.word[0].tolist() == [1, 2, 0, -1]
    assert found.ties.tolist() == [3, 3]
    assert found.silent.tolist() == [1, 1]
