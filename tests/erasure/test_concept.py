"""Labels of any kind get codes that last; what is no concept is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.erasure.concept import (
    ConceptMoments,
    checked_concept,
    checked_rank,
    checked_states,
    code_labels,
    label_array,
    sort_labels,
)
from probekit.errors import ConfigError, DataError

X = np.random.default_rng(0).normal(size=(6, 3))

KINDS = [
    np.array([3, -2, 3, 7]),
    np.array([200, 255, 0, 200], dtype=np.uint8),
    np.array([-128, 127, 0, -128], dtype=np.int8),
    np.array([0, 2**62, -(2**62), 0]),
    np.array([0.0, 1.0, 0.0, 2.0]),
    np.array([True, False, True, True]),
    np.array(["NOUN", "ä", "VERB", "NOUN"]),
    np.array(["NOUN", 3, (1, 2), "NOUN"], dtype=object),
]


@pytest.mark.parametrize("labels", KINDS, ids=lambda labels: str(labels.dtype))
def test_equal_labels_get_equal_codes(labels) -> None:
    table: dict[object, int] = {}
    codes = code_labels(labels, table)
    same = labels.astype(object)[:, None] == labels.astype(object)[None, :]
    np.testing.assert_array_equal(codes[:, None] == codes[None, :], same)
    assert sorted(table.values()) == list(range(len(table)))
    np.testing.assert_array_equal(code_labels(labels[::-1], table), codes[::-1])


@given(st.lists(st.integers(-5, 5), min_size=1), st.lists(st.integers(-5, 5), min_size=1))
def test_codes_do_not_change_when_new_labels_come(first: list[int], second: list[int]) -> None:
    table: dict[object, int] = {}
    before = code_labels(np.array(first), table)
    code_labels(np.array(second), table)
    np.testing.assert_array_equal(code_labels(np.array(first), table), before)
    wide = code_labels(
        np.array([*second, 10**9]), dict(table)
    )  # too wide a range to count: the other way round
    np.testing.assert_array_equal(wide[:-1], code_labels(np.array(second), table))


def test_labels_are_sorted_where_they_can_be_and_keep_their_kind() -> None:
    assert sort_labels(["b", "a"]) == ["a", "b"]
    assert sort_labels(["b", 2, "a", 1]) == [1, 2, "a", "b"]
    assert label_array(["a", "b"]).dtype.kind == "U"
    assert label_array([1, "a"]).tolist() == [1, "a"]
    assert label_array([(1, 2), (3, 4)]).tolist() == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0, 1]), "6 rows of states but 2 labels"),
        (np.zeros((6, 2, 2)), r"shape \(6, 2, 2\)"),
        (np.zeros((6, 0)), r"shape \(6, 0\)"),
        (np.array([["a"]] * 6), "must be numbers"),
        (np.array([0.0, np.nan, 0, 0, 0, 0]), "first in row 1"),
        (np.array([[0.0], [0], [0], [np.inf], [0], [0]]), "first in row 3"),
        (np.linspace(0, 1, 6), r"y\[:, None\]"),
    ],
)
def test_what_is_no_concept_is_refused(y, message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked_concept(y, 6)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_label_is_refused(missing) -> None:
    labels = np.array(["a", missing, "b"], dtype=object)
    with pytest.raises(DataError, match="in row 1 is missing"):
        code_labels(labels, {})


def test_states_must_be_a_matrix_of_real_numbers() -> None:
    for bad in (np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((2, 2, 2))):
        with pytest.raises(DataError, match="matrix"):
            checked_states(bad)
    with pytest.raises(DataError, match="int64"):
        checked_states(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(DataError, match="width 3 came before; got width 2"):
        checked_states(np.zeros((2, 2)), 3)


def test_tensors_are_taken() -> None:
    tensor = torch.randn(6, 3, dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(checked_states(tensor), tensor.detach().float().numpy())
    assert checked_concept(torch.arange(6), 6).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_refused_batch_leaves_no_trace() -> None:
    seen = ConceptMoments()
    seen.add(X, list("aabbab"))
    bad = np.concatenate([np.zeros((3000, 3)), [[np.nan, 0, 0]]])
    with pytest.raises(DataError, match="row 3000"):
        seen.add(bad, ["new"] * 3001)
    moments, shown = seen.finished()
    assert moments.n == 6
    assert shown.about == {"n": 6, "classes": ["a", "b"], "counts": [3, 3]}


def test_a_stream_is_of_one_kind_and_width() -> None:
    seen = ConceptMoments()
    seen.add(X, np.zeros((6, 2)))
    with pytest.raises(DataError, match="cannot be mixed"):
        seen.add(X, np.zeros(6))
    with pytest.raises(DataError, match="2 columns came before; got 3"):
        seen.add(X, np.zeros((6, 3)))
    with pytest.raises(DataError, match="constant"):
        seen.finished()


@pytest.mark.parametrize("rank", [-1, 4, 1.5, True, None])
def test_a_rank_is_a_number_of_directions(rank) -> None:
    with pytest.raises(ConfigError, match="from 0 to the width 3"):
        checked_rank(rank, 3)
    assert checked_rank(np.int64(3), 3) == 3
