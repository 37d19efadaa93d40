"""The store: what it lists, what damage it finds, and what is done about it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from probekit.activations import disk
from probekit.activations.activations import Activations
from probekit.activations.entry import MANIFEST, RECIPE, read_entry, shard_name
from probekit.activations.extract import extract
from probekit.activations.shard import Shard, ShardLayout, check_shard
from probekit.activations.store import QUARANTINE, Store, default_root
from probekit.errors import ConfigError, DiskError, StoreError
from tests.activations.plain import CORPUS
from tests.tiny_models import tiny_model


@pytest.fixture
def stored(own_store: Path) -> Activations:
    return extract(tiny_model("bert"), CORPUS, rows_per_shard=10)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def test_safetensors_reads_a_shard_and_finds_it_aligned(stored: Activations) -> None:
    """The header is written by hand; the format's own reader must agree with every number."""
    first = stored.entry.shards[0]
    with safe_open(stored.path / first.name, framework="np") as file:
        assert sorted(file.keys()) == ["layer_00", "layer_01", "layer_02"]
        assert file.metadata()["key"] == stored.key
        rows = file.get_tensor("layer_01").astype(np.float32)
    np.testing.assert_array_equal(rows, stored.rows(1)[: first.layout.rows])
    assert all(offset % 64 == 0 for offset in (first.layout.header_size,))


def test_wide_layers_come_first_so_that_all_are_aligned() -> None:
    layout = ShardLayout("k", 3, 5, {"0": "float16", "1": "float32", "2": "float16"})
    assert layout.order == ["1", "0", "2"]
    assert layout.offsets()["1"] % 4 == 0


def test_list(stored: Activations) -> None:
    (entry,) = Store().list()
    assert entry.key == stored.key
    assert entry.complete
    assert (entry.rows, entry.dim, entry.unit, entry.pool) == (stored.n_rows, 32, "word", "mean")
    assert entry.size == stored.entry.size + (stored.path / MANIFEST).stat().st_size
    (stored.path / shard_name(0)).unlink()
    assert not Store().list()[0].complete


def test_an_undamaged_store_verifies(stored: Activations) -> None:
    assert Store().verify() == []
    (stored.path / MANIFEST).unlink()
    assert Store().verify() == [], "an unfinished entry is no damage"


FILES = [MANIFEST, RECIPE, "index.json", "index.safetensors", shard_name(0), shard_name(2)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage", ["flip first", "flip middle", "flip last", "truncate", "empty", "missing", "longer"]
)
def test_every_damage_is_found_moved_aside_and_mended(stored: Activations, name: str, damage: str) -> None:
    path = stored.path / name
    whole = {file.name: file.read_bytes() for file in stored.path.iterdir()}
    size = path.stat().st_size
    if damage.startswith("flip"):
        flip(path, {"first": 0, "middle": size // 2, "last": size - 1}[damage.removeprefix("flip ")])
    elif damage == "missing":
        path.unlink()
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        os.truncate(path, size // 2 if damage == "truncate" else 0)

    if not (name == MANIFEST and damage == "missing"):  # without a manifest it is an unfinished entry
        with pytest.raises(StoreError, match=name):
            Activations.open(stored.path).rows(1)
        (found,) = Store().verify()
        assert (found.file, found.key) == (path, stored.key)
        assert not path.exists()
        assert (found.moved_to is None) == (damage == "missing")
        if found.moved_to:
            assert found.moved_to.is_relative_to(Store().root / QUARANTINE)

    again = extract(tiny_model("bert"), CORPUS, rows_per_shard=10)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == whole
    assert Store().verify() == []


@pytest.mark.parametrize("place", range(0, 600, 37))
def test_a_flip_anywhere_in_a_header_is_refused(stored: Activations, place: int) -> None:
    flip(stored.path / shard_name(1), place)
    with pytest.raises(StoreError, match=shard_name(1)):
        Activations.open(stored.path).rows(0)


def test_damage_after_the_first_read_is_seen_by_the_same_process(stored: Activations) -> None:
    stored.rows(0)
    flip(stored.path / shard_name(0), -1)
    with pytest.raises(StoreError, match=r"layer 2 is damaged .*store verify"):
        stored.rows(0)


def test_swapped_shards_are_refused(stored: Activations) -> None:
    one, two = stored.path / shard_name(0), stored.path / shard_name(1)
    one.rename(stored.path / "x")
    two.rename(one)
    (stored.path / "x").rename(two)
    assert {damage.file for damage in Store().verify()} == {one, two}


def test_an_edited_manifest_is_refused(stored: Activations) -> None:
    path = stored.path / MANIFEST
    lines = json.loads(path.read_text())
    lines["shards"][0]["tensors"]["0"]["dtype"] = "float32"
    path.write_text(json.dumps(lines))
    with pytest.raises(StoreError, match=r"manifest\.json: changed"):
        read_entry(stored.path)


def test_an_edited_recipe_is_refused(stored: Activations) -> None:
    path = stored.path / RECIPE
    path.write_text(path.read_text().replace('"mean"', '"max"'))
    (found,) = Store().verify()
    assert found.file == path
    assert "hash" in found.what


def test_a_foreign_file_is_moved_aside(stored: Activations) -> None:
    (stored.path / "notes.txt").write_text("mine")
    (found,) = Store().verify()
    assert found.what == "it is no part of this entry"
    assert found.moved_to is not None
    assert found.moved_to.read_text() == "mine"


def test_quarantine_keeps_what_it_has(stored: Activations) -> None:
    for _ in range(2):
        (stored.path / "notes.txt").write_text("mine")
        Store().verify()
    assert len(list((Store().root / QUARANTINE / stored.key).iterdir())) == 2


def test_a_damaged_shard_of_an_unfinished_entry_is_not_kept(stored: Activations) -> None:
    whole = {file.name: file.read_bytes() for file in stored.path.iterdir()}
    (stored.path / MANIFEST).unlink()
    flip(stored.path / shard_name(1), -1)
    again = extract(tiny_model("bert"), CORPUS, rows_per_shard=10)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == whole


def test_remove_takes_a_prefix(stored: Activations) -> None:
    with pytest.raises(ConfigError, match="no entry"):
        Store().remove("zzz")
    with pytest.raises(ConfigError, match="no entry"):
        Store().remove("")
    extract(tiny_model("bert"), CORPUS, pool="max")
    twin = stored.path.with_name(stored.key[:-1] + ("0" if stored.key[-1] != "0" else "1"))
    twin.mkdir()
    with pytest.raises(ConfigError, match="2 entries"):
        Store().remove(stored.key[:20])
    twin.rmdir()
    assert Store().remove(stored.key[:20]) > 0
    assert not stored.path.exists()
    assert len(Store().list()) == 1


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Store(tmp_path).root == tmp_path
    assert str(Store().root) == os.environ["PROBEKIT_STORE"]
    monkeypatch.delenv("PROBEKIT_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert Store().root == tmp_path / "probekit" / "store"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_root() == Path.home() / ".cache" / "probekit" / "store"
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Library" in str(default_root())


def test_an_empty_or_absent_store(tmp_path: Path) -> None:
    assert Store(tmp_path / "none").list() == []
    assert Store(tmp_path / "none").verify() == []


def test_rights_follow_the_umask(own_store: Path) -> None:
    old = os.umask(0o027)
    try:
        found = extract(tiny_model("bert"), CORPUS)
    finally:
        os.umask(old)
    assert {oct(file.stat().st_mode & 0o777) for file in found.path.iterdir()} == {"0o640"}


def test_nothing_names_time_host_or_process(stored: Activations, tmp_path: Path) -> None:
    """The same extraction elsewhere gives the same bytes, file for file."""
    other = extract(tiny_model("bert"), CORPUS, rows_per_shard=10, store=tmp_path)
    assert {f.name for f in other.path.iterdir()} == {f.name for f in stored.path.iterdir()}
    for file in stored.path.iterdir():
        assert file.read_bytes() == (other.path / file.name).read_bytes()


def test_a_moved_store_still_reads(stored: Activations, tmp_path: Path) -> None:
    expected = stored.rows(0)
    shutil.move(Store().root, tmp_path / "elsewhere")
    moved = Activations.open(tmp_path / "elsewhere" / stored.key)
    np.testing.assert_array_equal(moved.rows(0), expected)


def test_the_first_published_shard_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    with disk.aside(path, first_wins=True) as handle:
        disk.write_at(handle, 0, b"second")
    assert path.read_bytes() == b"first"
    with disk.aside(path) as handle:
        disk.write_at(handle, 0, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_without_hard_links_a_shard_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with disk.aside(tmp_path / "file", first_wins=True) as handle:
        disk.write_at(handle, 0, b"data")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_the_dead_go_and_of_the_living_stay(tmp_path: Path) -> None:
    dead = 2**22 + 1  # above the highest process number
    host = disk._host()
    gone = tmp_path / f".a.{host}-{dead}-00000000.tmp"
    mine = tmp_path / f".a.{host}-{os.getpid()}-00000000.tmp"
    elsewhere = tmp_path / f".a.ffffffff-{dead}-00000000.tmp"
    old = tmp_path / ".b.ffffffff-1-00000000.tmp"
    foreign = tmp_path / ".mine.tmp"
    for path in (gone, mine, elsewhere, old, foreign):
        path.touch()
    os.utime(old, (0, 0))
    assert disk.clear_leftovers(tmp_path) == 2
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, foreign])


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="file"), disk.aside(tmp_path / "file"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_check_of_a_missing_shard(tmp_path: Path) -> None:
    shard = Shard("shard", ShardLayout("k", 1, 1, {"0": "float16"}), {"0": "0" * 32})
    with pytest.raises(StoreError, match="missing"):
        check_shard(tmp_path, shard)
