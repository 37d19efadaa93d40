"""What file names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.lines import common_name, split_of
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


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["host/h-dev.conllu", "host/h-test.conllu", "host/h-train.conllu"], "h"),
        (["host/en-test.conllu", "host/en-train.conllu"], "en"),
        (["host/dev.txt", "host/test.txt", "host/train.txt"], "host"),
        (["host/train_5500.label", "host/dev_5500.label"], "host"),
        (["host/a-dev.txt", "host/b-train.txt"], "host"),
        (["one/dev.txt", "two/train.txt"], "dev"),
        (["host/train_5500.label", "host/TREC_10.label"], "train_5500"),
        (["host/h-dev.conllu"], "h-dev"),
        (["data/verbs.txt", "data/nouns.txt"], "verbs"),
        (["wnut/emerging.dev.conll", "wnut/emerging.test.annotated"], "emerging"),
        (["x/stsa.binary.dev", "x/stsa.binary.train"], "stsa.binary"),
    ],
)
def test_common_name(files: list[str], name: str) -> None:
    assert common_name([Path(file) for file in files]) == name
