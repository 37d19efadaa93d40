"""Measuring a stretch of work: CPU and wall seconds of this process, and what else the machine did meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

STAT = Path("/proc/stat")


class Meter:
    """CPU seconds of this process (all threads), wall seconds, and how many cores others kept busy, while it is open.

    `busy_elsewhere` is None where the system does not tell. It counts the whole machine, so also neighbours outside a
    container; its precision is a hundredth of a second, so it is None for stretches below a fifth of a second.

    >>> with Meter() as meter:
    ...     total = sum(range(100_000))
    >>> meter.cpu > 0, meter.wall > 0
    (True, True)
    """

    cpu: float = 0.0
    wall: float = 0.0
    busy_elsewhere: float | None = None
    load_before: float | None = None
    load_after: float | None = None

    def __enter__(self) -> Meter:
        self.load_before = load_average()
        self._busy = busy_seconds()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        self.load_after = load_average()
        busy = busy_seconds()
        if busy is not None and self._busy is not None and self.wall >= 0.2:
            self.busy_elsewhere = max(0.0, (busy - self._busy - self.cpu) / self.wall)


def load_average() -> float | None:
    """The system's load average over the last minute; None where it has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def busy_seconds() -> float | None:
    """Seconds that all cores together have been busy since the system started; None where it does not tell."""
    try:
        words = STAT.read_text().split("\n", 1)[0].split()
        user, nice, system, _, _, irq, softirq, steal = (int(word) for word in words[1:9])
        return (user + nice + system + irq + softirq + steal) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError):
        return None
