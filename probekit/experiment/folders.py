"""Where a run lies: found again by what it would compute, made anew otherwise."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from probekit.errors import DiskError
from probekit.results.files import checksum, tagged_hash
from probekit.results.run import Run

SCHEMA = 1
"""Raised whenever the same plan would give other numbers or other files than before."""
PREPARED = re.compile(r"\.(problem|task|neutral)\.json|\.problem\.[^.]+\.json")
"""What is written before a cell is done: problems, tasks, sentences for all. All else is a finished cell."""


def run_hash(plan: dict[str, Any], corpus_hash: str, models: list[str]) -> str:
    """What tells a run from others: the plan in force, the corpus's content, the models' files."""
    return tagged_hash(
        "probekit.run", {"schema": SCHEMA, "plan": plan, "corpus": corpus_hash, "models": models}
    )


def model_content(name: str, revision: str | None) -> str:
    """A model's identity before it is loaded: the checksums of a folder's files, or its name and revision."""
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{revision or ''}"
    files = sorted(
        p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin", ".json", ".txt", ".model"}
    )
    return tagged_hash("probekit.model-folder", {file.name: checksum(file) for file in files})


def find_or_make(runs: Path, experiment: str, digest: str, *, fresh: bool) -> tuple[Run, bool]:
    """The newest run of this hash, or a new folder `<utc>-<hash8>`; and whether it was there before."""
    home = runs / (experiment or "run")
    if not fresh:
        for folder in sorted(home.glob(f"*-{digest[:8]}"), reverse=True):
            if (folder / "run.json").is_file() and Run(folder).info.get("hash") == digest:
                return Run(folder), True
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = home / f"{stamp}-{digest[:8]}"
    number = 1
    while folder.exists():
        number += 1
        folder = home / f"{stamp}.{number}-{digest[:8]}"
    try:
        folder.mkdir(parents=True)
    except OSError as problem:
        raise DiskError(
            f"{folder}: cannot make the run folder: {problem.strerror}; name another with --runs"
        ) from None
    point_latest(home, folder)
    return Run(folder), False


def forget(run: Run) -> None:
    """Remove the folder of a run that came to nothing; one with a finished cell stays, to be continued."""
    cells = run.path / "cells"
    if any(not PREPARED.search(file.name) for file in cells.rglob("*.json") if file.name != "state.json"):
        return
    home = run.path.parent
    shutil.rmtree(run.path, ignore_errors=True)
    others = sorted(file.parent for file in home.glob("*-*/run.json"))
    if others:
        point_latest(home, others[-1])
        return
    with suppress(OSError):  # not empty, or not ours to remove
        (home / "latest").unlink(missing_ok=True)
        home.rmdir()
        home.parent.rmdir()


def point_latest(home: Path, folder: Path) -> None:
    """Let `latest` point to a run; a system without symbolic links goes without."""
    fresh = home / f".latest-{os.getpid()}"
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder.name, target_is_directory=True)
        fresh.replace(home / "latest")
    except OSError:
        fresh.unlink(missing_ok=True)
