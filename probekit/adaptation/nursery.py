"""A process that imports once and forks a child for each job: a cell then starts in milliseconds instead of seconds.

`Nursery` is what the asking process holds; `serve` is what runs in the process asked. It takes the paths of jobs, a
line each, and answers with the code that the job's child ended with.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

TASKS = Path("/proc/self/task")
SAFE = {"jemalloc_bg_thd"}
"""Threads that their library takes care of when the process is forked: pyarrow's allocator."""


class Nursery:
    """Does jobs one after the other, each in a process of its own; begun when first asked, and again after it broke."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._said: BinaryIO | None = None
        self._stopped = False

    def do(self, job: Path) -> tuple[int, str]:
        """Do a job: the code its process ended with (below 0: the signal), and the last line that it said."""
        answer = b""
        try:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            said_by(job).touch()
            with suppress(BrokenPipeError):  # it ended before: its code tells why
                process.stdin.write(f"{job}\n".encode())
            answer = process.stdout.readline()
            code = int(answer) if answer else process.wait()
        except BaseException:
            self.stop()
            raise
        if answer:
            return code, _last_line(said_by(job).read_bytes())
        assert self._said is not None
        self._said.seek(0)
        line = _last_line(self._said.read())
        self._close()
        return code, line

    def stop(self) -> None:
        """End it and the child under way; it does nothing any more."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it once it has nothing to do."""
        self.stop()
        self._close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=self._environment,
                bufsize=0,
            )
        if self._stopped:
            self._process.kill()
        return self._process

    def _close(self) -> None:
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout, self._said) if process is not None else ():
            if pipe is not None:
                pipe.close()


def said_by(job: str | Path) -> Path:
    """Where the child of a job writes what it says."""
    return Path(f"{job}.said")


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def serve(work: Callable[[str], None]) -> None:
    """Do the jobs named on standard input in children of this process, until nobody is left to ask.

    Only a process of one thread is forked. Any other (an accelerator's library has started threads, or the
    system does not tell) does its job itself and ends; the next job gets a process of its own.
    """
    gc.freeze()  # what is here already is never garbage; looking through it would copy it into every child
    for line in iter(sys.stdin.buffer.readline, b""):
        job = line.decode().rstrip("\n")
        if not may_fork():
            threading.Thread(target=_end_at, args=(lambda: os.read(0, 1),), daemon=True).start()
            work(job)
            return
        sys.stdout.write(f"{_in_child(work, job)}\n")
        sys.stdout.flush()


def may_fork() -> bool:
    """Whether this process has one thread only, those of foreign code counted that do not know of forks."""
    try:
        names = [(task / "comm").read_text().strip() for task in TASKS.iterdir()]
        return len([name for name in names if name not in SAFE]) == 1
    except OSError:
        return False


def _in_child(work: Callable[[str], None], job: str) -> int:
    ours, its = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _be_child(work, job, its)
    its.close()
    with ours:
        ready, _, _ = select.select([ours, sys.stdin.buffer], [], [])
        if ours not in ready:  # who asked is gone; the child ends as its socket breaks
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _be_child(work: Callable[[str], None], job: str, parent: socket.socket) -> None:
    code = 1
    try:
        with said_by(job).open("wb") as said, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        threading.Thread(target=_end_at, args=(lambda: parent.recv(1),), daemon=True).start()
        work(job)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_at(broken: Callable[[], object]) -> None:
    """End this process once the pipe from its parent breaks: a parent that was killed wants no results."""
    broken()
    os._exit(1)
