"""Writing and reading the few file kinds of the house: JSON, JSON lines, and arrays as safetensors.

A file is either the old one or the new one, never a half: it is written aside in the same folder, flushed to
the disk, and renamed. No pickle, ever.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from probekit.errors import DataError, DiskError, StoreError

WHAT_TO_DO = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "your disk quota is used up: free some space and run the same command again",
    errno.EFBIG: "the file is larger than this process may write (see `ulimit -f`)",
    errno.EACCES: "no permission to write there: choose another folder or mend its rights",
    errno.EPERM: "no permission to write there: choose another folder or mend its rights",
    errno.EROFS: "that file system is read-only: choose another folder",
    errno.EISDIR: "a folder of that name is in the way: remove it or choose another name",
    errno.ENOTDIR: "a file stands where a folder is needed: remove it or choose another name",
    errno.EEXIST: "a file stands where a folder is needed: remove it or choose another name",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
}

DTYPES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32",
    "int32": "I32", "uint64": "U64", "int64": "I64", "float16": "F16", "float32": "F32", "float64": "F64",
}  # fmt: skip


def canonical_json(obj: Any) -> bytes:
    """The one spelling of a JSON value that hashes are made of: sorted keys, no spaces, UTF-8, no NaN.

    Raises DataError for NaN, infinity, text that is not valid Unicode, and what JSON cannot hold.

    >>> canonical_json({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    return _dump(obj, separators=(",", ":"))


def tagged_hash(tag: str, content: Any) -> str:
    """The sha256 (hex) of a tag, a zero byte, and bytes or the canonical JSON of anything else.

    The tag keeps things of different kinds apart even where their contents are equal.

    >>> tagged_hash("corpus", {"a": 1}) == tagged_hash("recipe", {"a": 1})
    False
    """
    data = content if isinstance(content, bytes) else canonical_json(content)
    return hashlib.sha256(tag.encode() + b"\0" + data).hexdigest()


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well; a missing folder is made.

    The rights are those the umask grants. On any error nothing is left behind and an older file stays.
    Raises DiskError, naming the path, whenever the disk refuses.
    """
    path = Path(path)
    aside = path.parent / f".{secrets.token_hex(8)}.tmp"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: never another writer's file; 0o666: the kernel takes the umask off, in every thread alike
        file = os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise
        sync_folder(path.parent)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a whole file at once or not at all. Raises DiskError naming the path."""
    with atomic_file(path) as file:
        file.write(data)


def write_json(path: str | Path, obj: Any) -> None:
    """Write a JSON value for people to read: sorted keys, indented, a newline at the end."""
    write_bytes(path, _dump(obj, indent=2) + b"\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises DataError naming file and line."""
    try:
        return json.loads(_read(path))
    except ValueError as problem:
        line = getattr(problem, "lineno", 1)
        raise DataError(f"{path}:{line}: not valid JSON ({problem}); restore the file or remove it") from None


def append_jsonl(path: str | Path, objs: Iterable[Any]) -> None:
    """Add one line per object, flushed to the disk; a torn last line (of a killed writer) is cut off first.

    When the disk refuses, the file is put back to its length before the call. Raises DiskError, DataError.
    """
    path = Path(path)
    data = b"".join(canonical_json(obj) + b"\n" for obj in objs)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            end = _end_of_last_line(file)
            try:
                file.truncate(end)
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
        sync_folder(path.parent)


def read_jsonl(path: str | Path) -> list[Any]:
    """Read JSON lines; a line counts from its newline on, so a torn last line is dropped.

    Raises DataError naming file and line for any other damage.
    """
    rows = []
    lines = _read(path).split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise DataError(f"{path}:{number}: not valid JSON: {line[:60]!r}; remove that line") from None
    return rows


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write named arrays as one safetensors file, atomically, whatever their memory layout.

    The format's own writer stores transposed and strided arrays wrongly and holds two further copies in
    memory; this one streams each array, made contiguous, after the header. Same arrays, same bytes.
    Raises DiskError; DataError for a dtype the format does not know (objects, text).
    """
    if "__metadata__" in arrays:
        raise DataError(f"{path}: '__metadata__' is a reserved name in safetensors; rename that array")
    header: dict[str, Any] = {}
    end = 0
    for name in sorted(arrays, key=lambda key: (-arrays[key].dtype.itemsize, key)):  # widest first: aligned
        array = arrays[name]
        if array.dtype.name not in DTYPES:
            raise DataError(f"{path}: array {name!r} has dtype {array.dtype}; use one of {', '.join(DTYPES)}")
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with atomic_file(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name in header:
            array = np.ascontiguousarray(arrays[name])
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            file.write(little.reshape(-1).view(np.uint8).data)


def load_arrays(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read every array of a safetensors file. Raises DataError where absent, StoreError where damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(str(path)))
    except SafetensorError as problem:
        raise StoreError(
            f"{path}: damaged ({problem}); remove the file and run the same command again"
        ) from None
    except OSError as problem:
        raise _unreadable(path, problem) from None


def checksum(path: str | Path) -> str:
    """The xxh3-128 checksum (hex) of a file's bytes; finds damage, proves nothing against intent."""
    import xxhash

    digest = xxhash.xxh3_128()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as problem:
        raise _unreadable(path, problem) from None
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut, where the file system can promise that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no fsync for folders
            os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn every OSError of the block into a DiskError that names the path and the way out."""
    try:
        yield
    except OSError as problem:
        hint = WHAT_TO_DO.get(problem.errno or 0, "see to the disk and run the same command again")
        raise DiskError(f"cannot write {path}: {problem.strerror or problem}; {hint}") from problem


def _dump(obj: Any, **style: Any) -> bytes:
    try:
        text = json.dumps(obj, sort_keys=True, ensure_ascii=False, allow_nan=False, **style)
        return text.encode("utf-8")
    except UnicodeEncodeError as problem:
        near = problem.object[max(0, problem.start - 20) : problem.end + 20]
        raise DataError(f"text that is not valid Unicode (a lone surrogate) in {near!r}; mend it") from None
    except (TypeError, ValueError) as problem:
        raise DataError(f"not storable as JSON: {problem}; store null with a reason instead of NaN") from None


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise _unreadable(path, problem) from None


def _unreadable(path: str | Path, problem: OSError) -> DataError:
    return DataError(f"cannot read {path}: {problem.strerror or problem}")


def _end_of_last_line(file: Any) -> int:
    """The offset behind the last newline, found from the end in blocks."""
    end: int = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + int(newline) + 1
        end = start
    return 0
