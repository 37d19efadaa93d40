"""Which entry of the store holds which text, so that known texts are found without loading the model.

::

    <store>/texts/<who reads, and how>/<key of the entry>.safetensors    a hash per text, and whether it was cut

Nothing here is needed: what is absent, damaged or points to an entry that is gone is as if it had never been read.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.activations.extract import finished_entry
from probekit.activations.store import Store
from probekit.errors import DataError, StoreError
from probekit.models.load import device_of
from probekit.models.quiet import quiet
from probekit.models.ref import ModelRef
from probekit.models.source import find_source
from probekit.results.files import checksum, load_arrays, save_arrays, tagged_hash

FOLDER = "texts"
READ = (".json", ".txt", ".model", ".safetensors", ".bin", ".py")
"""Endings of the files that decide what a model says."""


@dataclass(frozen=True, eq=False)
class Held:
    """What one entry of the store holds of some texts: ``sentence[t]`` is text t's number there, or -1."""

    acts: Activations
    sentence: NDArray[np.int64]
    cut: NDArray[np.bool_]


def reader_identity(ref: ModelRef) -> str:
    """Who reads: a hash of the files of the model and of how it is loaded; no name counts. Raises ModelError."""
    with quiet():
        source = find_source(ref.name, ref.revision, allow_bin=ref.allow_bin, code=ref.trust_remote_code)
    files = sorted(file for file in source.folder.iterdir() if file.is_file() and file.suffix in READ)
    how = {key: value for key, value in ref.to_dict().items() if key not in ("name", "revision", "device")}
    versions = [importlib.metadata.version(name) for name in ("transformers", "tokenizers")]
    return tagged_hash(
        "probekit.reader.1",
        {
            "files": [[file.name, checksum(file)] for file in files],
            "how": how,
            "device": device_of(ref.device).type,
            "versions": versions,
        },
    )


class KnownTexts:
    """The texts that a model has read into a store, by unit and pooling."""

    def __init__(self, store: Store, identity: str, unit: str, pool: str, form: str) -> None:
        self.store = store
        self.folder = store.root / FOLDER / f"{identity[:32]}-{unit}-{pool}-{form}"

    def find(self, texts: Sequence[Any]) -> list[Held]:
        """Where texts, all different, are held. An entry of just these texts in this order comes before all others,
        which are asked in the order of their size; each text is taken from the first that has it.
        """
        wanted = _hashes(texts)
        records = [
            (file, found) for file in sorted(self.folder.glob("*.safetensors")) if (found := _record(file))
        ]
        records.sort(key=lambda one: (not np.array_equal(one[1][0], wanted), -len(one[1][0])))
        number = {row.tobytes(): at for at, row in enumerate(wanted)}
        missing, held = set(number.values()), []
        for file, (hashes, cut) in records:
            if not missing:
                break
            here = [(number[key], at) for at, row in enumerate(hashes) if (key := row.tobytes()) in number]
            here = [(text, at) for text, at in here if text in missing]
            entry = finished_entry(self.store.path(file.stem)) if here else None
            if entry is None:
                continue
            sentence, short = np.full(len(texts), -1, np.int64), np.zeros(len(texts), bool)
            mine, there = (np.array(side) for side in zip(*here, strict=True))
            sentence[mine], short[mine] = there, cut[there]
            held.append(Held(Activations(entry), sentence, short))
            missing -= set(mine.tolist())
        return held

    def add(self, acts: Activations, texts: Sequence[Any], cut: NDArray[np.bool_]) -> None:
        """Note that an entry holds these texts, its sentences. Raises DiskError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_arrays(self.folder / f"{acts.key}.safetensors", {"hashes": _hashes(texts), "cut": cut})


def _record(file: Path) -> tuple[NDArray[np.uint64], NDArray[np.bool_]] | None:
    try:
        arrays = load_arrays(file)
        return arrays["hashes"], arrays["cut"]
    except (DataError, StoreError, KeyError):
        return None


def _hashes(texts: Sequence[Any]) -> NDArray[np.uint64]:
    """xxh3-128 of every text (a str, or a tuple of words), uint64[texts, 2]."""
    digests = [xxhash.xxh3_128_digest(json.dumps(text).encode()) for text in texts]
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2).copy()
