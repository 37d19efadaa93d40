"""Packed rows: what they hold, and that they are used only where they are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from probekit.models import load_model
from probekit.models.scoring import Ask, make_scorer
from probekit.models.scoring.causal import CausalScorer
from probekit.models.scoring.tree import Tree, alike, pack
from tests.tiny_models import tiny_lm, tiny_lm_folder

FAMILIES: dict[str, Any] = {
    "gpt_neox": lambda n: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=n, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
    ),
    "window": lambda n: MistralForCausalLM(
        MistralConfig(
            vocab_size=n, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
            intermediate_size=64, sliding_window=8,
        )
    ),
    "bloom": lambda n: BloomForCausalLM(BloomConfig(vocab_size=n, hidden_size=32, n_layer=2, n_head=2)),
}  # fmt: skip


def built(family: str, folder: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm_folder("gpt2"))
    tokenizer.model_max_length = 120
    torch.manual_seed(0)
    FAMILIES[family](len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_model(str(folder), device="cpu")


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), max_size=12), st.integers(7, 20))
def test_rows_hold_every_text_once_and_shared_beginnings_once(texts: list[list[int]], nodes: int) -> None:
    inputs = [np.array(text, dtype=np.int32) for text in texts]
    rows = pack(inputs, nodes)
    assert sorted(number for row in rows for number in row.texts) == list(range(len(texts)))
    for row in rows:
        assert row.nodes <= nodes
        held: dict[int, int] = {}
        beginnings = set()
        for number, path in zip(row.texts, row.paths, strict=True):
            assert (np.diff(path) > 0).all()
            for depth, node in enumerate(path):
                assert held.setdefault(int(node), texts[number][depth]) == texts[number][depth]
                beginnings.add(tuple(texts[number][: depth + 1]))
        assert sorted(held) == list(range(row.nodes))
        assert len(beginnings) == row.nodes  # as small as it can be


def test_one_row_for_two_texts_with_one_beginning() -> None:
    inputs = [np.array(ids, dtype=np.int32) for ids in ([5, 6, 7], [5, 6, 8, 9], [5, 6])]
    [row] = pack(inputs)
    assert row.nodes == 5
    assert {number: path.tolist() for number, path in zip(row.texts, row.paths, strict=True)} == {
        2: [0, 1], 0: [0, 1, 2], 1: [0, 1, 3, 4],
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_states_in_a_row_are_those_of_separate_texts(kind: str) -> None:
    model = tiny_lm(kind)
    tree = Tree.where_exact(model)
    assert tree is not None
    inputs = [np.array(ids, dtype=np.int32) for ids in ([5, 6, 7, 30], [5, 6, 8, 9, 31], [40, 41])]
    rows = pack(inputs, 7)
    assert len(rows) == 2
    states = tree.states(rows, inputs)
    layer = model.layers[-1]
    for at, row in enumerate(rows):
        for number, path in zip(row.texts, row.paths, strict=True):
            ids = torch.from_numpy(inputs[number].astype(np.int64))[None]
            alone = model.states(ids, None, layer)[layer][0]
            assert float((states[at, torch.from_numpy(path)] - alone).abs().max()) <= 1e-5


@pytest.mark.parametrize(("family", "exact"), [("gpt_neox", True), ("window", False), ("bloom", False)])
def test_a_family_for_which_it_is_not_exact_reads_texts_separately(
    family: str, exact: bool, tmp_path: Path
) -> None:
    model = built(family, tmp_path / "m")
    scorer = make_scorer(model)
    assert isinstance(scorer, CausalScorer)
    assert (scorer.tree is not None) == exact
    text = "the cats sit on mats, dogs run"
    asks = [Ask(text, ((0, len(text)),)), Ask(text + " a", ((0, len(text) + 2),))]
    one, other = scorer.score([asks])[0]
    plain = CausalScorer(model)
    plain.tree = None
    for found, expected in zip((one, other), plain.score([asks])[0], strict=True):
        assert found.bits[0] == pytest.approx(expected.bits[0], abs=1e-4)


def test_longer_texts_than_were_tried_are_read_separately(tmp_path: Path) -> None:
    model = built("gpt_neox", tmp_path / "m")
    scorer = CausalScorer(model)
    assert scorer.tree is not None
    texts = ["the cat " * 50, "the cat sat"]
    assert len(model.tokenizer(texts[0])["input_ids"]) > scorer.tree.longest
    groups = [[Ask(text, ((0, len(text)),)) for text in texts]]
    found = scorer.score(groups)[0]
    scorer.tree = None
    for one, other in zip(found, scorer.score(groups)[0], strict=True):
        assert not one.left_out
        assert one.bits[0] == pytest.approx(other.bits[0], rel=1e-5)


@given(st.lists(st.integers(1, 128), max_size=40), st.integers(1, 9))
def test_batches_keep_the_order_and_fill_no_row_by_more_than_a_quarter(nodes: list[int], most: int) -> None:
    runs = list(alike(nodes, most))
    assert [row for begin, end in runs for row in range(begin, end)] == list(range(len(nodes)))
    for begin, end in runs:
        assert 0 < end - begin <= most
        assert min(nodes[begin:end]) >= 0.75 * max(nodes[begin:end])


def test_a_short_last_row_is_not_filled_up() -> None:
    assert list(alike([128, 127, 128, 2], 8)) == [(0, 3), (3, 4)]
