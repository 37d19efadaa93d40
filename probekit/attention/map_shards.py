"""The files of stored attention maps: shards of bounded size, each proved whole by checksums before it is believed.

::

    recipe.json              what the numbers depend on; written first
    shard-00000.safetensors  one tensor per layer and head ("6/0"): the maps of its sentences, row by row, one after
                             another; "offsets": where the map of each begins, and where the last one ends
    shard-00000.json         ids, tokens and texts of its sentences; the checksum of the tensors
    manifest.json            written last: the ids of all sentences, and the checksum of every shard's JSON
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probekit.errors import ConfigError, DataError, StoreError
from probekit.results.bundle import bundle_paths
from probekit.results.files import checksum, disk_errors, read_json, tagged_hash, write_json

FORMAT = "probekit attention maps 1"
RECIPE, MANIFEST = "recipe.json", "manifest.json"
AGAIN = "run pk.store_maps again, which makes it anew"


def claim_folder(folder: Path, recipe: Mapping[str, Any]) -> str:
    """Make a folder that of a recipe, and clear what a killed process left; the hash of the recipe.

    Raises ConfigError where the folder holds something else, StoreError where its recipe is damaged, DiskError.
    """
    key = tagged_hash("probekit.maps.recipe", recipe)
    path = folder / RECIPE
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside = [file for file in folder.iterdir() if file.name.startswith(".") and file.suffix == ".tmp"]
        if not path.exists() and len(aside) < sum(1 for _ in folder.iterdir()):
            raise ConfigError(
                f"{folder} holds other files; give an empty folder, or one that is not there yet"
            )
        for file in aside:
            file.unlink()
    if not path.exists():
        write_json(path, {"recipe": recipe, "key": key})
    found = read_words(path)
    if found.get("key") != key:
        other = found.get("recipe") or {}
        differ = sorted(name for name in {*recipe, *other} if recipe.get(name) != other.get(name))
        raise ConfigError(
            f"{folder} holds maps made otherwise ({', '.join(differ)}); choose another folder, or remove that one"
        )
    return key


def shard_stem(folder: Path, number: int) -> Path:
    """Where a shard is written, without the endings of its two files."""
    return folder / f"shard-{number:05d}"


def find_shard(folder: Path, number: int, key: str, ids: list[str]) -> str | None:
    """The checksum of the JSON of a shard that is whole and of this recipe; None where it must be made."""
    tensors, text = bundle_paths(shard_stem(folder, number))
    try:
        words = read_words(text)
        check(tensors, words.get("arrays_xxh3"))
        return checksum(text) if (words.get("key"), words.get("ids")) == (key, ids) else None
    except StoreError:
        return None


def read_words(path: Path, stated: str | None = None) -> dict[str, Any]:
    """Read a JSON file back. Raises StoreError where it is absent, damaged, or has another checksum than is stated."""
    check(path, stated)
    try:
        words = read_json(path)
    except DataError:
        words = None
    if not isinstance(words, dict):
        raise StoreError(f"{path}: damaged (not a JSON object); remove it and run pk.store_maps again")
    return words


def check(path: Path, stated: str | None) -> None:
    """Read every byte of a file. Raises StoreError where it is missing or its checksum is not the one stated."""
    if not path.is_file():
        raise StoreError(f"{path}: the file is missing; {AGAIN}")
    if stated is not None and checksum(path) != stated:
        raise StoreError(f"{path}: damaged (its checksum differs); {AGAIN}")


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """The tensors of a shard, read as far as they are asked for. Raises StoreError where they cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            yield tensors
    except (SafetensorError, OSError) as problem:
        raise StoreError(f"{path}: cannot be read ({problem}); {AGAIN}") from None


def write_manifest(folder: Path, words: Mapping[str, Any]) -> None:
    """Say that all is there. Raises DiskError."""
    write_json(folder / MANIFEST, {**words, "checksum": tagged_hash("probekit.maps", dict(words))})


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest. Raises DataError where the folder holds no maps, StoreError where it is absent or changed."""
    path = folder / MANIFEST
    if not path.exists():
        if not (folder / RECIPE).exists():
            raise DataError(f"{folder} holds no attention maps; give the folder that pk.store_maps was given")
        raise StoreError(f"{folder}: not complete; run pk.store_maps again, which goes on where it stopped")
    words = read_words(path)
    stated = words.pop("checksum", None)
    if stated != tagged_hash("probekit.maps", words) or words.get("format") != FORMAT:
        raise StoreError(f"{path}: changed since it was written (its checksum differs); {AGAIN}")
    return words
