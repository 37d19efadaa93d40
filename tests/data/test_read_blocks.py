"""Blocks: candidates in the place of a pronoun, the text after them scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_blocks import read_blocks
from probekit.errors import DataError

BLOCKS = """The sniper shot a man because he was bad.
he
The sniper,a man
a man

The sniper shot a man because he had orders.
he
The sniper,a man
The sniper

When Debbie met Tess, she smiled at her.
she
Debbie,Tess,Ann
Tess
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "test.txt"
    path.write_text(text)
    return path


def test_candidates_take_the_slot(tmp_path: Path) -> None:
    text = BLOCKS.replace("Debbie,Tess,Ann", "Debbie,Tess")
    suite = read_blocks(write(tmp_path, text))
    first = suite.items[0]
    assert [c.text for c in first.conditions] == [
        "The sniper shot a man because a man was bad.",
        "The sniper shot a man because the sniper was bad.",
    ]
    good = first["good"]
    assert [good.text[a:b] for a, b in good.regions] == ["The sniper shot a man because", "a man", "was bad."]
    assert str(suite.predictions[0].formula) == "(3;%bad%) > (3;%good%)"
    assert [item.cluster for item in suite] == ["test-1", "test-1", "test-3"]
    assert suite.items[1].place == f"{tmp_path}/test.txt:6"
    assert suite.items[2]["bad"].text == "When Debbie met Tess, Debbie smiled at her."


@pytest.mark.parametrize(
    ("sentence", "pronoun", "candidates", "good"),
    [
        (
            "Jack raced past Dan since his car is old.",
            "his",
            "Jack,Dan",
            "Jack raced past Dan since Jack's car is old.",
        ),
        ("Max saw James wash his car.", "his", "James,Max", "Max saw James wash James' car."),
        (
            "Mary met Jo, so John took her to town.",
            "her",
            "Mary,Jo",
            "Mary met Jo, so John took Mary to town.",
        ),
        ("Mary met Jo and took her.", "her", "Mary,Jo", "Mary met Jo and took Mary."),
        (
            "He told Ann that he left Tom.",
            "he",
            "Tom,Ann",
            "He told Ann that Tom left Tom.",
        ),  # none after both: last
        ("She left when Ann met Eve.", "she", "Ann,Eve", "Ann left when Ann met Eve."),
        (
            "The bee left a bud; it had honey, and it sang.",
            "it",
            "a bud,The bee",
            "The bee left a bud; a bud had honey, and it sang.",
        ),
    ],
)
def test_slots(tmp_path: Path, sentence: str, pronoun: str, candidates: str, good: str) -> None:
    answer = candidates.split(",")[0]
    suite = read_blocks(write(tmp_path, f"{sentence}\n{pronoun}\n{candidates}\n{answer}\n"))
    assert suite.items[0]["good"].text == good


def test_more_candidates_are_more_items(tmp_path: Path) -> None:
    text = BLOCKS.replace("met Tess,", "met Tess and Ann,")
    suite = read_blocks(write(tmp_path, text))
    assert [item.id for item in suite] == ["test-1", "test-2", "test-3-1", "test-3-2"]
    assert suite.items[2].cluster == suite.items[3].cluster == "test-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b\nb\nx,y\n\n", ":1: a block has four lines"),
        (BLOCKS + "\nHe ran.\nhe\na,b\na\nc\n", ":16: a block has four lines"),
        ("He ran.\nhe\na,b\nc\n", ":4: the answer 'c' is not one of 'a,b'"),
        ("He ran.\nhe\na\na\n", ":4: the answer 'a' is not one of 'a'"),
        ("He ran.\nshe\na,b\na\n", ":1: the pronoun 'she' does not stand in the sentence"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_blocks(path)
    assert str(caught.value).startswith(f"{path}{said}")
