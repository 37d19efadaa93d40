"""Linzen: three aligned files."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_linzen import number_of, read_linzen
from probekit.errors import DataError

TEXT = "the keys to the cabinet are here . <eos>\nthe end is near . <eos>\n"
GOLD = "5\tare\tis\t1\n2\tIs\tAre\t0\n"


def write(folder: Path, text: str = TEXT, gold: str = GOLD, places: str = "5\n2\n") -> Path:
    for suffix, content in ((".text", text), (".gold", gold), (".eval", places)):
        (folder / f"agr{suffix}").write_text(content)
    return folder / "agr.gold"


def test_pairs(tmp_path: Path) -> None:
    path = write(tmp_path)
    suite = read_linzen(path)
    first, second = suite.items
    assert [c.text for c in first.conditions] == [
        "the keys to the cabinet are here .",
        "the keys to the cabinet is here .",
    ]
    assert first["bad"].text[slice(*first["bad"].span(2))] == "is"
    assert first.groups == {"attractors": "1", "number": "Plur"}
    assert (first.id, first.place, suite.name) == ("agr-1", f"{path}:1", "agr")
    assert second["good"].text == "the end is near ."  # "Is" for a sentence that has "is"
    assert second["bad"].text == "the end are near ."
    assert read_linzen([path.with_suffix(".text"), path]).hash == suite.hash  # either names all three


@pytest.mark.parametrize(
    ("right", "wrong", "number"),
    [("is", "are", "Sing"), ("were", "was", "Plur"), ("have", "has", "Plur"), ("passes", "pass", "Sing"),
     ("flies", "fly", "Sing"), ("do", "does", "Plur"), ("contain", "contains", "Plur"), ("en", "en", "")],
)  # fmt: skip
def test_numbers(right: str, wrong: str, number: str) -> None:
    assert number_of(right, wrong) == number


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gold": "5\tare\tis\t1\n"}, "agr.gold:1: 1 lines, and agr.text has 2"),
        ({"gold": "5\tare\tis\t1\n2\tis\tare\n"}, "agr.gold:2: place, right form"),
        (
            {"gold": "5\tare\tis\t1\n9\tis\tare\t0\n"},
            "agr.gold:2: word 9 is asked for, and the sentence has 5",
        ),
        (
            {"gold": "4\tare\tis\t1\n2\tis\tare\t0\n"},
            "agr.gold:1: word 4 of the sentence is 'cabinet', not 'are'",
        ),
        ({"places": "5\n3\n"}, "agr.eval:2: '3', and agr.gold has"),
        ({"places": "5\n"}, "agr.eval:1: 1 lines, and the .gold file has 2"),
    ],
)
def test_mistakes(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_linzen(write(tmp_path, **changes))
    assert said in str(caught.value)


def test_a_file_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "agr.eval").unlink()
    assert len(read_linzen(path)) == 2
    (tmp_path / "agr.text").unlink()
    with pytest.raises(DataError, match=r"agr.text: no such file"):
        read_linzen(path)
