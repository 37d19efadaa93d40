"""Text files as lists of lines, and what their names say."""

from __future__ import annotations

import difflib
import glob
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import SPLITS

Paths = str | Path | Iterable[str | Path]

_SPLIT_WORDS = {
    "train": "train", "training": "train", "dev": "dev", "devel": "dev", "development": "dev", "val": "dev",
    "valid": "dev", "validation": "dev", "test": "test", "testing": "test",
}  # fmt: skip
_SUFFIXES = {".conllu", ".conll", ".tsv", ".csv", ".jsonl", ".txt", ".label", ".iob", ".iob2", ".bio"}


def expand(paths: Paths) -> list[Path]:
    """Files named by one or several paths or globs, in sorted order within a glob; DataError where none exists."""
    if isinstance(paths, str | Path):
        paths = [paths]
    files: list[Path] = []
    for path in paths:
        if not str(path):
            raise DataError("a data file was named by an empty text; name a file, a folder or a glob")
        text = str(Path(path).expanduser())
        if Path(text).is_file():
            files.append(Path(text))
            continue
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        found = [Path(name) for name in matches if Path(name).is_file()]
        if not found:
            raise DataError(f"{path}: {_why_none(Path(text))}")
        files += found
    if not files:
        raise DataError("no data files were named")
    return files


def read_text_file(path: Path, encodings: Sequence[str] = ("utf-8",)) -> str:
    """The whole file, without byte order mark and with LF line ends; the first of `encodings` that fits is used.

    Raises DataError with line and byte for what does not decode, and for NUL characters (UTF-16 or damage).
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem.strerror})") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: this file is UTF-16; convert it to UTF-8 first")
    data = data.removeprefix(b"\xef\xbb\xbf")
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise DataError(f"{path}:{line}: NUL character; the file is damaged or not UTF-8 text")
    for encoding in encodings:
        try:
            return data.decode(encoding).replace("\r\n", "\n")
        except UnicodeDecodeError as problem:
            bad = problem.start
    line = data.count(b"\n", 0, bad) + 1
    byte = bad - data.rfind(b"\n", 0, bad)
    raise DataError(
        f"{path}:{line}: byte {byte} of this line (0x{data[bad]:02x}) is not {encodings[-1].upper()};"
        " convert the file to UTF-8"
    )


def read_lines(path: Path, encodings: Sequence[str] = ("utf-8",)) -> list[str]:
    """The lines of a file; only LF and CRLF end a line, so U+2028 or NEL inside a text stay where they are."""
    text = read_text_file(path, encodings)
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    if "\r" in text and "\n" not in text:
        raise DataError(
            f"{path}: its lines end in a carriage return alone (old Mac); convert them to line feeds"
        )
    return text.removesuffix("\n").split("\n")


def stem(path: Path) -> str:
    """The file's name without a known suffix; sentence ids are made from it.

    >>> stem(Path("data/stsa.binary.train")), stem(Path("TREC_10.label"))
    ('stsa.binary.train', 'TREC_10')
    """
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def common_name(files: Sequence[Path]) -> str:
    """What several files are called without their split, or what their names share, as a name for their corpus.

    Files named by nothing but their split are called by their folder; where that says nothing either, by the first.

    >>> common_name([Path("en_ewt-ud-test.conllu"), Path("en_ewt-ud-train.conllu")])
    'en_ewt-ud'
    >>> common_name([Path("host/dev.conllu"), Path("host/train.conllu")])
    'host'
    """
    if len(files) == 1:
        return stem(files[0])
    bare = [_without_split(stem(path)) for path in files]
    if len(set(bare)) == 1 and re.search(r"[^\W\d_]", bare[0] or ""):
        return str(bare[0])
    letters = zip(*(stem(path) for path in files), strict=False)
    same = itertools.takewhile(lambda column: len(set(column)) == 1, letters)
    shared = "".join(column[0] for column in same).rstrip("-_. ")
    if len(shared) > 1:
        return shared
    folders = {path.absolute().parent.name for path in files}
    return folders.pop() if None not in bare and len(folders) == 1 and "" not in folders else stem(files[0])


def _without_split(name: str) -> str | None:
    """The name without the word that says its split; None where no word does."""
    for word in reversed(list(re.finditer(r"[a-z]+", name, re.IGNORECASE))):
        if word[0].lower() in _SPLIT_WORDS:
            return (name[: word.start()].rstrip("-_. ") + name[word.end() :]).strip("-_. ")
    return None


def split_of(path: Path, split: str | None = None, *, special: dict[str, str] | None = None) -> str:
    """The split that is given, else what the file's name says (train, dev/valid, test), else ``""``.

    >>> split_of(Path("en_ewt-ud-dev.conllu")), split_of(Path("wnut17train.conll")), split_of(Path("notes.txt"))
    ('dev', 'train', '')
    """
    if split is not None:
        if split and split not in SPLITS:
            raise ConfigError(f"unknown split {split!r}; {did_you_mean(split, SPLITS)}")
        return split
    name = stem(path).lower()
    for part, meaning in (special or {}).items():
        if part in name:
            return meaning
    for part in reversed(re.split(r"[^a-z]+", name)):
        if part in _SPLIT_WORDS:
            return _SPLIT_WORDS[part]
    return ""


def _why_none(path: Path) -> str:
    if path.is_dir():
        return "this is a folder; name its files, or a glob such as 'folder/*.conllu'"
    if any(sign in str(path) for sign in "*?["):
        return "no file matches this pattern"
    if path.exists():
        return "this is not a regular file (a pipe, a device); save what it gives in a file"
    if path.parent.is_dir():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
        return "no such file" + (f"; did you mean {near[0]!r}?" if near else f" in the folder {path.parent}")
    return f"no such file (the folder {path.parent} does not exist)"
