"""Files: whole or not at all, whatever the layout of the arrays and the state of the disk."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probekit.errors import DataError, DiskError, StoreError
from probekit.results import files
from probekit.results.files import (
    append_jsonl,
    canonical_json,
    load_arrays,
    read_json,
    read_jsonl,
    save_arrays,
    tagged_hash,
    write_bytes,
    write_json,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.name.endswith(".tmp")]


@settings(max_examples=80)
@given(json_values)
def test_canonical_json_round_trips_and_is_stable(value: object) -> None:
    data = canonical_json(value)
    assert canonical_json(json.loads(data)) == data
    assert b"\n" not in data


def test_canonical_json_ignores_the_order_of_keys() -> None:
    assert (
        canonical_json({"b": 1, "a": [1.5]}) == canonical_json({"a": [1.5], "b": 1}) == b'{"a":[1.5],"b":1}'
    )


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": object()}, {1: 1, "a": 2}])
def test_canonical_json_refuses(value: object) -> None:
    with pytest.raises(DataError, match="not storable"):
        canonical_json(value)


def test_a_lone_surrogate_is_named() -> None:
    with pytest.raises(DataError, match="lone surrogate"):
        canonical_json({"word": "caf\ud800e"})


def test_tags_keep_kinds_apart() -> None:
    assert tagged_hash("a", b"x") != tagged_hash("b", b"x")
    assert tagged_hash("a", [1]) == tagged_hash("a", b"[1]")
    # known value: the hash may never drift between versions
    assert tagged_hash("recipe", {"a": 1})[:16] == "db80290e073deac9"


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new" / "a.bin", b"1")
        save_arrays(tmp_path / "b.safetensors", {"x": np.zeros(2)})
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "a.bin").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b.safetensors").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("broken", ["write", "fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_any_failing_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, number: int
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    if broken == "write":
        real = os.fdopen

        def fdopen(*args: object) -> object:
            return _Failing(real(*args), number)  # type: ignore[call-overload]

        monkeypatch.setattr(files.os, "fdopen", fdopen)
    elif broken == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(files.os, broken, fail)
    with pytest.raises(DiskError, match=r"a\.json"):
        write_json(path, {"new": 2})
    monkeypatch.undo()
    assert read_json(path) == {"old": 1}
    assert leftovers(tmp_path) == []


class _Failing:
    """A file that closes well and cannot be written."""

    def __init__(self, file: object, number: int) -> None:
        self.file, self.number = file, number

    def __enter__(self) -> _Failing:
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()  # type: ignore[attr-defined]

    def write(self, data: bytes) -> int:
        raise OSError(self.number, os.strerror(self.number))


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from probekit.errors import DiskError
from probekit.results.files import append_jsonl, save_arrays, write_bytes
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for attempt in (
    lambda: write_bytes(folder / "a.bin", b"x" * 100_000),
    lambda: save_arrays(folder / "b.safetensors", {"x": np.ones(100_000)}),
    lambda: append_jsonl(folder / "c.jsonl", [{"x": "y" * 100_000}]),
):
    try:
        attempt()
    except DiskError as problem:
        print(problem)
"""


def test_a_full_disk_leaves_no_trace(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"old")
    append_jsonl(tmp_path / "c.jsonl", [{"old": 1}])
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = found.stdout.splitlines()
    assert [
        name for line, name in zip(lines, ("a.bin", "b.safetensors", "c.jsonl"), strict=True) if name in line
    ]
    assert all("larger than this process may write" in line for line in lines)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert read_jsonl(tmp_path / "c.jsonl") == [{"old": 1}]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.bin", "c.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DiskError, match="no permission"):
            write_bytes(tmp_path / "a", b"")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DiskError, match="a file stands where a folder is needed"):
        write_bytes(tmp_path / "taken" / "a.bin", b"")
    with pytest.raises(DiskError, match="cannot write"):
        append_jsonl(tmp_path / "taken" / "a.jsonl", [{}])


def test_an_error_inside_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")

    def stop_half_way() -> None:
        with files.atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_jsonl_drops_a_torn_line_and_appends_behind_the_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"a": 1}, {"a": 2}])
    with path.open("ab") as file:
        file.write(b'{"a": 3, "b"')
    assert read_jsonl(path) == [{"a": 1}, {"a": 2}]
    append_jsonl(path, [{"a": 4}])
    assert read_jsonl(path) == [{"a": 1}, {"a": 2}, {"a": 4}]


def test_jsonl_names_a_damaged_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a":1}\nxx\n{"a":2}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2"):
        read_jsonl(path)


def test_json_problems_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n  "a": 1,,\n}')
    with pytest.raises(DataError, match=r"a\.json:2"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"b\.json"):
        read_json(tmp_path / "b.json")
    with pytest.raises(DataError, match="No such file"):
        read_json(tmp_path / "absent.json")


arrays = hnp.arrays(
    dtype=st.sampled_from(["f2", "f4", "f8", "i4", "i8", "u1", "bool", ">f4"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@settings(max_examples=60, deadline=None)
@given(array=arrays, how=st.sampled_from(["as it is", "transposed", "reversed", "strided", "fortran"]))
def test_any_memory_layout_comes_back(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, how: str
) -> None:
    if array.ndim:
        array = {
            "as it is": array, "transposed": array.T, "reversed": array[::-1], "strided": array[::2],
            "fortran": np.asfortranarray(array),
        }[how]  # fmt: skip
    path = tmp_path_factory.mktemp("arrays") / "a.safetensors"
    save_arrays(path, {"b": array, "a": np.arange(3, dtype=np.int8)})
    back = load_arrays(path)
    assert back["b"].shape == array.shape
    assert back["b"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back["b"], array)
    np.testing.assert_array_equal(back["a"], [0, 1, 2])


def test_same_arrays_same_bytes(tmp_path: Path) -> None:
    one, two = np.arange(6.0).reshape(2, 3), np.arange(4, dtype=np.int32)
    save_arrays(tmp_path / "a", {"x": one, "y": two})
    save_arrays(tmp_path / "b", {"y": two, "x": np.asfortranarray(one)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_that_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="object"):
        save_arrays(tmp_path / "a", {"x": np.array(["a", None], dtype=object)})
    with pytest.raises(DataError, match="reserved"):
        save_arrays(tmp_path / "a", {"__metadata__": np.zeros(1)})
    assert list(tmp_path.iterdir()) == []


def test_damaged_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"x": np.ones(100)})
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:4], b"", b"\xff" * 20):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"a\.safetensors"):
            load_arrays(path)
    with pytest.raises(DataError, match="absent"):
        load_arrays(tmp_path / "absent.safetensors")
