"""Problems: what travels to a worker, and nested shares of the training examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probekit as pk
from probekit.adaptation.problem import NO_LABEL, AdaptProblem
from probekit.errors import DataError

SPLITS = ["train", "train", "dev", "test"]


def made(n: int = 100, rare: int = 1) -> AdaptProblem:
    """n training texts, `rare` of them of a rare class, then two of dev and of test."""
    labels = (
        ["rare"] * rare + ["a"] * ((n - rare) // 4) + ["b"] * (n - rare - (n - rare) // 4) + ["a", "b"] * 2
    )
    texts = [f"text {number}" for number in range(len(labels))]
    return AdaptProblem.of_examples(texts, labels, ["train"] * n + ["dev"] * 2 + ["test"] * 2)


def test_words_of_a_task_keep_their_places() -> None:
    corpus = pk.generate_corpus(30, 8, 8)
    task = pk.load_task("number")
    problem, units = AdaptProblem.of(task, corpus), task.units(corpus)
    assert problem.ids == units.ids
    assert [problem.labels[code] for code in problem.gold] == units.labels.tolist()
    for split in ("train", "dev", "test"):
        texts, labels = problem.part(split)
        assert [len(text) for text in texts] == [len(own) for own in labels]
        flat = [label for own in labels for label in own]
        own = problem.units_of(split)
        assert [flat[place] for place in problem.flat_places(split)] == [
            problem.labels[c] for c in problem.gold[own]
        ]
        assert flat.count(NO_LABEL) == len(flat) - len(own)
        # the word at a unit's place is the word that the task meant
        words = [word for text in texts for word in text]
        assert [words[place] for place in problem.flat_places(split)] == [units.types[unit] for unit in own]


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    for problem in (
        AdaptProblem.of(pk.load_task("number"), pk.generate_corpus(20, 5, 5)),
        AdaptProblem.of_examples([("a", "b"), ("c", "d"), ("e", "f"), ("a", "b")], [0, 1, 0, 1], SPLITS),
        AdaptProblem.of_examples(["a", "b", "c", "d"], [0.5, 1.5, 2.5, 3.0], SPLITS),
    ):
        problem.save(tmp_path / "p")
        again = AdaptProblem.load(tmp_path / "p")
        for name in ("split", "owner", "word", "gold", "cluster", "overlap"):
            one, other = getattr(problem, name), getattr(again, name)
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        assert again.part("train") == problem.part("train")
        assert (again.task, again.labels, again.texts, again.ids) == (
            problem.task, problem.labels, problem.texts, problem.ids)  # fmt: skip


def test_labels_unseen_in_training_come_last_and_overlap_is_seen() -> None:
    problem = AdaptProblem.of_examples(["a", "b", "b", "c"], ["x", "z", "y", "x"], SPLITS)
    assert problem.labels == ("x", "z", "y")
    assert problem.n_train_labels == 2
    assert problem.overlap.tolist() == [False, False, True, False]
    assert problem.majority == 0


def test_without_splits_equal_texts_stay_together() -> None:
    texts = [f"text {number // 2}" for number in range(200)]
    problem = AdaptProblem.of_examples(texts, [0, 1] * 100)
    assert not problem.overlap.any()
    assert [len(problem.examples_of(split)) for split in ("train", "dev", "test")] == [160, 20, 20]


@given(
    st.integers(2, 60),
    st.integers(1, 3),
    st.integers(0, 5),
    st.lists(st.floats(0.001, 1), min_size=2, max_size=2),
)
def test_shares_are_nested_and_hold_every_class(n: int, rare: int, seed: int, shares: list[float]) -> None:
    problem = made(n + 8 + rare, rare)
    small, large = (problem.fraction(share, seed) for share in sorted(shares))
    assert set(small) <= set(large) <= set(problem.examples_of("train"))
    assert set(problem.gold[small]) == set(problem.gold[problem.units_of("train")])
    assert len(small) == max(3, round(min(shares) * len(problem.examples_of("train"))))


def test_classes_keep_their_shares_and_seeds_draw_others() -> None:
    problem = made(1001)
    labels = problem.take(problem.fraction(0.1, 0))[1]
    assert labels.count("a") == 25
    assert labels.count("rare") == 1
    assert set(problem.fraction(0.1, 0)) != set(problem.fraction(0.1, 1))
    assert np.array_equal(problem.fraction(0.1, 0), problem.fraction(0.1, 0))
    assert np.array_equal(problem.fraction(1.0, 3), problem.examples_of("train"))
    with pytest.raises(DataError, match=r"above 0 and is at most 1; got 1\.5"):
        problem.fraction(1.5, 0)


def test_a_share_of_sentences_holds_every_class_of_their_words() -> None:
    problem = AdaptProblem.of(pk.load_task("upos"), pk.generate_corpus(200, 20, 20))
    chosen = set(problem.fraction(0.02, 0).tolist())
    codes = {int(code) for owner, code in zip(problem.owner, problem.gold, strict=True) if owner in chosen}
    assert len(codes) == problem.n_train_labels
    assert len(chosen) < 20


@pytest.mark.parametrize(
    ("X", "y", "split", "said"),
    [
        (["a", "b"], ["x", "y"], ["train", "train"], "needs units in train, dev and test"),
        (["a", "b", "c", "d"], ["x", "x", "y", "x"], SPLITS, "every training unit has the label 'x'"),
        (["a", "b", "c", "d"], ["x", "y", "y", "x"], ["train", "dev"], "4 examples and 2 splits"),
        (["a", "b", "c", "d"], ["x", "y", "y", "x"], ["train", "trian", "dev", "test"], "did you mean 'train'"),
        (["a", "b", "c", "d"], [0.1, float("nan"), 0.2, 0.3], SPLITS, "must be finite"),
        (["a", "", "c", "d"], ["x", "y", "y", "x"], SPLITS, "example 1 is an empty text"),
        (
            [["a", "b"], ["c"], ["d"], ["e"]], [[0.1, None], [0.2], [0.3], [0.4]], SPLITS,
            "numbers to some words of a sentence only",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(X: list[str], y: list[object], split: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said) as met:
        AdaptProblem.of_examples(X, y, split)
    assert "\n" not in str(met.value)


def test_a_metric_must_fit() -> None:
    with pytest.raises(DataError, match="metric 'pearson' does not fit classes"):
        AdaptProblem.of_examples(["a", "b", "c", "d"], ["x", "y", "y", "x"], SPLITS, metric="pearson")
