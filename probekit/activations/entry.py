"""One entry of the store: a folder with a recipe, an index, shards, and the manifest that says it is
complete.

::

    <key>/recipe.json              the recipe, and what it was made with (names; not part of the key)
          index.safetensors        for every row its sentence and number; the units left out
          index.json               the ids of the sentences, the names of the reasons
          shard-00000.safetensors  one tensor per layer
          manifest.json            written last; no time, host or process in it
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from jaxtyping import Int
from numpy import ndarray

from probekit.activations.disk import write_file
from probekit.activations.recipe import FORMAT, recipe_key
from probekit.activations.shard import Shard
from probekit.errors import StoreError
from probekit.results.files import canonical_json, tagged_hash

MANIFEST = "manifest.json"
RECIPE = "recipe.json"
INDEX = "index.safetensors"
IDS = "index.json"
FILES = (RECIPE, INDEX, IDS)


def shard_name(number: int) -> str:
    """The file name of a shard."""
    return f"shard-{number:05d}.safetensors"


@dataclass(frozen=True, eq=False)
class Index:
    """From rows back to the corpus.

    Row i is word ``number[i]`` (from 0; -1 for a sentence, the place in the input for a piece) of sentence
    ``sentence[i]``, whose id is ``ids[sentence[i]]``. ``words[s]`` is the number of words of sentence s.
    ``left_*`` list the units without a row and why; ``pieces`` holds the piece ids of an unpooled entry, else
    nothing.
    """

    ids: tuple[str, ...]
    words: Int[ndarray, " sentences"]
    sentence: Int[ndarray, " rows"]
    number: Int[ndarray, " rows"]
    pieces: Int[ndarray, " pieces"]
    left_sentence: Int[ndarray, " left"]
    left_number: Int[ndarray, " left"]
    left_reason: Int[ndarray, " left"]
    reasons: tuple[str, ...]

    ARRAYS = ("words", "sentence", "number", "pieces", "left_sentence", "left_number", "left_reason")

    def files(self) -> dict[str, bytes]:
        """The index as the bytes of its two files."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in self.ARRAYS}
        return {INDEX: save(arrays), IDS: _readable({"sentences": self.ids, "reasons": self.reasons})}


@dataclass(frozen=True, eq=False)
class Entry:
    """A complete entry as its manifest describes it."""

    path: Path
    recipe: Mapping[str, Any]
    about: Mapping[str, Any]
    layers: tuple[str, ...]
    dim: int
    rows: int
    shards: tuple[Shard, ...]
    counts: Mapping[str, int]
    size: int

    @property
    def key(self) -> str:
        """The name of the folder: the hash of the recipe."""
        return self.path.name

    def index(self) -> Index:
        """Read the index; its checksum was compared when the entry was opened."""
        from safetensors.numpy import load

        arrays = load((self.path / INDEX).read_bytes())
        ids = json.loads((self.path / IDS).read_bytes())
        return Index(ids=tuple(ids["sentences"]), reasons=tuple(ids["reasons"]), **arrays)


def recipe_file(recipe: Mapping[str, Any], about: Mapping[str, Any]) -> bytes:
    """The bytes of recipe.json."""
    return _readable({"recipe": recipe, "about": about})


def write_manifest(
    folder: Path, *, recipe: Mapping[str, Any], dim: int, shards: Sequence[Shard], counts: Mapping[str, int]
) -> None:
    """Commit an entry whose other files are all there. Raises DiskError."""
    lines: dict[str, Any] = {
        "format": FORMAT,
        "key": folder.name,
        "layers": list(recipe["layers"]),
        "dim": dim,
        "rows": sum(shard.layout.rows for shard in shards),
        "counts": dict(counts),
        "files": {name: _describe((folder / name).read_bytes()) for name in FILES},
        "shards": [shard.to_dict() for shard in shards],
    }
    write_file(folder / MANIFEST, _readable(lines | {"checksum": _checksum(lines)}))


def read_entry(path: Path) -> Entry:
    """Open a complete entry. Raises StoreError, naming the file, where a small file is damaged or absent.

    Shards are looked at when they are read (`probekit.activations.shard.check_shard`).
    """
    manifest = read_manifest(path)
    for name in FILES:
        check_file(path / name, manifest["files"][name])
    recipe, about = read_recipe(path)
    layers, dim = tuple(manifest["layers"]), int(manifest["dim"])
    shards = tuple(Shard.from_dict(lines, path.name, dim, layers) for lines in manifest["shards"])
    small = sum(lines["bytes"] for lines in manifest["files"].values())
    return Entry(
        path=path,
        recipe=recipe,
        about=about,
        layers=layers,
        dim=dim,
        rows=int(manifest["rows"]),
        shards=shards,
        counts=manifest["counts"],
        size=small + sum(shard.layout.size for shard in shards),
    )


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an entry. Raises StoreError where it is absent, damaged or another entry's."""
    lines = _read_json(path / MANIFEST)
    stated = lines.pop("checksum", None)
    if stated != _checksum(lines) or lines.get("key") != path.name or lines.get("format") != FORMAT:
        raise StoreError(f"{path / MANIFEST}: changed since it was written (its checksum differs)")
    return lines


def read_recipe(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe and what it was made with. Raises StoreError where the recipe does not give the folder's
    name.
    """
    lines = _read_json(path / RECIPE)
    recipe, about = lines.get("recipe"), lines.get("about")
    if not isinstance(recipe, dict) or not isinstance(about, dict) or recipe_key(recipe) != path.name:
        raise StoreError(f"{path / RECIPE}: changed since it was written (its hash is not the folder's name)")
    return recipe, about


def check_file(path: Path, stated: Mapping[str, Any]) -> None:
    """Raise StoreError unless a small file is as the manifest says."""
    if _describe(_read(path)) != stated:
        raise StoreError(f"{path}: damaged (its checksum differs)")


def _describe(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "xxh3-128": xxhash.xxh3_128_hexdigest(data)}


def _checksum(lines: Mapping[str, Any]) -> str:
    return tagged_hash("probekit.manifest", lines)


def _readable(obj: Any) -> bytes:
    canonical_json(obj)  # refuses what has no one spelling
    return json.dumps(obj, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        lines = json.loads(_read(path))
    except (ValueError, RecursionError):
        raise StoreError(f"{path}: damaged (not valid JSON)") from None
    if not isinstance(lines, dict):
        raise StoreError(f"{path}: damaged (not a JSON object)")
    return lines


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: the file is missing") from None
    except OSError as problem:
        raise StoreError(f"{path}: cannot be read ({problem.strerror})") from None
