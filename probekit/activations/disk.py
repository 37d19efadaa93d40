"""Publishing a file of the store: written aside, flushed, renamed; no locks, and no trust in them.

Any number of processes may work on one entry. Each writes to a file of its own whose name says which process
it is, so that what a killed process left behind can be told from what a living one is writing.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from probekit.results.files import disk_errors, sync_folder

LEFTOVER = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp")
A_DAY = 86_400
CANNOT_RESERVE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems answer that cannot promise space; there a full disk shows when it is full."""


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


@contextmanager
def aside(path: Path, *, first_wins: bool = False) -> Iterator[int]:
    """A file handle whose file appears at `path` only when the block ends well.

    With `first_wins` a file that another process published meanwhile stays, and this one is dropped: a shard
    that someone already relies on never changes. Raises DiskError naming the path; nothing is left behind.
    """
    temporary = path.parent / f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # 0o666: the kernel takes the umask off
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            try:
                yield handle
                os.fsync(handle)
            finally:
                os.close(handle)
            if not (first_wins and _link(temporary, path)):
                temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()
        sync_folder(path.parent)


def _link(temporary: Path, path: Path) -> bool:
    """Publish without replacing; False where the file system has no hard links."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return True
    except OSError:
        return path.exists()
    return True


def reserve(handle: int, size: int) -> None:
    """Take the disk space before the work that fills it, so that a full disk shows first. Raises OSError."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as problem:
        if problem.errno not in CANNOT_RESERVE:
            raise


def write_at(handle: int, offset: int, data: Any) -> None:
    """Write all bytes of a contiguous array or bytes at an offset. Raises OSError."""
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def write_file(path: Path, data: bytes) -> None:
    """Publish a small file, replacing an older one. Raises DiskError."""
    with aside(path) as handle:
        write_at(handle, 0, data)


def is_leftover(path: Path) -> bool:
    """Whether a file is an unfinished one of `aside`, of a living or a dead process."""
    return LEFTOVER.fullmatch(path.name) is not None


def clear_leftovers(folder: Path) -> int:
    """Remove what killed processes left in a folder; how many files. A living process's files are not
    touched.

    Elsewhere than on this host nobody can tell who lives: there a file counts as left behind after a day.
    """
    removed = 0
    for path in sorted(folder.glob(".*.tmp")):
        match = LEFTOVER.fullmatch(path.name)
        with suppress(OSError):
            if match and (_dead(*match.groups()) or time.time() - path.stat().st_mtime > A_DAY):
                path.unlink()
                removed += 1
    return removed


def _dead(host: str, process: str) -> bool:
    if host != _host() or os.name != "posix":
        return False
    try:
        os.kill(int(process), 0)  # signal 0 asks only
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
