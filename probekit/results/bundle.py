"""Arrays in a safetensors file and words beside them in JSON, kept together by a checksum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from probekit.errors import StoreError
from probekit.results.files import checksum, load_arrays, read_json, save_arrays, write_json


def save_bundle(
    stem: str | Path, arrays: Mapping[str, np.ndarray[Any, Any]], words: Mapping[str, Any]
) -> None:
    """Write `<stem>.safetensors`, then `<stem>.json`, which commits the pair: it carries the checksum."""
    data, text = bundle_paths(stem)
    save_arrays(data, arrays)
    write_json(text, {**words, "arrays_xxh3": checksum(data)})


def load_bundle(stem: str | Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Read a pair back. Raises DataError where a file is absent, StoreError where one is damaged."""
    data, text = bundle_paths(stem)
    words: dict[str, Any] = read_json(text)
    if not isinstance(words, dict) or words.pop("arrays_xxh3", None) != checksum(data):
        raise StoreError(
            f"{data}: damaged, or not what {text.name} was written with; remove both and run again"
        )
    return load_arrays(data), words


def bundle_paths(stem: str | Path) -> tuple[Path, Path]:
    """The two files of a pair; a dot in the stem is part of its name."""
    stem = Path(stem)
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")
