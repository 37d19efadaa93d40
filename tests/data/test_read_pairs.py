"""Pairs of one's own: tables and JSON lines say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_pairs import read_pairs
from probekit.errors import DataError


def write(folder: Path, text: str, name: str = "mine.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_table_and_json_lines(tmp_path: Path) -> None:
    table = read_pairs(
        write(tmp_path, "id\tgood\tbad\tattractors\tcluster\tsource\nk\tHe runs.\tHe run.\t1\tc\tBonjour\n\n")
    )
    lines = read_pairs(
        write(
            tmp_path,
            '{"id": "k", "good": "He runs.", "bad": "He run.", "attractors": 1, "cluster": "c", "source": "Bonjour"}\n',
            "mine.jsonl",
        )
    )
    assert table.hash == lines.hash
    item = table.items[0]
    assert (item.id, item.cluster, dict(item.groups)) == ("k", "c", {"attractors": "1"})
    assert {c.source for c in item.conditions} == {"Bonjour"}
    assert table.kind == "sentence"


def test_target_words_in_place(tmp_path: Path) -> None:
    suite = read_pairs(
        write(tmp_path, "before\tgood\tbad\tafter\nThe keys\tare\tis\there .\n\tGo\tGoes\tnow\n")
    )
    assert suite.kind == "target"
    assert [c.text for c in suite.items[0].conditions] == ["The keys are here .", "The keys is here ."]
    assert suite.items[1]["good"].regions == ((0, 0), (0, 2), (3, 6))
    assert suite.items[1].id == "mine-2"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.tsv", "good\tworse\nx\ty\n", ":1: column 'bad' is missing from the header (good, worse)"),
        ("a.tsv", "good\tbad\tgood\nx\ty\tz\n", ":1: two columns have one name"),
        ("a.tsv", "good\tbad\nx\n", ":2: 1 fields, and the header has 2"),
        ("a.tsv", "good\tbad\nx\t\n", ":2: 'bad' is empty"),
        ("a.tsv", "good\tbad\n", ": no pairs"),
        ("a.jsonl", '{"good": "x", "bad": ["y"]}\n', ":1: 'bad' must be a text; got ['y']"),
        ("a.jsonl", '{"good": "x", "bad": "y", "g": null}\n', ":1: the group 'g' must be a text or a number"),
        (
            "a.jsonl",
            '{"good": "x", "bad": "y"}\n{"good": "x", "bad": "y", "after": "z"}\n',
            ":2: 'before' and 'after'",
        ),
    ],
)
def test_mistakes(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = write(tmp_path, text, name)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(f"{path}{said}")
