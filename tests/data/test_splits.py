"""New splits: groups stay together, shares are met, order does not matter."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.splits import split_groups
from probekit.errors import ConfigError, DataError


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1), st.integers(0, 9), st.randoms())
def test_groups_stay_together_in_any_order(groups: list[str], seed: int, random: object) -> None:
    splits = dict(zip(groups, split_groups(groups, seed=seed), strict=True))
    assert [splits[g] for g in groups] == split_groups(groups, seed=seed)
    shuffled = sorted(groups, reverse=True)
    assert [splits[g] for g in shuffled] == split_groups(shuffled, seed=seed)


def test_shares_are_met_and_seeds_differ() -> None:
    groups = [str(i) for i in range(1000)]
    first = split_groups(groups, fractions=(0.6, 0.3, 0.1), seed=1)
    assert Counter(first) == {"train": 600, "dev": 300, "test": 100}
    assert first != split_groups(groups, fractions=(0.6, 0.3, 0.1), seed=2)


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_wrong_shares(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="add up to 1"):
        split_groups(["a"], fractions=fractions)


def corpus(documents: bool = True) -> Corpus:
    texts = ["one", "two", "one", "three"] * 20
    return Corpus(
        [
            Sentence.from_text(str(i), f"{t} {i // 8}", document=f"d{i // 4}" if documents else "")
            for i, t in enumerate(texts)
        ]
    )


def test_by_sentence_leaves_no_equal_text_in_two_splits() -> None:
    assert set(corpus(documents=False).split_by("sentence").overlap().counts.values()) == {0}


def test_by_document() -> None:
    split = corpus().split_by("document", seed=3)  # a document in two splits would be refused
    assert split.sizes == {"train": 64, "dev": 8, "test": 8}
    with pytest.raises(DataError, match="belongs to none"):
        corpus(documents=False).split_by("document")
    with pytest.raises(ConfigError, match="did you mean 'sentence'"):
        corpus().split_by("sentense")
