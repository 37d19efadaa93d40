"""Marvin and Linzen: lines in turn, clusters of one frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_marvin_linzen import frame_of, read_marvin_linzen
from probekit.errors import DataError

LINES = """True\tthe author laughs
False\tthe author laugh
True\tthe author swims
False\tthe author swim
True\tthe pilots swim
False\tthe pilots swims
"""


def test_pairs_and_clusters(tmp_path: Path) -> None:
    path = tmp_path / "simple_agrmt_inanim.txt"
    path.write_text(LINES.rstrip("\n"))  # as published: no line end at the end
    suite = read_marvin_linzen(path)
    assert [item.cluster for item in suite] == [
        "simple_agrmt_inanim: the author",
        "simple_agrmt_inanim: the author",
        "simple_agrmt_inanim: the pilots",
    ]
    assert [c.text for c in suite.items[1].conditions] == ["the author swims", "the author swim"]
    assert suite.items[1].groups == {"phenomenon": "simple_agrmt_inanim", "construction": "simple_agrmt"}
    assert (suite.items[1].id, suite.items[1].place) == ("simple_agrmt_inanim-2", f"{path}:3")


@pytest.mark.parametrize(
    ("good", "bad", "frame"),
    [
        (
            "the movie that the guards like is good",
            "the movie that the guards likes is good",
            "the movie that the guards",
        ),
        ("no men ever left", "the men ever left", "no men"),
        ("a b", "c b", "a b"),
        ("the same", "the same", "the same"),
        ("the same words", "the same", "the same"),
    ],
)
def test_frames(good: str, bad: str, frame: str) -> None:
    assert frame_of(good, bad) == frame


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("True\ta\nTrue\tb\n", ":2: 'False', a tab and a sentence expected, got 'True\\tb'"),
        ("False\ta\n", ":1: 'True', a tab"),
        ("True a\nFalse b\n", ":1: 'True', a tab"),
        ("True\ta\nFalse\t \n", ":2: 'False', a tab"),
        ("True\ta\nFalse\tb\nTrue\tc\n", ":3: the last good sentence has no bad one"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_marvin_linzen(path)
    assert str(caught.value).startswith(f"{path}{said}")
