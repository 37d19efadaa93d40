"""Flow against the smallest of all cuts, and against hand-made pipes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.attention.flow import max_flows
from probekit.errors import ConfigError
from tests.attention.flow_twins import smallest_cut
from tests.tiny_models import tiny_model


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), sparse=st.booleans())
def test_flow_is_the_smallest_cut(seed: int, sparse: bool) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.random((2, 3, 3))
    if sparse:
        steps *= rng.random(steps.shape) < 0.6
    steps /= np.maximum(steps.sum(-1, keepdims=True), 1e-9)
    groups = [[0], [1, 2]]
    found = max_flows(steps, groups)
    for source in range(3):
        for number, group in enumerate(groups):
            assert found[source, number] == pytest.approx(smallest_cut(steps, source, group), abs=1e-8)


def test_a_narrow_pipe_limits_where_a_product_would_multiply() -> None:
    # 0 takes half of 0 and half of 1, each of which takes all from 0: flow 1, product 1
    wide = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]])
    assert max_flows(wide, [[0], [1]])[0].tolist() == pytest.approx([1.0, 0.0])
    # half of a half: flow is what fits through both, not their product
    narrow = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.5, 0.5], [0.0, 1.0]]])
    assert max_flows(narrow, [[0], [1]])[0].tolist() == pytest.approx([0.5, 1.0])


def test_an_empty_group_gets_nothing() -> None:
    assert max_flows(np.eye(2)[None], [[], [0, 1]]).tolist() == [[0.0, 1.0], [0.0, 1.0]]


def test_one_layer_is_the_mixed_map_itself() -> None:
    model = tiny_model("bert")
    flow = pk.attention_flow(model, "the cat sat", 1, level="piece").map()
    assert flow == pytest.approx(pk.rollout(model, "the cat sat", level="piece").map(1), abs=1e-6)


def test_a_word_of_two_pieces_is_one_sink() -> None:
    model = tiny_model("bert")
    text = "the cabinets sat"
    pieces = pk.attention_flow(model, text, level="piece")
    words = pk.attention_flow(model, text)
    n = len(pieces.texts[0].tokens)
    assert n > 5  # a word of several pieces
    inside = pieces.map()[1:-1, 1:-1]
    assert words.map()[0, 0] == pytest.approx(inside[0, 0], abs=1e-6)
    joint, alone = words.map()[0, 1], inside[0, 1:-1]
    assert alone.max() - 1e-6 <= joint <= min(1.0, alone.sum()) + 1e-6
    assert words.rows[0].value is not None


def test_long_texts_and_layers_that_are_not_there() -> None:
    model = tiny_model("bert")
    with pytest.raises(
        ConfigError, match="needs 49 flow problems; take shorter texts, `rollout`, or most_pieces=7"
    ):
        pk.attention_flow(model, "the cat sat on mats", most_pieces=6)
    with pytest.raises(ConfigError, match="residual"):
        pk.attention_flow(model, "the cat", residual=2.0)
    with pytest.raises(ConfigError, match=r"had in layers encoder\.1 to encoder\.2, not in decoder\.1"):
        pk.attention_flow(tiny_model("bart"), "the cat", "decoder.1")
