"""One vector per word: input embeddings of whole words, averages over a corpus."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.errors import ConfigError, DataError
from probekit.geometry.word_vectors import WordVectors, average_vectors, static_vectors
from tests.geometry.planted_rows import labelled, planted
from tests.tiny_models import tiny_model


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "llama", "t5"])
def test_static_vectors_are_rows_of_the_input_embedding(kind: str) -> None:
    model = tiny_model(kind)
    found = static_vectors(model)
    weights = model.module.get_input_embeddings().weight.detach().numpy()
    assert len(found) > 5
    for word in found.words[:40]:
        ids = model.tokenizer(f"the {word}", add_special_tokens=False)["input_ids"]
        before = model.tokenizer("the", add_special_tokens=False)["input_ids"]
        ids = [i for i in ids if i != model.tokenizer.eos_token_id]
        before = [i for i in before if i != model.tokenizer.eos_token_id]
        assert ids[: len(before)] == before
        # a space may have a piece of its own, which belongs to no word
        assert not model.tokenizer.decode(ids[len(before) : -1]).strip(), word
        assert np.array_equal(found.vectors[found.place(word)], weights[ids[-1]]), word
    assert "##" not in "".join(found.words)
    assert all(word.isalpha() for word in found.words)


def test_case_is_folded_where_the_tokenizer_folds_it() -> None:
    folded = static_vectors(tiny_model("bert"))
    assert folded.lower
    assert folded.place("THE") == folded.place("the") is not None
    cased = static_vectors(tiny_model("gpt2"))
    assert not cased.lower
    assert cased.place("THE") is None
    assert cased.place("the") is not None


def test_averages_are_means_over_occurrences() -> None:
    corpus = labelled(["The cat , the dog", "the cat", "a Cat"], [["_"] * 5, ["_"] * 2, ["_"] * 2])
    acts = planted(corpus, lambda layer, s, w: np.array([1.0 + s, w, 1.0]))
    found = average_vectors(acts, 1, minimum=2)
    assert set(found.words) == {"the", "cat"}  # the comma is no word of letters
    assert found.vectors[found.place("Cat")].tolist() == [2.0, 1.0, 1.0]
    assert found.vectors[found.place("the")] == pytest.approx([(1 + 1 + 2) / 3, 1.0, 1.0])
    cased = average_vectors(acts, "1", minimum=1, lower=False)
    assert cased.place("Cat") != cased.place("cat")
    assert found.layer == "1"


def test_bad_input() -> None:
    corpus = labelled(["a b"], [["_"] * 2])
    acts = planted(corpus, lambda layer, s, w: np.ones(2))
    with pytest.raises(DataError, match="no word of letters occurs 5 times in 'made'; lower `minimum`"):
        average_vectors(acts, 1)
    with pytest.raises(ConfigError, match="layer '9' is not stored"):
        average_vectors(acts, 9)
    with pytest.raises(ConfigError, match="minimum from 1 on"):
        average_vectors(acts, 1, minimum=0)
    with pytest.raises(DataError, match="a word has two vectors"):
        WordVectors(("a", "a"), np.ones((2, 2)), "made", "")
    with pytest.raises(DataError, match="NaN or infinity"):
        WordVectors(("a",), np.array([[np.nan]]), "made", "")
    with pytest.raises(DataError, match="2 words and vectors of shape"):
        WordVectors(("a", "b"), np.ones((1, 2)), "made", "")
