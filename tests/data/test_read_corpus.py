"""Formats told from names and first lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_corpus import guess_format, read_corpus
from probekit.errors import ConfigError, DataError
from tests.data.test_read_conllu import ENGLISH

FILES = {
    "a.conllu": (ENGLISH, "conllu"),
    "b.conll": ("a O\n\nb O\n", "columns"),
    "c.bin": (ENGLISH, "conllu"),
    "d.data": ("a O\nb O\n\nb O\n", "columns"),
    "e.tsv": ("gj04\t1\t\tYes.\n", "cola"),
    "f.tsv": ("text\tlabel\nYes\t1\n", "table"),
    "g.csv": ("text,label\nYes,1\n", "table"),
    "h.jsonl": ('{"text": "Yes"}\n', "table"),
    "i.label": ("LOC:city Where ?\n", "trec"),
    "j.train": ("1 yes it is\n0 no\n", "sst"),
    "k.txt": ("Yes.\nIt is so.\n", "text"),
}


@pytest.mark.parametrize("name", FILES)
def test_guess(tmp_path: Path, name: str) -> None:
    content, expected = FILES[name]
    (tmp_path / name).write_text(content, "utf-8")
    assert guess_format(tmp_path / name) == expected
    assert len(read_corpus(str(tmp_path / "*"))) > 0


def test_a_folder_gives_its_data_files(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("Read me first.\n")
    (tmp_path / "SOURCE.txt").write_text("From somewhere.\n")
    (tmp_path / "x-train.conllu").write_text(ENGLISH)
    assert read_corpus(tmp_path).sizes == {"train": 2}


def test_what_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("Some words.\nAnd more words here.\n")
    with pytest.raises(DataError, match="x: the format cannot be told; give it: conllu, columns"):
        read_corpus(tmp_path / "x")
    with pytest.raises(DataError, match="no file of this folder is in a known format"):
        read_corpus(tmp_path)
    (tmp_path / "y.csv").write_text("text\na\n")
    with pytest.raises(DataError, match=r"not of one format \(x: unknown, y.csv: table\)"):
        read_corpus(str(tmp_path / "*"))
    assert len(read_corpus(tmp_path / "x", "text")) == 2


def test_wrong_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text\na\n")
    with pytest.raises(ConfigError, match="did you mean 'conllu'"):
        read_corpus(tmp_path / "x.csv", "conlu")
    with pytest.raises(ConfigError, match="has no option 'lable'; did you mean 'label'"):
        read_corpus(tmp_path / "x.csv", lable="y")
