"""Trees in heads: a planted head is found, plain counting agrees, and noise is told from a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.attention import tree_heads as module
from probekit.attention.gold_trees import read_tree
from probekit.attention.maps import WordMaps, read_maps
from probekit.errors import DataError
from probekit.maths.trees import spanning_trees
from tests.tiny_models import tiny_model

HEADS = {3: ["2", "0", "2"], 4: ["4", "1", "1", "0"], 5: ["3", "1", "0", "3", "3"]}


def corpus(n: int = 12, *, heads: bool = True) -> pk.Corpus:
    """Sentences of 3 to 5 words; the last word of the longest is punctuation."""
    sentences = []
    for split in ("train", "dev", "test"):
        for number in range(n):
            words = 3 + number % 3
            columns = {"head": HEADS[words], "upos": ["NOUN"] * 4 + ["PUNCT"]} if heads else {}
            columns = {name: values[:words] for name, values in columns.items()}
            sentences.append(
                pk.Sentence.from_words(f"{split}-{number}", ["cat"] * words, columns=columns, split=split)
            )
    return pk.Corpus(sentences, name="made")


def planted(monkeypatch: pytest.MonkeyPatch, where: tuple[int, int] | None, seed: int = 0) -> None:
    """Maps of two layers with two heads: noise, and in one head the gold tree, dependents looking at heads."""
    rng = np.random.default_rng(seed)

    def read(_model: Any, own: pk.Corpus, visit: Callable[[WordMaps], None], **_: Any) -> Counter[str]:
        for number, sentence in enumerate(own):
            n = len(sentence)
            tree = read_tree(sentence)
            for layer in (1, 2):
                weights = rng.random((1, 2, n, n)).astype(np.float32)
                if where is not None and where[0] == layer:
                    word = np.flatnonzero(tree.heads >= 0)
                    weights[0, where[1], word, tree.heads[word]] = 2.0
                visit(
                    WordMaps(
                        str(layer), torch.tensor([number]), torch.from_numpy(weights), torch.zeros(1, 2, n),
                        torch.tensor([n]), torch.ones(1, n, dtype=torch.bool),
                    )
                )  # fmt: skip
        return Counter()

    monkeypatch.setattr(module, "read_maps", read)


def test_a_planted_head_is_found_with_all_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, (2, 1))
    found = pk.tree_heads(tiny_model("bert"), corpus())
    assert found.chosen == ("2", 1)
    assert found.scores("test")[1, 1] == 1.0
    difference = next(row for row in found.rows if row.metric == "uuas_difference")
    assert difference.value == pytest.approx(1 - found.test.chain.sum() / found.test.edges.sum())
    assert difference.p_adjusted is not None
    assert difference.p_adjusted < 0.05
    assert "is above linking each word with the next" in found.summary


def test_noise_is_not_told_above_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    above = 0
    for seed in range(10):
        planted(monkeypatch, None, seed)
        found = pk.tree_heads(tiny_model("bert"), corpus(6), resamples=50)
        above += "is above" in found.summary
    assert above <= 2


def test_punctuation_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, (1, 0))
    found = pk.tree_heads(tiny_model("bert"), corpus(3))
    # sentences of 3, 4 and 5 words: 2, 3 and 4 edges, one of them to the final PUNCT
    assert found.test.edges.tolist() == [2, 3, 3]
    assert found.test.left_out == Counter(punctuation=1, edges=1)
    # chains: 1-2, 2-3 / 1-2 of {4-1, 1-2, 1-3} / 1-2, 3-4 of {1-3, 2-1, 4-3}
    assert found.test.chain.tolist() == [2, 1, 2]
    assert found.test.chance == pytest.approx([2 * 2 / 3, 3 * 2 / 4, 3 * 2 / 4])
    rows = [row for row in found.rows if row.split == "test" and row.metric == "uuas"]
    assert [row.control for row in rows] == ["", "fixed-offset", "random-tree"]
    assert all((row.n, row.n_left_out) == (8, 1) for row in rows)


def test_a_model_is_read_and_twins_stand_beside() -> None:
    model = tiny_model("bert")
    found = pk.tree_heads(model, corpus(), twins=[pk.random_twin(model, 0)])
    [twin] = [row for row in found.rows if row.control == "random-twin"]
    assert (twin.model_kind, dict(twin.seeds)) == ("random", {"twin": 0})
    assert twin.split == "test"
    assert [panel.kind for panel in found.panels] == ["sentence", "heatmap", "forest"]
    assert len(found.panels[2].labels["rows"]) == 4
    assert "<table" in found._repr_html_()
    assert len(found.table()) == len(found.rows)
    # by hand, one head and one sentence
    weights: list[WordMaps] = []
    read_maps(model, corpus().split("dev"), weights.append, layers=[2])
    for maps in weights:
        for row, number in enumerate(maps.sentences.tolist()):
            tree = read_tree(corpus().split("dev")[number])
            kept = np.flatnonzero(~tree.punctuation)
            own = maps.weights[row, 1].numpy()[np.ix_(kept, kept)]
            parent = spanning_trees(own + own.T)
            edges = {frozenset((i, int(p))) for i, p in enumerate(parent) if p >= 0}
            gold = {frozenset((w, int(tree.heads[w]))) for w in kept if tree.heads[w] >= 0}
            assert found.dev.found[number, 1, 1] == len(edges & gold)


def test_one_sentence_has_no_interval_and_no_p() -> None:
    model = tiny_model("bert")
    found = pk.tree_heads(model, corpus(1), twins=[pk.random_twin(model, 0)], resamples=20)
    differences = [row for row in found.rows if row.metric == "uuas_difference"]
    assert {(row.p, row.p_adjusted, row.low) for row in differences} == {(None, None, None)}
    assert found.summary.endswith("This is one sentence: no interval, no test.")
    assert "the head chosen in one random twin reaches" in found.summary
    shown = found._repr_html_()
    assert shown.count("<tr>") == 5
    assert "NaN" not in shown
    assert "None" not in shown
    assert "one sentence" not in pk.tree_heads(model, corpus(2), resamples=20).summary


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(DataError, match="has the column 'head'"):
        pk.tree_heads(model, corpus(heads=False))
    with pytest.raises(DataError, match="no split 'dev'"):
        pk.tree_heads(model, corpus().split("train"))
    wrong = pk.Sentence.from_words("x", ["a", "b"], columns={"head": ["1", "0"]})
    with pytest.raises(DataError, match="word 1 has the head '1'; a number from 0 to 2 of another word"):
        read_tree(wrong)
    lone = pk.Corpus(
        [pk.Sentence.from_words(s, ["a"], columns={"head": ["0"]}, split=s) for s in ("dev", "test")]
    )
    with pytest.raises(DataError, match="no word of 'dev' has a head"):
        pk.tree_heads(model, lone)
