"""Extraction under fire: killed, doubled, starved of disk; the entry is the undisturbed one, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_models import write_tiny

pytestmark = pytest.mark.faults

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 20


class Victim:
    """The process of `victim.py`."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(Path(__file__).with_name("victim.py")), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def start(self, store: Path, limit: int = 0) -> int:
        """Begin an extraction; the number of its process."""
        return int(self.ask(f"start {store} {limit}"))

    def wait(self, process: int) -> tuple[int, str]:
        """Its exit code, and the key or the message."""
        code, _, words = self.ask(f"wait {process}").partition(" ")
        return int(code), words

    def finish(self, store: Path) -> str:
        """A whole extraction; its key."""
        code, words = self.wait(self.start(store))
        assert code == 0, words
        return words

    def kill(self, process: int) -> int:
        """kill -9; the exit code, -9 unless it had ended before."""
        os.kill(process, signal.SIGKILL)
        return self.wait(process)[0]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = write_tiny("bert", tmp_path_factory.mktemp("model"), layers=3, dim=64)
    victim = Victim(folder)
    yield victim
    assert victim.process.stdin is not None
    assert victim.process.stdout is not None
    victim.process.stdin.close()
    victim.process.wait()
    victim.process.stdout.close()


def contents(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def shards(store: Path) -> dict[str, tuple[int, int]]:
    """Finished shards: inode and time of change."""
    return {
        file.name: (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in store.rglob("shard-*.safetensors")
    }


@pytest.fixture(scope="module")
def undisturbed(victim: Victim, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """The entry of an extraction nobody disturbed, and how long it took."""
    store = tmp_path_factory.mktemp("undisturbed")
    begun = time.monotonic()
    victim.finish(store)
    return contents(store), time.monotonic() - begun


def test_killed_twenty_times(
    victim: Victim, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """kill -9 at random moments, then the same again: the same bytes, and no finished shard made twice."""
    truth, seconds = undisturbed
    draw = random.Random(2)
    killed, entry = 0, 0
    while killed < KILLS:
        store = tmp_path / str(entry)
        before = shards(store)
        process = victim.start(store)
        time.sleep(draw.uniform(0, 0.5 * seconds))
        ended = victim.kill(process)
        killed += ended == -9
        after = shards(store)
        assert {name: after[name] for name in before} == before, "a finished shard was made again"
        if ended == 0 or draw.random() < 0.3 or killed == KILLS:
            victim.finish(store)
            assert {name: shards(store)[name] for name in after} == after, "a finished shard was made again"
            assert contents(store) == truth
            entry += 1
    assert entry > 2


def test_two_at_once(victim: Victim, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    """Two processes with the same recipe both end well and leave one entry."""
    for number in range(5):
        store = tmp_path / str(number)
        pair = [victim.start(store), victim.start(store)]
        ends = [victim.wait(process) for process in pair]
        assert ends[0] == ends[1]
        assert ends[0][0] == 0, ends
        assert contents(store) == undisturbed[0]


def test_one_killed_beside_another(
    victim: Victim, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """The survivor finishes; what the killed one left is not part of the entry."""
    one, two = victim.start(tmp_path), victim.start(tmp_path)
    time.sleep(0.3 * undisturbed[1])
    assert victim.kill(one) == -9
    assert victim.wait(two)[0] == 0
    visible = {name: data for name, data in contents(tmp_path).items() if not name.endswith(".tmp")}
    assert visible == undisturbed[0]


@pytest.mark.parametrize("limit", [500, 20_000, 60_000])
def test_a_disk_that_refuses(
    victim: Victim, undisturbed: tuple[dict[str, bytes], float], tmp_path: Path, limit: int
) -> None:
    """RLIMIT_FSIZE: a message that names the file, nothing half-written; with room again the work goes on."""
    code, words = victim.wait(victim.start(tmp_path, limit))
    assert code == 1, words
    assert str(tmp_path) in words
    assert "larger than this process may write" in words
    assert not [name for name in contents(tmp_path) if name.endswith(".tmp")]
    victim.finish(tmp_path)
    assert contents(tmp_path) == undisturbed[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_without_permission(victim: Victim, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, words = victim.wait(victim.start(tmp_path / "store"))
    tmp_path.chmod(0o700)
    assert code == 1
    assert "permission" in words


def test_a_finished_entry_reads_where_nothing_can_be_written(victim: Victim, tmp_path: Path) -> None:
    key = victim.finish(tmp_path)
    assert victim.wait(victim.start(tmp_path, limit=1)) == (0, key)
