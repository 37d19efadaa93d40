"""Goldberg: masked target words."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_goldberg import read_goldberg
from probekit.errors import DataError


def test_both_forms_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "lgd.tsv"
    path.write_text(
        "2\tthe keys of it ( are ) here .\tthe keys of it ( ***mask*** ) here .\tare\tis\n"
        "the boys, and***mask***, say\tunbelievably\tbelievably\n"
    )
    suite = read_goldberg(path)
    first, second = suite.items
    assert first.groups == {"attractors": "2", "number": "Plur"}
    assert [c.text for c in first.conditions] == [
        "the keys of it ( are ) here .",
        "the keys of it ( is ) here .",
    ]
    bad = second["bad"]
    assert bad.text == "the boys, andbelievably, say"  # running text: no space is added
    assert [bad.text[a:b] for a, b in bad.regions] == ["the boys, and", "believably", ", say"]
    assert (suite.kind, second.id) == ("target", "lgd-2")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a ***mask***\tx", "a sentence with ***mask***, the right form"),
        ("a ***mask***\tx\t", "a sentence with ***mask***, the right form"),
        ("a b\tx\ty", "***mask*** must stand once"),
        ("***mask*** ***mask***\tx\ty", "***mask*** must stand once"),
        ("two\to\t***mask***\tx\ty", "the number of attractors expected first, got 'two'"),
    ],
)
def test_mistakes(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("***mask*** b\tx\ty\n" + line + "\n")
    with pytest.raises(DataError) as caught:
        read_goldberg(path)
    assert str(caught.value).startswith(f"{path}:2: {said}")
