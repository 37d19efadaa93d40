"""In which published format suite data are, from the beginning of a file, and which files of a folder belong."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from pathlib import Path

from probekit.data.lines import expand
from probekit.data.read_cola import parse_cola
from probekit.errors import ConfigError, DataError

READ = 65536
BESIDE = re.compile(r"(readme|source|licen[cs]e|notice|citation|changelog|\.)", re.IGNORECASE)
"""Names that files about the data begin with."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    "blimp": (".jsonl",),
    "syntaxgym": (".json",),
    "gulordava": (".tab",),
    "linzen": (".gold",),
    "marvin-linzen": (".txt",),
    "goldberg": (".tsv", ".txt"),
    "cola": (".tsv",),
    "pairs": (".tsv", ".jsonl"),
    "blocks": (".txt",),
}


def data_files(source: str | Path, format: str | None = None) -> list[Path]:
    """The data files that a path, folder or glob names; of a folder, those with a suffix of the format.

    Files beside the data (README, SOURCE, LICENSE) and hidden ones do not count. Raises DataError where none is left.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return expand(str(source))
    suffixes = {s for known in SUFFIXES.values() for s in known} if format is None else SUFFIXES[format]
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix.lower() in suffixes and not BESIDE.match(path.name)
    ]
    if not found:
        raise DataError(f"{source}: no file in this folder ends in {', '.join(sorted(suffixes))}")
    return found


def guess_format(source: str | Path) -> str:
    """The format of a file, or of the files of a folder; ConfigError where none or several fit."""
    files = data_files(source)
    fitting: dict[str, Path] = {}
    for path in files:
        head = _head(path)
        for name, fits in SIGNS.items():
            if path.suffix.lower() in (*SUFFIXES[name], *_PARTS.get(name, ())) and fits(head):
                fitting.setdefault(name, path)
    if len(fitting) == 1:
        return next(iter(fitting))
    if fitting:
        found = ", ".join(f"{name} ({path.name})" for name, path in fitting.items())
        raise ConfigError(f"{source}: files of several formats: {found}; name one file, or say format=")
    raise ConfigError(f"{source}: the format cannot be told; say format={' or '.join(SUFFIXES)}")


_PARTS = {"linzen": (".text", ".eval")}


def _head(path: Path) -> list[str]:
    """The first lines of a file, without what reading cut off."""
    try:
        with path.open("rb") as file:
            data = file.read(READ)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror})") from None
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace").replace("\r\n", "\n")
    lines = text.split("\n")
    return lines[:-1] if len(data) == READ and len(lines) > 1 else lines


def _first(head: list[str]) -> str:
    return next((line for line in head if line.strip()), "")


def _columns(head: list[str]) -> set[str]:
    return {part.strip() for part in _first(head).split("\t")}


def _blocks(head: list[str]) -> bool:
    block = "\n".join(head).strip("\n").split("\n\n")[0].split("\n")
    return len(block) == 4 and block[3].strip() in [part.strip() for part in block[2].split(",")]


SIGNS: dict[str, Callable[[list[str]], bool]] = {
    "blimp": lambda head: '"sentence_good"' in _first(head),
    "syntaxgym": lambda head: any('"region_meta"' in line or '"predictions"' in line for line in head),
    "gulordava": lambda head: {"constr_id", "sent_id", "n_attr"} <= _columns(head),
    "linzen": lambda head: re.fullmatch(r"\d+\t[^\t]+\t[^\t]+\t\d+", _first(head)) is not None,
    "marvin-linzen": lambda head: _first(head).startswith(("True\t", "False\t")),
    "goldberg": lambda head: "***mask***" in _first(head),
    "cola": lambda head: parse_cola(_first(head)) is not None,
    "pairs": lambda head: (
        {"good", "bad"} <= _columns(head) or re.search(r'"good"\s*:', _first(head)) is not None
    ),
    "blocks": _blocks,
}
"""What the beginning of a file of each format looks like."""


def has_magic(source: str) -> bool:
    """Whether a name is a glob."""
    return glob.has_magic(source)
