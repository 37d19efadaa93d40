"""Nearest neighbours: a plain loop, sentences of equal text, ties, and one occurrence only."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.geometry.neighbours import neighbours
from tests.geometry.planted_rows import Planted, labelled, planted
from tests.tiny_models import tiny_model

TEXTS = [
    "we play chess",
    "they play <b> cards",
    "we play chess",
    "a Play in town",
    "dogs run",
    "cats run home",
]


def made(seed: int = 0) -> Planted:
    vectors = np.random.default_rng(seed).normal(size=(9, len(TEXTS), 9, 5))
    corpus = labelled(TEXTS, [["_"] * len(t.split()) for t in TEXTS])
    return planted(corpus, lambda layer, s, w: vectors[int(layer), s, w])


@pytest.mark.parametrize("among", ["all", "same form", "other forms"])
def test_equals_a_plain_loop(among: str) -> None:
    acts = made()
    found = neighbours(acts, "s0:2", k=3, among=among)
    corpus = acts.corpus
    assert corpus is not None
    rows = list(zip(acts.index.sentence.tolist(), acts.index.number.tolist(), strict=True))
    for one in found.layers:
        X = acts.planted[one.layer]
        own = X[rows.index((0, 1))]
        scored = []
        for i, (s, w) in enumerate(rows):
            alike = corpus[s].words[w].lower() == "play"
            if corpus[s].text == "we play chess" or (among != "all" and alike != (among == "same form")):
                continue
            scored.append((-float(X[i] @ own / np.linalg.norm(X[i]) / np.linalg.norm(own)), s, w))
        assert [(n.sentence, n.word) for n in one.nearest] == [(s, w) for _, s, w in sorted(scored)[:3]]
        assert [n.cosine for n in one.nearest] == pytest.approx(
            [-c for c, _, _ in sorted(scored)[:3]], abs=2e-6
        )
        assert one.mean == pytest.approx(-np.mean([c for c, _, _ in scored]), abs=1e-5)
        assert found.candidates == len(scored)


def test_the_same_text_is_no_neighbour_and_the_word_is_marked() -> None:
    corpus = labelled(TEXTS, [["_"] * len(t.split()) for t in TEXTS])
    # "play" of the copy is identical, that of sentence 1 nearly so
    acts = planted(corpus, lambda layer, s, w: np.array([1.0, 0.01 * s, 5.0 * (w != 1)]))
    found = neighbours(acts, "s0:2", k=1, layers=[1])
    assert found.layers[0].nearest[0].sentence == 1
    listing = found.listing()
    assert listing.sentence.tolist() == ["they [play] <b> cards"]
    assert listing.columns.tolist() == ["layer", "rank", "cosine", "word", "sentence", "id"]
    assert found.text() == "we [play] chess"
    html = found._repr_html_()
    assert "they <b>play</b> &lt;b&gt; cards" in html
    assert found.panels[1].labels["rows"][0][3] == "they [play] <b> cards"
    assert any(row.control == "any-candidate" for row in found.rows)


def test_equal_cosines_go_by_the_order_of_the_corpus_whatever_the_batches() -> None:
    corpus = labelled(["a b c d e f", "x", "y z", "u"], [["_"] * n for n in (6, 1, 2, 1)])
    acts = planted(corpus, lambda layer, s, w: np.array([1.0, 0]) if s < 3 else np.array([1.0, 0.5]))
    assert acts.index.sentence.tolist() != sorted(acts.index.sentence.tolist())  # the store orders by length
    found = neighbours(acts, "s3:1", k=4, layers=[1], among="all")
    assert found.layers[0].reason == "all 9 candidates are equally near (0.894)"
    other = planted(
        corpus, lambda layer, s, w: np.array([1.0, 0]) if (s, w) != (2, 1) else np.array([0, 1.0])
    )
    near = neighbours(other, "s3:1", k=4, layers=[1]).layers[0].nearest
    assert [(n.sentence, n.word) for n in near] == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_identical_vectors_and_zero_are_told_and_not_ranked() -> None:
    corpus = labelled(TEXTS, [["_"] * len(t.split()) for t in TEXTS])
    found = neighbours(planted(corpus, lambda layer, s, w: np.ones(3) * (layer == "1")), "s0:2")
    nothing = "the vector of the occurrence is 0"
    alike = f"all {found.candidates} candidates are equally near (1.000)"
    assert [one.reason for one in found.layers] == [
        alike if i == "1" else nothing for i in [one.layer for one in found.layers]
    ]
    assert [(row.value, row.reason) for row in found.rows] == [(None, one.reason) for one in found.layers]
    assert "no layer has neighbours (the vector of the occurrence is 0)" in found.summary
    assert len(found.listing()) == 0


def test_one_occurrence_only() -> None:
    with pytest.raises(DataError, match="one occurrence has no neighbours"):
        neighbours(made(), "s4:1", among="same form")
    corpus = labelled(["we play chess"] * 2, [["_"] * 3] * 2)
    with pytest.raises(
        DataError,
        match=r"'s0:2' \('play'\): no word to compare it with \(all\) stands in a sentence of another",
    ):
        neighbours(planted(corpus, lambda layer, s, w: np.ones(3)), "s0:2")


def test_what_does_not_exist() -> None:
    acts = made()
    with pytest.raises(ConfigError, match="an occurrence is named 'sentence id:word'"):
        neighbours(acts, "play")
    with pytest.raises(DataError, match="has no sentence 'x'"):
        neighbours(acts, "x:1")
    with pytest.raises(ConfigError, match="the sentence has 3 words"):
        neighbours(acts, "s0:4")
    with pytest.raises(ConfigError, match="k must be a whole number"):
        neighbours(acts, "s0:1", k=0)
    sentences = pk.extract(tiny_model("bert"), acts.corpus, unit="sentence", pool="mean")
    with pytest.raises(ConfigError, match="extract with unit='word'"):
        neighbours(sentences, "s0:1")
