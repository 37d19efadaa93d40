"""Any known format by one call: the format is given, or told from names and first lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, expand, read_lines
from probekit.data.read_cola import parse_cola, read_cola
from probekit.data.read_columns import read_columns
from probekit.data.read_conllu import read_conllu
from probekit.data.read_sst import parse_sst, read_sst
from probekit.data.read_table import read_table
from probekit.data.read_text import read_text
from probekit.data.read_trec import parse_trec, read_trec
from probekit.errors import ConfigError, DataError, did_you_mean

READERS: dict[str, Callable[..., Corpus]] = {
    "conllu": read_conllu,
    "columns": read_columns,
    "table": read_table,
    "cola": read_cola,
    "trec": read_trec,
    "sst": read_sst,
    "text": read_text,
}
"""Readers by the name of their format; all take paths, `split`, `name`, `licence` and options of their own."""


def read_corpus(paths: Paths, format: str | None = None, **options: Any) -> Corpus:
    """The corpus in these files or globs (or in a folder's files of one format).

    Raises ConfigError for an unknown format or option, DataError where the format cannot be told.

    >>> pk.write_conllu(pk.generate_corpus(3, 0, 0), "mini-train.conllu")
    >>> read_corpus("*-train.conllu").sizes
    {'train': 3}
    """
    paths = _files(paths)
    if format is None:
        format = guess_format(paths)
    reader = READERS[check_format(format)]
    known = reader.__annotations__.keys() - {"paths", "return"}
    for option in options:
        if option not in known:
            raise ConfigError(f"format {format!r} has no option {option!r}; {did_you_mean(option, known)}")
    return reader(paths, **options)


def check_format(format: str) -> str:
    """The name of a format, if it is one; ConfigError with the nearest else."""
    if format not in READERS:
        raise ConfigError(f"unknown format {format!r}; {did_you_mean(format, READERS)}")
    return format


def guess_format(paths: Paths) -> str:
    """The one format that all these files are in; DataError where that cannot be told, with what to say instead."""
    formats = {path: _guess(path) for path in _files(paths)}
    if len(set(formats.values())) > 1:
        said = ", ".join(
            f"{path.name}: {form or 'unknown'}" for path, form in itertools.islice(formats.items(), 6)
        )
        raise DataError(
            f"these files are not of one format ({said}); name files of one format, or give the format"
        )
    path, found = next(iter(formats.items()))
    if not found:
        raise DataError(f"{path}: the format cannot be told; give it: {', '.join(READERS)}")
    return found


def _files(paths: Paths) -> list[Path]:
    """Files of paths, globs and folders; of a folder, those in a format whose name or first lines show it."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files: list[Path] = []
    for path in given:
        folder = Path(path).expanduser()
        if str(path) and folder.is_dir():
            inside = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
            known = [p for p in inside if p.suffix == ".conllu"] or [p for p in inside if _in_folder(p)]
            if not known:
                raise DataError(f"{path}: no file of this folder is in a known format; name the files")
            files += known
        else:
            files += expand(path)
    return files


def _in_folder(path: Path) -> bool:
    try:
        return _guess(path) not in ("", "text")
    except DataError:
        return False


def _guess(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".conllu", ".csv", ".jsonl"):
        return {".conllu": "conllu"}.get(suffix, "table")
    lines = read_lines(path, ("utf-8", "iso-8859-1"))[:200]
    full = [line for line in lines if line.strip()]
    if suffix in (".conll", ".iob", ".iob2", ".bio"):
        return "columns"
    for name, parse in (("cola", parse_cola), ("trec", parse_trec), ("sst", parse_sst)):
        if all(parse(line) for line in full):
            return name
    if _is_conllu(full):
        return "conllu"
    if suffix == ".tsv":
        return "table"
    if len(full) < len(lines) and len({len(line.split()) for line in full}) == 1 and len(full[0].split()) > 1:
        return "columns"
    return "text" if suffix == ".txt" else ""


def _is_conllu(lines: list[str]) -> bool:
    rows = [line for line in lines if not line.startswith("#")]
    return bool(rows) and all(line.count("\t") == 9 for line in rows)
