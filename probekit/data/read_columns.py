"""Word/tag files: one word a line, a blank line after each sentence (CoNLL-2000, CoNLL-2003, WNUT)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines, split_of, stem
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError

USUAL = {2: ("word", "tag"), 3: ("word", "xpos", "chunk"), 4: ("word", "xpos", "chunk", "ner")}
"""Columns by their number where none are named: BIO tags alone, CoNLL-2000, CoNLL-2003."""


def read_columns(
    paths: Paths,
    *,
    columns: Sequence[str] | None = None,
    split: str | None = None,
    name: str = "",
    licence: str = "",
) -> Corpus:
    """Sentences of word/tag files; columns are named by position (one is ``word``; ``_`` drops a column).

    Columns are separated by tabs where a line has one, else by spaces. ``-DOCSTART-`` begins a document. The
    files hold no running text: `text` is the words joined by one space and the corpus's text form is ``words``.
    Raises DataError with file:line where a line has another number of columns.

    >>> _ = Path("names-train.conll").write_text("Ada B-PER\\nsleeps O\\n")
    >>> read_columns("names-train.conll", columns=["word", "ner"])[0].columns
    {'ner': ('B-PER', 'O')}
    """
    if columns is not None and list(columns).count("word") != 1:
        raise ConfigError(f"columns {list(columns)} must name exactly one column 'word'")
    files = expand(paths)
    sentences: list[Sentence] = []
    for path in files:
        sentences += _read_file(path, columns, split_of(path, split))
    return Corpus(sentences, name or common_name(files), [p.name for p in files], licence, "words")


def _read_file(path: Path, columns: Sequence[str] | None, split: str) -> list[Sentence]:
    found: list[Sentence] = []
    rows: list[list[str]] = []
    document, documents, begin = "", 0, 1
    for number, line in enumerate([*read_lines(path), ""], 1):
        parts = [p.strip() for p in line.split("\t")] if "\t" in line.strip() else line.split()
        if not any(parts):
            if rows:
                assert columns is not None
                found.append(_sentence(path, begin, rows, columns, len(found) + 1, split, document))
            rows = []
            continue
        if parts[0] == "-DOCSTART-":
            documents += 1
            document = f"{stem(path)}-document-{documents}"
            continue
        if columns is None:
            if len(parts) not in USUAL:
                raise DataError(
                    f"{path}:{number}: {len(parts)} columns without names; say which with columns=[...]"
                )
            columns = USUAL[len(parts)]
        if len(parts) != len(columns) or not all(parts):
            raise DataError(
                f"{path}:{number}: {len(columns)} columns ({', '.join(columns)}) expected, got {line!r}"
            )
        if not rows:
            begin = number
        rows.append(parts)
    if not found:
        raise DataError(f"{path}: no sentence in this file")
    return found


def _sentence(
    path: Path, line: int, rows: list[list[str]], names: Sequence[str], number: int, split: str, document: str
) -> Sentence:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    words = columns.pop("word")
    columns.pop("_", None)
    return Sentence.from_words(
        f"{stem(path)}-{number}",
        words,
        columns=columns,
        split=split,
        document=document,
        place=f"{path}:{line}",
    )
