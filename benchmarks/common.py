"""The protocol of every benchmark: peers in one process, turn by turn, as ratios, and only at equal results.

CPU seconds of the process on one thread: wall time on a shared machine is noise, and so are absolute times. A
benchmark is a module with ``NAME`` and ``run(rounds) -> Iterator[Ratio]``; `python -m benchmarks --only NAME`
prints each ratio as one JSON line and exits with 1 if any result differs from its peer's.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@dataclass(frozen=True)
class Ratio:
    """How many times our work goes into a peer's: ``ratio`` > 1 means that we are faster.

    ``low`` and ``high`` are the smallest and largest ratio over the rounds, ``aim`` what was set out for;
    ``equal`` says whether the results agreed, and ``difference`` how far they were apart, in the unit that
    `note` names.
    """

    benchmark: str
    peer: str
    ratio: float
    low: float
    high: float
    rounds: int
    aim: float
    equal: bool
    difference: float
    note: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """One JSON line."""
        return json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()})


def round_robin(
    peers: Mapping[str, Callable[[], Any]],
    rounds: int,
    keep: Callable[[str, Any], None] = lambda name, result: None,
) -> dict[str, list[float]]:
    """CPU seconds of every peer in every round, after one unmeasured turn; `keep` sees each result of that turn."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, work in peers.items():
            begun = time.process_time()
            result = work()
            spent = time.process_time() - begun
            if number:
                seconds[name].append(spent)
            else:
                keep(name, result)
    return seconds


def compare(
    benchmark: str, ours: list[float], theirs: list[float], *, peer: str, aim: float, equal: bool, difference: float,
    note: str = "",
) -> Ratio:  # fmt: skip
    """The ratio of two series of CPU seconds: median over rounds of theirs / ours, each round by itself."""
    ratios = [other / own for other, own in zip(theirs, ours, strict=True)]
    seconds = {"ours": round(statistics.median(ours), 3), "peer": round(statistics.median(theirs), 3)}
    return Ratio(
        benchmark, peer, statistics.median(ratios), min(ratios), max(ratios), len(ratios), aim, equal, difference,
        note, seconds,
    )  # fmt: skip
