"""Word/tag files."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_columns import read_columns
from probekit.errors import ConfigError, DataError

CONLL_2003 = """\
-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

-DOCSTART- -X- -X- O

Peter NNP B-NP B-PER
"""


def write(folder: Path, content: str, name: str = "train.conll") -> Path:
    path = folder / name
    path.write_bytes(content.encode())
    return path


def test_conll_2003(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, CONLL_2003))
    assert [s.words for s in corpus] == [("EU", "rejects"), ("Peter",)]
    assert corpus[0].columns == {"xpos": ("NNP", "VBZ"), "chunk": ("B-NP", "B-VP"), "ner": ("B-ORG", "O")}
    assert [s.document for s in corpus] == ["train-document-1", "train-document-2"]
    assert (corpus[0].text, corpus[0].split, corpus.text_form) == ("EU rejects", "train", "words")


def test_tabs_crlf_and_spaces_around(tmp_path: Path) -> None:
    corpus = read_columns(write(tmp_path, "a\tO\r\nb \tB-x\r\n\t\r\nc\tO\r\n"))
    assert [s.columns["tag"] for s in corpus] == [("O", "B-x"), ("O",)]


def test_named_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "1 Keys NOUN x y\n")
    (sentence,) = read_columns(path, columns=["_", "word", "upos", "p", "q"])
    assert (sentence.words, set(sentence.columns)) == (("Keys",), {"upos", "p", "q"})
    with pytest.raises(ConfigError, match="exactly one column 'word'"):
        read_columns(path, columns=["a", "b"])
    with pytest.raises(DataError, match=":1: 5 columns without names"):
        read_columns(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", r"train.conll:2: 2 columns \(word, tag\) expected, got 'b'"),
        ("a\tO\n\tO\n", r"train.conll:2: 2 columns"),
        ("", "empty"),
        ("-DOCSTART- O\n", "no sentence in this file"),
    ],
)
def test_errors(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_columns(write(tmp_path, content))
