"""Formats told by content; folders read without the files about the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.guess_suite import SIGNS, SUFFIXES, data_files, guess_format
from probekit.data.read_suite import MEANT, READERS
from probekit.errors import ConfigError, DataError

HEADS = {
    "blimp": ("a.jsonl", '{"sentence_good": "a", "sentence_bad": "b"}\n'),
    "syntaxgym": ("a.json", '{\n  "meta": {},\n  "region_meta": {}\n}\n'),
    "gulordava": ("a.tab", "pattern\tconstr_id\tsent_id\tn_attr\tsent\n"),
    "linzen": ("a.gold", "11\tis\tare\t0\n"),
    "marvin-linzen": ("a.txt", "True\tthe author laughs\nFalse\tthe author laugh\n"),
    "goldberg": ("a.tsv", "the boys ***mask*** .\tare\tis\n"),
    "cola": ("a.tsv", "gj04\t1\t\tHe left.\n"),
    "pairs": ("a.jsonl", '{"id": 1, "good": "a", "bad": "b"}\n'),
    "blocks": ("a.txt", "The bee left because it sang.\nit\nThe bee,the bud\nThe bee\n\n"),
}


def test_every_format_is_known_everywhere() -> None:
    assert set(HEADS) == set(SIGNS) == set(SUFFIXES) == set(READERS) == set(MEANT)


@pytest.mark.parametrize("name", HEADS)
def test_formats(tmp_path: Path, name: str) -> None:
    file, head = HEADS[name]
    (tmp_path / file).write_text(head)
    (tmp_path / "README.txt").write_text("About these data.\n")
    (tmp_path / "SOURCE.txt").write_text("a file: from there\n")
    (tmp_path / ".hidden.tsv").write_text("x")
    assert guess_format(tmp_path) == name
    assert guess_format(tmp_path / file) == name
    assert data_files(tmp_path, name) == [tmp_path / file]


def test_a_table_of_pairs_and_a_line_of_linzen(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("bad\tgood\nx\ty\n")
    assert guess_format(tmp_path) == "pairs"
    for suffix in (".text", ".eval"):
        (tmp_path / f"a{suffix}").write_text("x\n")
    (tmp_path / "a.gold").write_text(HEADS["linzen"][1])
    with pytest.raises(
        ConfigError, match=r"several formats: linzen \(a.gold\), pairs \(a.tsv\); name one file"
    ):
        guess_format(tmp_path)


def test_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file in this folder ends in"):
        guess_format(tmp_path)
    (tmp_path / "a.txt").write_text("Some text.\n")
    with pytest.raises(ConfigError, match="the format cannot be told; say format=blimp or"):
        guess_format(tmp_path / "a.txt")
    with pytest.raises(DataError, match="no such file"):
        data_files(tmp_path / "b.txt")


def test_a_broken_file_of_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(HEADS["blimp"][1])
    (tmp_path / "b.jsonl").write_text("{broken\n")
    assert guess_format(tmp_path) == "blimp"
    assert [path.name for path in data_files(tmp_path, "blimp")] == ["a.jsonl", "b.jsonl"]
