"""Cells in processes of their own: what ends a process costs one cell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from probekit.adaptation import worker
from probekit.adaptation.cell import AdaptCell
from probekit.adaptation.do_cell import do_cell_here
from probekit.adaptation.worker import (
    Children,
    do_adapt_cell,
    do_adapt_cells,
    do_adapt_job,
    group_cells,
    work,
)
from probekit.errors import ConfigError
from probekit.results.files import write_json
from tests.adaptation.test_do_cell import toy
from tests.tiny_models import tiny_folder

# stands for the worker: writes what lies ready for each cell, and ends as the cell's name says
PLAYED = """
import json, os, signal, sys, time
sys.path.insert(0, ROOT)
from probekit.adaptation.nursery import serve
def work(job):
    cells = json.load(open(job))["cells"]
    with open(CALLS, "a") as calls:
        calls.write(json.dumps([os.getpid(), os.getppid(), [cell["name"] for cell in cells]]) + chr(10))
    for cell in cells:
        if cell["name"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if cell["name"] == "parentless":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        if cell["name"] == "long":
            time.sleep(60)
        if cell["name"] == "broken":
            raise RuntimeError("a library is broken")
        os.replace(cell["stem"] + ".ready", cell["stem"] + ".json")
serve(work)
"""


@pytest.fixture
def problem(tmp_path: Path) -> str:
    toy().save(tmp_path / "problem")
    return str(tmp_path / "problem")


def cells_of(problem: str, *names: str, strategy: str = "frozen-linear", **changed: Any) -> list[AdaptCell]:
    model = {"name": str(tiny_folder("bert")), "device": "cpu"}
    folder = Path(problem).parent
    return [
        AdaptCell(name=name, stem=str(folder / f"{n}"), problem=problem, model=model, strategy=strategy,
                  store=str(folder / "store"), **changed)
        for n, name in enumerate(names)
    ]  # fmt: skip


class Played:
    """A worker that needs no heavy imports; what it was asked for, and the processes that did it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "calls.jsonl"
        self.script = folder / "played.py"
        root = str(Path(worker.__file__).parents[2])
        self.script.write_text(f"ROOT = {root!r}\nCALLS = {str(self.log)!r}\n{PLAYED}")

    def _lines(self) -> list[Any]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    @property
    def calls(self) -> list[list[str]]:
        return [names for _, _, names in self._lines()]

    @property
    def processes(self) -> list[int]:
        return [process for process, _, _ in self._lines()]

    @property
    def parents(self) -> set[int]:
        return {parent for _, parent, _ in self._lines()}

    def clear(self) -> None:
        self.log.unlink(missing_ok=True)


@pytest.fixture
def played(problem: str, monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played(Path(problem).parent)
    started = subprocess.Popen

    def begin(command: list[str], **given: Any) -> Any:
        assert command[1:] == ["-m", "probekit.adaptation.worker"]
        assert {given["env"][name] for name in worker.ONE_THREAD} == {"1"}
        return started([sys.executable, str(played.script)], **given)

    monkeypatch.setattr(subprocess, "Popen", begin)
    return played


def make_ready(cells: list[AdaptCell]) -> None:
    do_cell_here(cells[0])
    for cell in reversed(cells):
        for ending, target in ((".safetensors", ".safetensors"), (".json", ".ready")):
            Path(cell.stem + target).write_bytes(Path(cells[0].stem + ending).read_bytes())
    Path(cells[0].stem + ".json").unlink()


def test_a_crash_costs_one_cell_and_is_tried_again(problem: str, played: Played) -> None:
    cells = cells_of(problem, "one", "killed", "two", "broken", "three")
    make_ready(cells)
    with Children() as children:
        results = do_adapt_job(cells, children)
    assert [bool(result.failed) for result in results] == [False, True, False, True, False]
    assert "killed (SIGKILL: most often the system had no memory left)" in results[1].failed
    assert results[3].failed == "its process ended with code 1: RuntimeError: a library is broken"
    assert played.calls == [
        ["one", "killed", "two", "broken", "three"],
        ["two", "broken", "three"],
        ["three"],
    ]
    assert len(set(played.processes)) == 3
    assert len(played.parents) == 1
    assert played.parents.isdisjoint(played.processes)
    assert [cell.done for cell in cells] == [True, False, True, False, True]
    played.clear()
    with Children() as children:
        do_adapt_job(cells, children)
    assert played.calls == [["killed", "broken"], ["broken"]]


def test_billed_cells_come_last_and_one_at_a_time(problem: str, played: Played) -> None:
    cells = cells_of(problem, "a", "b", "c", strategy="full")
    billed = [AdaptCell(**{**cell.to_dict(), "stem": cell.stem + "-billed", "name": cell.name * 2, "billed": True})
              for cell in cells[:2]]  # fmt: skip
    make_ready([*cells, *billed])
    results = list(do_adapt_cells([*billed, *cells], jobs=2))
    assert len(results) == 5
    assert sorted(played.calls[:3]) == [["a"], ["b"], ["c"]]
    assert played.calls[3:] == [["aa"], ["bb"]]
    assert len(set(played.processes)) == 5
    assert len(played.parents) == 2
    assert len(list(do_adapt_cells([*billed, *cells]))) == 5
    assert len(played.calls) == 5
    with pytest.raises(ConfigError, match="jobs must be 1 or more"):
        list(do_adapt_cells(cells, jobs=0))


def test_a_child_does_all_frozen_cells_or_one_fine_tuning(problem: str) -> None:
    frozen = cells_of(problem, *"abc")
    mixes = [AdaptCell(**{**cell.to_dict(), "strategy": "scalar-mix"}) for cell in frozen[:2]]
    tuned = [AdaptCell(**{**cell.to_dict(), "strategy": "full"}) for cell in frozen[:2]]
    told = [[cell.name for cell in group] for group in group_cells([*tuned, *frozen, *mixes])]
    assert told == [[*"abcab"], ["a"], ["b"]]
    assert [len(group) for group in group_cells(tuned)] == [1, 1]


def test_a_job_is_done_as_written(problem: str, tmp_path: Path) -> None:
    cells = cells_of(problem, "one", "two", billed=True)
    write_json(tmp_path / "job.json", {"cells": [cell.to_dict() for cell in cells]})
    work(tmp_path / "job.json")
    bills = [cell.result().bill for cell in cells]
    assert [bill is not None and bill.alone for bill in bills] == [False, False]
    write_json(tmp_path / "job.json", {"cells": [cells[0].to_dict()]})
    work(tmp_path / "job.json")
    bill = cells[0].result().bill
    assert bill is not None
    assert bill.alone


@pytest.mark.faults
def test_a_real_child_gives_the_same_bits_and_does_not_outlive_its_parent(
    problem: str, tmp_path: Path
) -> None:
    [cell] = cells_of(problem, "one")
    here = do_cell_here(cell)
    Path(cell.stem + ".json").unlink()
    there = do_adapt_cell(cell)
    assert (there.dev == here.dev).all()
    assert (there.test == here.test).all()
    long = AdaptCell(
        **{**cell.to_dict(), "strategy": "full", "stem": str(tmp_path / "long"), "least_steps": 10**6}
    )
    write_json(tmp_path / "cell.json", long.to_dict())
    code = (
        "import sys, json; from probekit.adaptation.cell import AdaptCell; from probekit.adaptation import worker\n"
        "worker.do_adapt_cell(AdaptCell.from_dict(json.load(open(sys.argv[1]))))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "cell.json")])
    deadline = time.monotonic() + 120
    while not (below := [*_children(parent.pid)]) or not (at_work := [*_children(below[0])]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    assert _ended([*below, *at_work])


def _children(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _runs(process: int) -> bool:
    """Whether a process is there and at work: one that ended and is not waited for yet is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _ended(processes: Iterable[int]) -> bool:
    deadline = time.monotonic() + 20
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(_runs, processes))


def test_an_interrupted_parent_ends_its_child(
    problem: str, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of(problem, "long")
    make_ready(cells)

    def interrupt() -> None:
        while not played.calls:
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(do_adapt_cells(cells))
    assert _ended([*played.processes, *played.parents])
    assert not Path(cells[0].stem + ".json").exists()


def test_a_worker_that_is_killed_costs_one_cell_and_its_child_ends(problem: str, played: Played) -> None:
    cells = cells_of(problem, "parentless", "two")
    make_ready(cells)
    results = list(do_adapt_cells(cells))
    assert [bool(result.failed) for result in results] == [True, False]
    assert "killed (SIGKILL" in results[0].failed
    assert len(played.parents) == 2
    assert _ended(played.processes)


def test_a_worker_that_cannot_begin_says_why(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen
    code = "raise ImportError('a library is missing')"
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **given: started([sys.executable, "-S", "-c", code], **given)
    )
    results = list(do_adapt_cells(cells_of(problem, "one", "two")))
    assert [result.failed for result in results] == [
        "its process ended with code 1: ImportError: a library is missing"
    ] * 2


def test_a_process_of_several_threads_does_one_job_itself(problem: str, played: Played) -> None:
    played.script.write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        + played.script.read_text()
    )
    cells = cells_of(problem, "one", "killed", "two", "broken")
    make_ready(cells)
    results = list(do_adapt_cells(cells))
    assert [bool(result.failed) for result in results] == [False, True, False, True]
    assert "killed (SIGKILL" in results[1].failed
    assert results[3].failed == "its process ended with code 1: RuntimeError: a library is broken"
    assert played.parents == {os.getpid()}
    assert len(set(played.processes)) == 2


def test_who_stops_listening_ends_all_children(problem: str, played: Played) -> None:
    cells = cells_of(problem, "broken", "long", "long", "long", strategy="full")
    make_ready(cells)
    results = do_adapt_cells(cells, jobs=2)
    assert next(results).failed
    results.close()  # type: ignore[attr-defined]
    assert _ended([*played.processes, *played.parents])
    assert len(played.calls) <= 3
    assert len(list(Path(problem).parent.glob("*.json"))) == 2  # the problem, and the cell that failed
