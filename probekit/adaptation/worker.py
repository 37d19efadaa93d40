"""Cells in processes of their own, forked by `python -m probekit.adaptation.worker` for the jobs that it is asked for.

A job names cells; each writes its own result. What ends the process (no memory, a crash in foreign code) costs one
cell, which is recorded as failed; those after it are done by the next process.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.nursery import Nursery, serve
from probekit.adaptation.strategy import find_strategy
from probekit.errors import ConfigError
from probekit.results.files import read_json, write_json

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Children:
    """The processes that do cells, one for each that may be under way at a time; they start once and are used again.

    Leaving it as a context ends them all.
    """

    def __init__(self) -> None:
        self._idle: list[Nursery] = []
        self._all: list[Nursery] = []
        self._lock = threading.Lock()
        self.stopped = False

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for nursery in self._all:
            nursery.close()

    @contextmanager
    def one(self) -> Iterator[Nursery]:
        """One that is idle, for the time of a job."""
        with self._lock:
            if not self._idle:
                environment = (
                    os.environ | dict.fromkeys(ONE_THREAD, "1") | {"TOKENIZERS_PARALLELISM": "false"}
                )
                self._all.append(Nursery([sys.executable, "-m", "probekit.adaptation.worker"], environment))
                self._idle.append(self._all[-1])
            nursery = self._idle.pop()
        if self.stopped:
            nursery.stop()
        yield nursery
        with self._lock:
            self._idle.append(nursery)

    def stop(self) -> None:
        """End every child; none is begun any more, and cells under way leave no result."""
        self.stopped = True
        for nursery in self._all:
            nursery.stop()


def do_adapt_cell(cell: AdaptCell) -> CellResult:
    """Do one cell in a child process of one thread, unless its result lies there, and give its result."""
    with Children() as children:
        [result] = do_adapt_job([cell], children)
    return result


def do_adapt_job(cells: Sequence[AdaptCell], children: Children) -> list[CellResult]:
    """Do some cells one after the other in one child process (a further one after a crash); their results in order."""
    left = [cell for cell in cells if not cell.done]
    for cell in left:  # what a crash left is not the result of this attempt
        Path(cell.stem + ".json").unlink(missing_ok=True)
    while left:
        reason = _run_child(left, children)
        if children.stopped:
            return []
        without = [cell for cell in left if not Path(cell.stem + ".json").is_file()]
        if without:
            _record_crash(without[0], reason or "its process ended without a result; run it again")
        left = without[1:]
    return [cell.result() for cell in cells]


def do_adapt_cells(
    cells: Sequence[AdaptCell], *, jobs: int = 1, children: Children | None = None
) -> Iterator[CellResult]:
    """Do cells, unbilled ones up to `jobs` at a time, then billed ones one at a time with the machine to themselves.

    Results come as they end. `children` may be kept for further cells. Raises ConfigError for `jobs` below 1.
    """
    if jobs < 1:
        raise ConfigError(f"jobs must be 1 or more; got {jobs}")
    if children is None:
        with Children() as own:
            yield from do_adapt_cells(cells, jobs=jobs, children=own)
        return
    ready = [cell for cell in cells if cell.done]
    yield from (cell.result() for cell in ready)
    left = [cell for cell in cells if not cell.done]
    groups = group_cells([cell for cell in left if not cell.billed])
    if jobs == 1 or len(groups) < 2:
        for group in groups:
            yield from do_adapt_job(group, children)
    else:
        with ThreadPoolExecutor(jobs) as pool:  # its threads only wait for their child processes
            futures = [pool.submit(do_adapt_job, group, children) for group in groups]
            try:
                for future in as_completed(futures):
                    yield from future.result()
            except BaseException:
                children.stop()
                pool.shutdown(cancel_futures=True)
                raise
    for cell in left:
        if cell.billed:
            yield from do_adapt_job([cell], children)


def group_cells(cells: Sequence[AdaptCell]) -> list[list[AdaptCell]]:
    """Cells in groups that a child does one after the other: each fine-tuning alone, and all frozen ones together.

    Frozen strategies read the same texts, so one process reads them for all; and a head is fitted in seconds.
    """
    frozen = [cell for cell in cells if find_strategy(cell.strategy).family == "feature-extraction"]
    return [frozen] * bool(frozen) + [[cell] for cell in cells if cell not in frozen]


def _run_child(cells: Sequence[AdaptCell], children: Children) -> str:
    """Run a worker over cells; why it ended badly, or ""."""
    with tempfile.TemporaryDirectory(prefix="probekit-job-") as folder, children.one() as nursery:
        job = Path(folder) / "job.json"
        write_json(job, {"cells": [cell.to_dict() for cell in cells]})
        code, said = nursery.do(job)
    if code == 0:
        return ""
    if code < 0:
        return f"{_signal(-code)}; run it again, with less beside it or a smaller batch_size"
    return f"its process ended with code {code}: {said or 'it said nothing'}"


def _signal(number: int) -> str:
    name = str(number)
    with suppress(ValueError):
        name = signal.Signals(number).name
    if name == "SIGKILL":
        return "its process was killed (SIGKILL: most often the system had no memory left)"
    return f"its process was ended by {name}"


def _record_crash(cell: AdaptCell, reason: str) -> None:
    from probekit.adaptation.do_cell import failed_result
    from probekit.adaptation.problem import AdaptProblem

    failed_result(cell, AdaptProblem.load(cell.problem), reason, retry=True).save(cell.stem)


def work(job: str | Path) -> None:
    """Do the cells of a job file in this process, one after the other, on one thread."""
    import torch

    from probekit.adaptation.do_cell import do_cell_here

    torch.set_num_threads(1)
    cells = [AdaptCell.from_dict(one) for one in read_json(job)["cells"]]
    for cell in cells:
        do_cell_here(cell, isolated=len(cells) == 1)


if __name__ == "__main__":
    import_module("probekit.adaptation.do_cell")  # what every cell needs, once for all
    serve(work)
