"""Peak anonymous memory of this process: what it asked for itself, without pages of mapped files."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

STATUS = Path("/proc/self/status")


def anonymous_mb() -> float:
    """Anonymous resident memory now, in MB (10^6 bytes); where the system does not tell, the peak resident size."""
    try:
        for line in STATUS.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


class PeakMemory:
    """Samples anonymous memory every 50 ms while it is open; `peak_mb` is the highest value seen.

    >>> with PeakMemory() as memory:
    ...     block = bytes(10_000_000)
    >>> memory.peak_mb > 10
    True
    """

    def __init__(self, every: float = 0.05) -> None:
        self.peak_mb = 0.0
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="probekit-memory")

    def __enter__(self) -> PeakMemory:
        self.peak_mb = anonymous_mb()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.peak_mb = max(self.peak_mb, anonymous_mb())

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self.peak_mb = max(self.peak_mb, anonymous_mb())
