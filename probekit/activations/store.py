"""The store: a folder of entries, each named by the hash of its recipe."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.activations.disk import is_leftover
from probekit.activations.entry import FILES, MANIFEST, RECIPE, check_file, read_manifest, read_recipe
from probekit.activations.shard import Shard, check_shard, read_shard
from probekit.errors import ConfigError, DiskError, StoreError, did_you_mean
from probekit.results.files import disk_errors

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Listing:
    """An entry in few words. ``complete`` is False while anything is missing."""

    key: str
    path: Path
    complete: bool
    model: str
    corpus: str
    unit: str
    pool: str
    layers: tuple[str, ...]
    rows: int
    dim: int
    size: int


@dataclass(frozen=True)
class Damage:
    """A file that is not what it should be; `moved_to` is None where it is missing or could not be moved."""

    key: str
    file: Path
    what: str
    moved_to: Path | None


class Store:
    """Where representations are kept: `root`, else ``$PROBEKIT_STORE``, else the user's cache folder.

    Entries are only ever added, and removed by `remove`; any number of processes may read and write at once.

    >>> store = Store("my-store")
    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(3, 1, 1), layers=[0], store=store)
    >>> [(entry.model, entry.layers, entry.complete) for entry in store.list()]
    [('demo:minilm', ('0',), True)]
    >>> store.verify()
    []
    """

    def __init__(self, root: str | Path | None = None) -> None:
        chosen = root or os.environ.get("PROBEKIT_STORE")
        self.root = Path(chosen).expanduser() if chosen else default_root()

    def path(self, key: str) -> Path:
        """The folder of an entry, whether it exists or not."""
        return self.root / key

    def keys(self) -> list[str]:
        """The keys of all entries, complete or not."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and _is_key(p.name))

    def find(self, prefix: str) -> str:
        """The key that begins so. Raises ConfigError where none or several do."""
        found = [key for key in self.keys() if prefix and key.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        short = [key[:12] for key in found or self.keys()]
        if found:
            raise ConfigError(
                f"{len(found)} entries begin with {prefix!r}: {', '.join(short)}; give more of it"
            )
        raise ConfigError(f"no entry of {self.root} begins with {prefix!r}; {did_you_mean(prefix, short)}")

    def verify(self, key: str | None = None) -> list[Damage]:
        """Read every byte of every entry (or of one) and move what is damaged to ``quarantine/``.

        Nothing is computed anew: `extract` does that. An unfinished entry is no damage.
        """
        found = []
        for name in [key] if key else self.keys():
            for path, what in _inspect(self.path(name)):
                moved = self.quarantine(path) if path.exists() else None
                found.append(Damage(name, path, what, moved))
        return found

    def quarantine(self, path: Path) -> Path | None:
        """Move a file of an entry out of the way, keeping it; None where that is not permitted."""
        folder = self.root / QUARANTINE / path.parent.name
        for number in range(1000):
            target = folder / (f"{path.name}.{number}" if number else path.name)
            if not target.exists():
                break
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError:
            return None
        return target

    def remove(self, key: str) -> int:
        """Remove an entry; how many bytes that freed. Raises ConfigError for an unknown key, DiskError."""
        path = self.path(self.find(key))
        size = _size(path)
        with disk_errors(path):
            # the commit goes first: what is left of a removal that is interrupted is an unfinished entry
            (path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(path)
        return size

    def check_space(self, needed: int) -> None:
        """Raise DiskError, with both numbers, where the disk has not `needed` bytes free."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        if needed > free:
            raise DiskError(
                f"{self.root}: {needed:,} bytes are needed and {free:,} are free; make room, name another "
                "folder in PROBEKIT_STORE, or remove entries (`probekit store list`)"
            )

    def _list_one(self, key: str) -> Listing:
        path = self.path(key)
        try:
            recipe, about = read_recipe(path)
        except StoreError:
            recipe, about = {}, {}
        try:
            manifest: dict[str, Any] = read_manifest(path)
            complete = all((path / lines["name"]).exists() for lines in manifest["shards"])
        except StoreError:
            manifest, complete = {}, False
        model = about.get("model") or {}
        return Listing(
            key=key,
            path=path,
            complete=complete,
            model=str(model.get("name", "?")),
            corpus=str(about.get("corpus", "?")),
            unit=str(recipe.get("unit", "?")),
            pool=str(recipe.get("pool", "?")),
            layers=tuple(recipe.get("layers", ())),
            rows=int(manifest.get("rows", 0)),
            dim=int(manifest.get("dim", model.get("dim", 0))),
            size=_size(path),
        )

    def list(self) -> list[Listing]:
        """Every entry in few words, sorted by model and corpus."""
        found = [self._list_one(key) for key in self.keys()]
        return sorted(found, key=lambda entry: (entry.model, entry.corpus, entry.key))


def default_root() -> Path:
    """The platform's folder for what a user can lose: ``~/.cache/probekit/store`` on Linux."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "probekit" / "store"
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "probekit" / "Cache" / "store"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # the convention says that a relative path is to be ignored
    return (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "probekit" / "store"


def _inspect(path: Path) -> list[tuple[Path, str]]:
    """Every file of an entry that is damaged, missing or foreign, with what is wrong."""
    found: list[tuple[Path, str]] = []

    def check(file: Path, looks: Any) -> Any:
        try:
            return looks()
        except StoreError as problem:
            found.append((file, str(problem).removeprefix(f"{file}: ")))
            return None

    recipe = check(path / RECIPE, lambda: read_recipe(path))
    manifest = None
    if (path / MANIFEST).exists():
        manifest = check(path / MANIFEST, lambda: read_manifest(path))
    known = {MANIFEST, *FILES}
    if manifest is not None:
        for name in FILES:
            if name != RECIPE or recipe is not None:
                check(path / name, lambda name=name: check_file(path / name, manifest["files"][name]))
        for lines in manifest["shards"]:
            known.add(lines["name"])
            shard = Shard.from_dict(lines, path.name, manifest["dim"], manifest["layers"])
            check(path / shard.name, lambda shard=shard: check_shard(path, shard))
    elif recipe is not None:
        for file in sorted(path.glob("shard-*.safetensors")):
            known.add(file.name)
            check(file, lambda file=file: read_shard(file, path.name, None, None, recipe[0]["layers"]))
    else:
        known |= {file.name for file in path.glob("shard-*.safetensors")}
    foreign = (file for file in sorted(path.iterdir()) if file.name not in known and not is_leftover(file))
    return [*found, *((file, "it is no part of this entry") for file in foreign)]


def _is_key(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
