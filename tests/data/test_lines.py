"""What file names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.lines import split_of
from probekit.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("en_ewt-ud-train.conllu", "train"), ("stsa.binary.dev", "dev"), ("emerging.test.annotated", "test"),
        ("valid.txt", "dev"), ("validation.csv", "dev"), ("wnut17train.conll", "train"), ("train_5500.label", "train"),
        ("latest.txt", ""), ("contest.tsv", ""), ("training/notes.txt", ""),
    ],
)  # fmt: skip
def test_split_of(name: str, split: str) -> None:
    assert split_of(Path(name)) == split


def test_a_given_split_wins() -> None:
    assert split_of(Path("train.txt"), "dev") == "dev"
    assert split_of(Path("train.txt"), "") == ""
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        split_of(Path("x"), "trian")
