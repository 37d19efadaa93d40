"""Tables: tabs, CSV, JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_table import read_table
from probekit.errors import DataError


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_tabs_keep_quotes_and_text_exactly(tmp_path: Path) -> None:
    path = write(tmp_path, "train.tsv", 'key\tsentence\tgold\n7\t "Keys  rust \t1\n8\tYes"\t0\n')
    corpus = read_table(path, text="sentence", label="gold", id="key")
    assert [s.text for s in corpus] == [' "Keys  rust ', 'Yes"']
    assert corpus["7"].words == ('"Keys', "rust")
    assert corpus["7"].attributes == {"gold": "1", "label": "1"}
    assert corpus["7"].split == "train"


def test_csv_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", 'text,label,fold,doc\r\n"a ""b"", c\nd",1,train,p\r\ne,0,test,q\r\n')
    corpus = read_table(path, label="label", split_column="fold", document="doc")
    assert [(s.text, s.split, s.document) for s in corpus] == [
        ('a "b", c\nd', "train", "p"),
        ("e", "test", "q"),
    ]
    assert corpus[1].place.endswith("x.csv:4")


def test_json_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "dev.jsonl",
        '\ufeff{"text": "caf\\u00e9 \\ud83d\\ude00", "label": 2, "n": null, "l": [1]}\n\n{"text": "", "label": 1}',
    )
    corpus = read_table(path, label="label")
    assert corpus[0].text == "café 😀"
    assert corpus[0].attributes == {"label": "2", "l": "[1]"}
    assert len(corpus[1]) == 0


def test_files_without_header(tmp_path: Path) -> None:
    path = write(tmp_path, "x.tsv", "a b\t1\n")
    assert read_table(path, header=["text", "y"])[0].attributes == {"y": "1"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "sentense\tlabel\nx\t1\n", "a.tsv:2: no column 'text'; known: label, sentense"),
        ("a.tsv", "texts\tlabel\nx\t1\n", "did you mean 'texts'"),
        ("a.tsv", "text\tlabel\nx\n", "a.tsv:2: 1 columns where 2 were expected"),
        ("a.tsv", "text\ttext\nx\ty\n", "one name"),
        ("a.tsv", "text\n", "a header and no rows"),
        ("a.tsv", "", "empty"),
        ("a.csv", "", "empty"),
        ("a.csv", 'text\n"x\n', "a.csv:2: unexpected end of data"),
        ("a.jsonl", '{"text": "a"}\n{text}\n', "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: a JSON object expected"),
        (
            "a.jsonl",
            '{"text": "ab\\ud800"}\n',
            r"a.jsonl:1: 'text' has half a character \(surrogate U\+D800\) at 3",
        ),
        ("a.jsonl", '{"text": null}\n', "a.jsonl:1: no column 'text'"),
        ("a.tsv", b"text\nna\xefve\n", "a.tsv:2: byte 3 of this line"),
        ("a.tsv", b"text\na\x00\n", "a.tsv:2: NUL"),
    ],
)
def test_errors(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, name, content))
