"""Cells in processes of their own: what ends a process costs one cell."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from probekit.adaptation import worker
from probekit.adaptation.cell import AdaptCell
from probekit.adaptation.do_cell import do_cell_here
from probekit.adaptation.worker import do_adapt_cell, do_adapt_cells, do_adapt_job, group_cells, work
from probekit.errors import ConfigError
from probekit.results.files import read_json, write_json
from tests.adaptation.test_do_cell import toy
from tests.tiny_models import tiny_folder

# stands for the worker: writes what lies ready for each cell, and ends as the cell's name says
PLAYED = """
import json, os, signal, sys
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["name"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell["name"] == "broken":
        sys.exit("a library is broken")
    os.replace(cell["stem"] + ".ready", cell["stem"] + ".json")
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


@pytest.fixture
def played(problem: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A worker that needs no imports; what it was asked for, call by call."""
    calls: list[list[str]] = []
    script = Path(problem).parent / "played.py"
    script.write_text(PLAYED)
    started = subprocess.Popen

    def begin(command: list[str], **given: Any) -> Any:
        assert command[1:3] == ["-m", "probekit.adaptation.worker"]
        assert {given["env"][name] for name in worker.ONE_THREAD} == {"1"}
        calls.append([cell["name"] for cell in read_json(command[3])["cells"]])
        return started([sys.executable, "-S", str(script), command[3]], **given)

    monkeypatch.setattr(subprocess, "Popen", begin)
    return calls


def make_ready(cells: list[AdaptCell]) -> None:
    do_cell_here(cells[0])
    for cell in reversed(cells):
        for ending, target in ((".safetensors", ".safetensors"), (".json", ".ready")):
            Path(cell.stem + target).write_bytes(Path(cells[0].stem + ending).read_bytes())
    Path(cells[0].stem + ".json").unlink()


def test_a_crash_costs_one_cell_and_is_tried_again(problem: str, played: list[list[str]]) -> None:
    cells = cells_of(problem, "one", "killed", "two", "broken", "three")
    make_ready(cells)
    results = do_adapt_job(cells)
    assert [bool(result.failed) for result in results] == [False, True, False, True, False]
    assert "killed (SIGKILL: most often the system had no memory left)" in results[1].failed
    assert results[3].failed == "its process ended with code 1: a library is broken"
    assert played == [["one", "killed", "two", "broken", "three"], ["two", "broken", "three"], ["three"]]
    assert [cell.done for cell in cells] == [True, False, True, False, True]
    played.clear()
    do_adapt_job(cells)
    assert played == [["killed", "broken"], ["broken"]]


def test_billed_cells_come_last_and_one_at_a_time(problem: str, played: list[list[str]]) -> None:
    cells = cells_of(problem, "a", "b", "c", strategy="full")
    billed = [AdaptCell(**{**cell.to_dict(), "stem": cell.stem + "-billed", "name": cell.name * 2, "billed": True})
              for cell in cells[:2]]  # fmt: skip
    make_ready([*cells, *billed])
    results = list(do_adapt_cells([*billed, *cells], jobs=2))
    assert len(results) == 5
    assert sorted(played[:2]) == [["a", "b"], ["c"]]
    assert played[2:] == [["aa"], ["bb"]]
    assert len(list(do_adapt_cells([*billed, *cells]))) == 5
    assert len(played) == 4
    with pytest.raises(ConfigError, match="jobs must be 1 or more"):
        list(do_adapt_cells(cells, jobs=0))


def test_a_child_does_several_cells_of_one_strategy_and_all_frozen_ones(problem: str) -> None:
    frozen = cells_of(problem, *"abcdefg")
    mixes = [AdaptCell(**{**cell.to_dict(), "strategy": "scalar-mix"}) for cell in frozen[:2]]
    told = [[cell.name for cell in group] for group in group_cells([*frozen, *mixes], jobs=2, per_child=3)]
    assert told == [[*"abcdefg", *"ab"]]
    cells = [AdaptCell(**{**cell.to_dict(), "strategy": "full"}) for cell in frozen]
    lora = [AdaptCell(**{**cell.to_dict(), "strategy": "lora"}) for cell in cells[:2]]
    told = [[cell.name for cell in group] for group in group_cells([*cells, *lora], jobs=2, per_child=3)]
    assert told == [["a", "b", "c"], ["d", "e", "f"], ["g"], ["a", "b"]]
    assert [len(group) for group in group_cells(cells[:2], jobs=4)] == [1, 1]


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
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    deadline = time.monotonic() + 120
    while not (child := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # its watch over the parent begins with its first line
    parent.kill()
    parent.wait()
    while _runs(int(child[0])) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(int(child[0]))


def _runs(process: int) -> bool:
    try:
        return b"adaptation.worker" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def test_an_interrupted_parent_ends_its_child(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen
    children: list[Any] = []

    class Interrupted(started):  # type: ignore[type-arg, misc, valid-type]
        def wait(self, timeout: float | None = None) -> int:
            if not children:
                children.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    def begin(command: list[str], **given: Any) -> Any:
        return Interrupted([sys.executable, "-S", "-c", "import time; time.sleep(60)"], **given)

    monkeypatch.setattr(subprocess, "Popen", begin)
    with pytest.raises(KeyboardInterrupt):
        do_adapt_job(cells_of(problem, "one"))
    assert children[0].returncode == -9
    assert not (Path(problem).parent / "0.json").exists()


def test_who_stops_listening_ends_all_children(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen
    begun: list[Any] = []

    def begin(command: list[str], **given: Any) -> Any:
        code = "raise SystemExit(1)" if read_json(command[3])["cells"][0]["name"] == "a" else "input()"
        begun.append(started([sys.executable, "-S", "-c", code], **given))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", begin)
    results = do_adapt_cells(cells_of(problem, *"abcd", strategy="full"), jobs=2, per_child=1)
    assert next(results).failed
    results.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 20
    while any(child.poll() is None for child in begun) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(child.poll() is not None for child in begun)
    assert len(begun) <= 4
    assert len(list(Path(problem).parent.glob("*.json"))) == 2  # the problem, and the cell that failed
