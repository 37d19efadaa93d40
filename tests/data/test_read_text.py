"""Plain text."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_text import read_text
from probekit.errors import DataError

NOVEL = b"\xef\xbb\xbfThe keys\r\nrust.\r\n\r\n\r\nThey do.\r\n"


def test_lines_and_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_bytes(NOVEL)
    assert [s.text for s in read_text(path)] == ["The keys", "rust.", "They do."]
    corpus = read_text(path, paragraphs=True)
    assert [(s.id, s.text, s.place[-2:]) for s in corpus] == [
        ("novel-1", "The keys rust.", ":1"),
        ("novel-2", "They do.", ":5"),
    ]
    assert {s.document for s in corpus} == {"novel"}


def test_nothing_and_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"\r\n  \r\n")
    with pytest.raises(DataError, match="empty"):
        read_text(path)
    path.write_bytes("fine\nné".encode("latin-1"))
    with pytest.raises(DataError, match=r"x.txt:2: byte 2"):
        read_text(path)
