"""Agreement of maps against scipy row by row, and neighbours in the tree counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import probekit as pk
from probekit.attention import compare_maps as module
from probekit.attention.compare_maps import row_correlations
from probekit.attention.mixing import TextMixing
from probekit.errors import ConfigError
from tests.attention.test_tree_heads import corpus
from tests.tiny_models import tiny_model


def test_rows_equal_scipy_without_the_word_itself() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((6, 6)).round(1) + 0.1, rng.random((6, 6)).round(1) + 0.1
    np.fill_diagonal(x, 50.0)
    np.fill_diagonal(y, 50.0)
    found = row_correlations(x, y)
    for row in range(6):
        others = np.arange(6) != row
        expected = spearmanr(x[row, others], y[row, others]).statistic
        assert found[row] == pytest.approx(expected)
        assert found[row] != pytest.approx(
            spearmanr(x[row], y[row]).statistic
        )  # itself would make them alike


def test_rows_that_cannot_be_ranked() -> None:
    short = row_correlations(np.ones((3, 3)), np.ones((3, 3)))
    assert np.isnan(short).all()  # two other words
    constant = row_correlations(np.ones((5, 5)), np.random.default_rng(0).random((5, 5)))
    assert np.isnan(constant).all()
    causal = np.tril(np.random.default_rng(1).random((6, 6)))
    found = row_correlations(causal, causal)
    assert np.isnan(found[:3]).all()  # fewer than three words before it
    assert found[3:].tolist() == [1.0, 1.0, 1.0]
    absent = causal.copy()
    absent[4] = absent[:, 4] = np.nan
    assert np.isnan(row_correlations(absent, absent)[4])


def test_neighbours_by_hand() -> None:
    own = corpus(3).split("test")  # heads 2 0 2 | 4 1 1 0 | 3 1 0 3 3 with PUNCT last
    maps = np.zeros((5, 5), np.float32)
    maps[[0, 1, 2, 3], [2, 0, 1, 4]] = (
        1.0  # right (head 3), right (head 1), wrong (1 is 0's), right (PUNCT asked not)
    )
    maps[np.arange(5), np.arange(5)] = 9.0  # the word itself is never the answer
    text = TextMixing("x", 2, tuple("abcde"), maps[None, None], np.zeros((1, 1, 5)), np.zeros(5, bool))
    right, sentence = module._answers([text], 0, module._neighbours(own))
    assert right.tolist() == [1.0, 1.0, 0.0, 0.0]  # word 4: nothing links it with 5, whose head is 3
    assert sentence.tolist() == [2] * 4
    before, _ = module._fixed([text], -1, module._neighbours(own))
    assert before.tolist() == [0.0, 1.0, 0.0, 1.0]  # the first word has none before it: wrong
    behind, _ = module._fixed([text], 1, module._neighbours(own))
    assert behind.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_a_word_that_takes_nothing_from_others_answers_nothing() -> None:
    own = corpus(1).split("test")
    text = TextMixing("x", 0, tuple("abc"), np.eye(3)[None, None], np.zeros((1, 1, 3)), np.zeros(3, bool))
    assert module._answers([text], 0, module._neighbours(own))[0].tolist() == [0.0, 0.0, 0.0]


def test_all_methods_on_a_model() -> None:
    model = tiny_model("bert")
    texts = corpus(6).split("dev")
    methods = ["weights", "norms", "rollout", "value-zeroing", "flow"]
    found = pk.compare_maps(model, texts, methods, resamples=20)
    assert len([row for row in found.rows if row.metric == "spearman"]) == 6 * 2 + 4  # flow has one layer
    same = next(row for row in found.rows if row.group == "maps=weights~rollout" and row.layer == "1")
    assert same.value == pytest.approx(1.0)  # half of each plus the word itself: ranks of others stay
    assert same.n + same.n_left_out == texts.n_words
    assert {row.method for row in found.rows if row.control} == {"the word before", "the word behind"}
    assert [panel.kind for panel in found.panels] == ["sentence", "heatmap", "layer-curve"]
    assert "syntactic neighbour" in found.summary
    assert "<table" in found._repr_html_()
    assert len(found.table()) == len(found.rows)


def test_texts_without_trees_and_sampling() -> None:
    found = pk.compare_maps(
        tiny_model("gpt2"), ["the cat sat on mats"] * 5, ["weights", "norms"], sentences=2, resamples=20
    )
    assert found.n_sentences == 2
    assert not found.has_trees
    assert [panel.kind for panel in found.panels] == ["sentence", "heatmap"]
    short = pk.compare_maps(tiny_model("bert"), "the cat", ["weights", "norms"])
    assert (short.rows[0].value, short.rows[0].reason) == (None, "no row could be ranked")
    assert short.summary.endswith("the texts have too few words.")
    assert np.isnan(short.panels[1].arrays["value"]).all()


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="no map by 'roll'; did you mean 'rollout'"):
        pk.compare_maps(model, "the cat", ["weights", "roll"])
    for methods in ("rollout", ["rollout"], ["rollout", "rollout"]):
        with pytest.raises(ConfigError, match="give at least two methods, each once"):
            pk.compare_maps(model, "the cat", methods)


def test_a_notebook_sees_a_row_for_each_two_maps() -> None:
    found = pk.compare_maps(tiny_model("bert"), ["the cat sat here", "a dog"], resamples=20)
    shown = found._repr_html_()
    assert shown.count("<tr>") == 1 + len({(pair.a, pair.b) for pair in found.pairs})
    assert "NaN" not in shown
