"""Word in Context: places, gold beside the data, texts shared between splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_wic import read_wic
from probekit.errors import DataError

LINES = ["play\tV\t1-0\tThey play chess .\tPlay fair .", "play\tV\t0-1\tPlay fair .\tHe plays on ."]


def write(folder: Path, split: str, lines: list[str], gold: list[str]) -> Path:
    (folder / f"{split}.gold.txt").write_text("\n".join(gold) + "\n")
    path = folder / f"{split}.data.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs(tmp_path: Path) -> None:
    train = write(tmp_path, "train", LINES, ["F", "T"])
    test = write(tmp_path, "test", ["bark\tN\t1-1\tA bark .\tThe bark ."], ["T"])
    pairs = read_wic([train, test])
    assert len(pairs.corpus) == 5  # "Play fair ." once
    assert pairs.same.tolist() == [False, True, True]
    forms = [[pairs.corpus[int(s)].words[w] for s, w in zip(*sides, strict=True)]
             for sides in zip(pairs.sentence, pairs.word, strict=True)]  # fmt: skip
    assert forms == [["play", "Play"], ["Play", "plays"], ["bark", "bark"]]
    assert pairs.same_form.tolist() == [True, False, True]
    assert pairs.split == ("train", "train", "test")
    assert len(pairs.about("bark")) == 1
    with pytest.raises(DataError, match="no pair is about 'barked'"):
        pairs.about("barked")


def test_texts_of_train_in_test_are_known(tmp_path: Path) -> None:
    train = write(tmp_path, "train", LINES, ["F", "T"])
    test = write(tmp_path, "test", [LINES[0], "a\tN\t0-0\ta b\ta c"], ["F", "T"])
    assert read_wic([train, test]).overlap.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("line", "gold", "said"),
    [
        ("play\tV\t1-0\tThey play .", "T", r"test\.data\.txt:1: word, N or V, places and two texts"),
        ("play\tV\t1:0\tThey play .\tPlay .", "T", "two places such as 3-7"),
        ("play\tV\t3-0\tThey play .\tPlay .", "T", "place 3 in a text of 3 words"),
        (LINES[0], "true", r"test\.gold\.txt:1: T or F expected, got 'true'"),
        (LINES[0], "T\nF", "1 pairs, and 2 lines of gold"),
    ],
)
def test_misfits(tmp_path: Path, line: str, gold: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_wic(write(tmp_path, "test", [line], [gold]))


def test_gold_must_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "dev.data.txt").write_text(LINES[0])
    with pytest.raises(DataError, match=r"its gold file dev\.gold\.txt is not beside it"):
        read_wic(tmp_path / "dev.data.txt")
    (tmp_path / "x.gold.txt").write_text("T")
    with pytest.raises(DataError, match="no file of pairs"):
        read_wic(tmp_path / "x.gold.txt")


@pytest.mark.real
def test_real(shared_data: Path) -> None:
    pairs = read_wic([shared_data / f"wic/{split}.data.txt" for split in ("train", "dev", "test")])
    assert [pairs.split.count(split) for split in ("train", "dev", "test")] == [5428, 638, 1400]
    assert pairs.same.mean() == 0.5
    assert len(pairs.about("play")) == 59
    assert int(pairs.overlap.sum()) == 321
