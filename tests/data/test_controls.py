"""Controls: one label per type everywhere, drawn from train; baselines against plain twins."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.controls import (
    majority_predictions,
    shuffled_labels,
    word_identity_predictions,
    word_type_labels,
)
from probekit.data.units import Units
from probekit.errors import DataError


def make(types: list[str], labels: list[str] | list[float], split: list[str]) -> Units:
    n = len(types)
    kind = np.float64 if labels and isinstance(labels[0], float) else object
    return Units("word", "h", np.zeros(n, np.int32), np.zeros(n, np.int32), np.array(labels, kind), tuple(types),
                 np.array(split, "U5"), tuple(map(str, range(n))), {}, np.zeros(n, np.bool_))  # fmt: skip


ROW = st.tuples(
    st.sampled_from(["a", "A", "b", "B", "c", "é", "\ud800"]),
    st.sampled_from("XYZ"),
    st.sampled_from(["train", "dev", "test"]),
)
ROWS = st.lists(ROW, min_size=1, max_size=40).filter(lambda rows: any(row[2] == "train" for row in rows))


def units_of(rows: list[tuple[str, str, str]]) -> Units:
    types, labels, splits = map(list, zip(*rows, strict=True))
    return make(types, labels, splits)


@given(ROWS, st.integers(0, 5))
def test_a_type_has_one_control_label_in_every_split_and_order(
    rows: list[tuple[str, str, str]], seed: int
) -> None:
    units = units_of(rows)
    labels = word_type_labels(units, seed)
    by_type = dict(zip(units.types, labels, strict=True))
    assert [by_type[t] for t in units.types] == labels.tolist()
    assert set(labels) <= set(units.labels[units.split == "train"])
    order = np.random.default_rng(seed).permutation(len(units))
    assert word_type_labels(units.take(order), seed).tolist() == labels[order].tolist()


def test_control_labels_do_not_change_with_what_else_is_there() -> None:
    units = make(["a", "b", "c", "d"], ["X", "Y", "X", "Y"], ["train", "train", "test", "dev"])
    more = make(
        ["a", "b", "c", "d", "z"], ["X", "Y", "X", "Y", "Y"], ["train", "train", "test", "dev", "test"]
    )
    assert word_type_labels(units, 0).tolist() == word_type_labels(more, 0).tolist()[:4]


def test_control_labels_follow_the_train_distribution_and_the_seed() -> None:
    n = 20_000
    labels = ["X"] * (n * 6 // 10) + ["Y"] * (n * 3 // 10) + ["Z"] * (n // 10)
    units = make([f"w{i}" for i in range(n)], labels, ["train"] * n)
    drawn = word_type_labels(units, 3)
    shares = {label: count / n for label, count in Counter(drawn.tolist()).items()}
    # three standard errors of a share of 0.6 among 20,000 are 0.0104
    assert shares == pytest.approx({"X": 0.6, "Y": 0.3, "Z": 0.1}, abs=0.0104)
    other = word_type_labels(units, 4)
    # independent draws agree with probability 0.36 + 0.09 + 0.01
    assert np.mean(drawn == other) == pytest.approx(0.46, abs=0.011)


def test_control_labels_come_from_train_alone() -> None:
    units = make([f"w{i}" for i in range(50)], ["X"] * 10 + ["Y"] * 40, ["train"] * 10 + ["test"] * 40)
    assert set(word_type_labels(units, 0)) == {"X"}


def test_numeric_control_labels_are_train_values() -> None:
    values = [0.5, 1.5, 100.0] * 100
    units = make([f"w{i}" for i in range(300)], values, ["train"] * 300)
    drawn = word_type_labels(units, 0)
    assert drawn.dtype == np.float64
    assert set(drawn) == {0.5, 1.5, 100.0}


def test_fixed_draws() -> None:
    # the same on every machine and in every version: a change would make old runs incomparable
    units = make(["the", "keys", "rust", "Schlüssel"], ["D", "N", "V", "N"], ["train"] * 4)
    assert [word_type_labels(units, seed).tolist() for seed in (0, 1)] == [
        ["N", "D", "V", "N"],
        ["V", "N", "N", "N"],
    ]


@given(ROWS, st.integers(0, 5))
def test_shuffled_labels_are_permuted_in_train_and_dev_and_true_in_test(
    rows: list[tuple[str, str, str]], seed: int
) -> None:
    units = units_of(rows)
    before = units.labels.copy()
    labels = shuffled_labels(units, seed)
    assert units.labels.tolist() == before.tolist()
    for split in ("train", "dev"):
        assert Counter(labels[units.split == split]) == Counter(before[units.split == split])
    assert labels[units.split == "test"].tolist() == before[units.split == "test"].tolist()
    assert shuffled_labels(units, seed).tolist() == labels.tolist()


def test_shuffling_moves_labels() -> None:
    units = make(["w"] * 200, ["X", "Y"] * 100, ["train"] * 200)
    assert 0.3 < np.mean(shuffled_labels(units, 0) == units.labels) < 0.7


def test_majority() -> None:
    units = make(list("abcdef"), list("YXXYZZ"), ["train"] * 4 + ["test"] * 2)
    assert majority_predictions(units).tolist() == ["X"] * 6  # X and Y are equal: the first in sorting
    numbers = make(list("abc"), [1.0, 2.0, 9.0], ["train", "train", "test"])
    assert majority_predictions(numbers).tolist() == [1.5] * 3


def plain_word_identity(units: Units) -> list[str]:
    train = [(t, y) for t, y, s in zip(units.types, units.labels, units.split, strict=True) if s == "train"]
    overall = Counter(y for _, y in train)

    def best(labels: list[str]) -> str:
        counts = Counter(labels)
        return min(counts, key=lambda y: (-counts[y], -overall[y], y))

    found = []
    for form in units.types:
        exact = [y for t, y in train if t == form]
        lower = [y for t, y in train if t.lower() == form.lower()]
        found.append(best(exact or lower or [y for _, y in train]))
    return found


@given(ROWS)
def test_word_identity_equals_its_plain_twin(rows: list[tuple[str, str, str]]) -> None:
    units = units_of(rows)
    assert word_identity_predictions(units).tolist() == plain_word_identity(units)


def test_word_identity_backs_off() -> None:
    units = make(
        ["The", "the", "the", "Walk", "x", "x", "THE", "walk", "new"],
        ["D", "P", "P", "V", "N", "N", "?", "?", "?"],
        ["train"] * 6 + ["test"] * 3,
    )
    # THE: all spellings of it in train are D P P; walk: Walk is V; new: N and P are equal, N is first
    assert word_identity_predictions(units).tolist() == ["D", "P", "P", "V", "N", "N", "P", "V", "N"]


def test_word_identity_of_numbers() -> None:
    units = make(
        ["a", "a", "b", "A", "c"], [1.0, 2.0, 6.0, 0.0, 0.0], ["train", "train", "train", "test", "test"]
    )
    assert word_identity_predictions(units).tolist() == [1.5, 1.5, 6.0, 1.5, 3.0]


def test_no_train() -> None:
    units = make(["a"], ["X"], ["test"])
    for control in (majority_predictions, word_identity_predictions, lambda u: word_type_labels(u, 0)):
        with pytest.raises(DataError, match="no train units"):
            control(units)
