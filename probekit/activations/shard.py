"""One shard: a safetensors file with one tensor ``[rows, dim]`` per layer, and the checksums that prove it
whole.

The checksums (xxh3-128 of each tensor's bytes) and the key of the recipe stand in the file's own metadata, so
a finished shard can be told from a foreign or a damaged one before there is a manifest. The header is a
function of key, shapes, dtypes and checksums alone: checking rebuilds it and compares every byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from probekit.errors import StoreError
from probekit.glossary import Layer

BLOCK = 1 << 22
WIDTH = {"float16": 2, "float32": 4}
CODE = {"float16": "F16", "float32": "F32"}
NO_CHECKSUM = "0" * 32

_verified: set[tuple[str, int, int, int]] = set()
"""Shards this process has read through once: path, inode, size and time of change."""


@dataclass(frozen=True)
class ShardLayout:
    """Where everything lies in a shard: known before the first number is computed."""

    key: str
    rows: int
    dim: int
    dtypes: Mapping[Layer, str]

    @property
    def names(self) -> dict[Layer, str]:
        """The tensor of each layer: fixed names, never text of a user."""
        return {layer: f"layer_{number:02d}" for number, layer in enumerate(self.dtypes)}

    @property
    def order(self) -> list[Layer]:
        """Layers as they lie in the file: float32 first, so that every tensor is aligned."""
        return sorted(self.dtypes, key=lambda layer: (-WIDTH[self.dtypes[layer]], self.names[layer]))

    def size_of(self, layer: Layer) -> int:
        """Bytes of one layer's tensor."""
        return self.rows * self.dim * WIDTH[self.dtypes[layer]]

    @property
    def header_size(self) -> int:
        """Bytes before the first tensor; the checksums' values do not change it."""
        return len(self.header(dict.fromkeys(self.dtypes, NO_CHECKSUM)))

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.header_size + sum(self.size_of(layer) for layer in self.dtypes)

    def offsets(self) -> dict[Layer, int]:
        """Where each layer's tensor begins in the file."""
        offset, found = self.header_size, {}
        for layer in self.order:
            found[layer] = offset
            offset += self.size_of(layer)
        return found

    def header(self, checksums: Mapping[Layer, str]) -> bytes:
        """The bytes in front of the tensors: length, JSON, spaces up to a multiple of 64."""
        entries: dict[str, Any] = {}
        names, end = self.names, 0
        sums = {names[layer]: checksums[layer] for layer in self.order}
        entries["__metadata__"] = {"key": self.key, "xxh3-128": json.dumps(sums, separators=(",", ":"))}
        for layer in self.order:
            begin, end = end, end + self.size_of(layer)
            entries[names[layer]] = {
                "dtype": CODE[self.dtypes[layer]],
                "shape": [self.rows, self.dim],
                "data_offsets": [begin, end],
            }
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-(len(text) + 8) % 64)
        return len(text).to_bytes(8, "little") + text


@dataclass(frozen=True)
class Shard:
    """A finished shard as the manifest lists it: name, rows, bytes, and dtype and checksum per layer."""

    name: str
    layout: ShardLayout
    checksums: Mapping[Layer, str]

    def to_dict(self) -> dict[str, Any]:
        """The manifest's lines about this shard."""
        tensors = {
            layer: {"dtype": self.layout.dtypes[layer], "xxh3-128": self.checksums[layer]}
            for layer in self.layout.dtypes
        }
        return {"name": self.name, "rows": self.layout.rows, "bytes": self.layout.size, "tensors": tensors}

    @classmethod
    def from_dict(cls, lines: Mapping[str, Any], key: str, dim: int, layers: Sequence[Layer]) -> Shard:
        """The reverse of `to_dict`. Raises KeyError or TypeError on anything else."""
        tensors = lines["tensors"]
        layout = ShardLayout(
            key, int(lines["rows"]), dim, {layer: tensors[layer]["dtype"] for layer in layers}
        )
        return cls(lines["name"], layout, {layer: tensors[layer]["xxh3-128"] for layer in layers})


def read_shard(path: Path, key: str, rows: int | None, dim: int | None, layers: Sequence[Layer]) -> Shard:
    """Read a shard through and describe it. Raises StoreError unless it is whole and of this recipe and shape
    (None: of any).
    """
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little") % (1 << 27)))
        narrow = {code: dtype for dtype, code in CODE.items()}
        names = {layer: f"layer_{number:02d}" for number, layer in enumerate(layers)}
        sums = json.loads(header["__metadata__"]["xxh3-128"])
        shape = header[names[layers[0]]]["shape"]
        rows, dim = int(shape[0]) if rows is None else rows, int(shape[1]) if dim is None else dim
        shard = Shard(
            path.name,
            ShardLayout(key, rows, dim, {layer: narrow[header[names[layer]]["dtype"]] for layer in layers}),
            {layer: str(sums[names[layer]]) for layer in layers},
        )
    except FileNotFoundError:
        raise StoreError(f"{path}: the file is missing") from None
    except OSError as problem:
        raise StoreError(f"{path}: cannot be read ({problem.strerror})") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise StoreError(f"{path}: its header is damaged") from None
    check_shard(path.parent, shard)
    return shard


def check_shard(folder: Path, shard: Shard, *, again: bool = True) -> None:
    """Raise StoreError, saying what is wrong, unless every byte of the file is as the shard says.

    With `again=False` a file that this process has already checked, and that has not changed since, is
    believed.
    """
    path = folder / shard.name
    layout = shard.layout
    try:
        with path.open("rb") as file:
            status = path.stat()
            seen = (str(path.absolute()), status.st_ino, status.st_size, status.st_mtime_ns)
            if not again and seen in _verified:
                return
            if status.st_size != layout.size:
                raise StoreError(f"{path}: {status.st_size:,} bytes instead of {layout.size:,}")
            if file.read(layout.header_size) != layout.header(shard.checksums):
                raise StoreError(f"{path}: its header is damaged, or it belongs to another recipe")
            for layer in layout.order:
                if _digest(file, layout.size_of(layer)) != shard.checksums[layer]:
                    raise StoreError(f"{path}: layer {layer} is damaged (its checksum differs)")
    except FileNotFoundError:
        raise StoreError(f"{path}: the file is missing") from None
    except OSError as problem:
        raise StoreError(f"{path}: cannot be read ({problem.strerror})") from None
    _verified.add(seen)


def _digest(file: Any, size: int) -> str:
    digest = xxhash.xxh3_128()
    while size and (block := file.read(min(size, BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
