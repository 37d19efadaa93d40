"""JSON objects in text files, with mistakes told by file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.data.lines import read_lines, read_text_file
from probekit.errors import DataError


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, object) of each line that is not blank; DataError for what is no JSON object."""
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            yield f"{path}:{number}", _object(line, str(path), number)


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds; DataError with the line where it is no JSON."""
    return _object(read_text_file(path), str(path), 1)


def text_at(record: Mapping[str, Any], key: str, place: str, *, empty: bool = False) -> str:
    """The text under a key; DataError where it is missing, no text, or blank (unless `empty`)."""
    value = record.get(key)
    if not isinstance(value, str):
        got = "it is missing" if key not in record else f"got {value!r:.60}"
        raise DataError(f"{place}: {key!r} must be a text; {got}")
    if not value.strip() and not empty:
        raise DataError(f"{place}: {key!r} is empty")
    return value


def list_at(record: Mapping[str, Any], key: str, place: str) -> Sequence[dict[str, Any]]:
    """The list of objects under a key; DataError where it is something else, or empty."""
    value = record.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(part, dict) for part in value):
        got = "it is missing" if key not in record else f"got {value!r:.60}"
        raise DataError(f"{place}: {key!r} must be a list of objects; {got}")
    return value


def _object(text: str, file: str, first: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as problem:
        line = first + problem.lineno - 1
        raise DataError(f"{file}:{line}: not JSON ({problem.msg}, character {problem.colno})") from None
    except RecursionError:
        raise DataError(f"{file}:{first}: JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise DataError(f"{file}:{first}: a JSON object expected, got {text.strip()[:60]!r}")
    return value
