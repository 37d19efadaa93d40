"""Runs by path or by experiment name."""

from __future__ import annotations

from pathlib import Path

from probekit.errors import ConfigError, did_you_mean
from probekit.results.run import Run

RUNS = "runs"


def find_run(name: str | Path, root: str | Path = RUNS) -> Run:
    """The run that a name means: a run folder, a folder of runs (its latest), or an experiment's name under
    `root`.

    The latest run is the one that the link or text file `latest` names, else the one whose folder name sorts
    last (folders begin with their time). Raises ConfigError with the nearest known name.
    """
    for folder in (Path(name), Path(root) / name):
        if (folder / "run.json").is_file():
            return Run(folder)
        if latest := _latest(folder):
            return Run(latest)
    known = {run.path.parent.name for run in list_runs(root)}
    where = (
        f"no run {str(name)!r}: neither a run folder, nor a folder of runs, nor an experiment under {root}/"
    )
    raise ConfigError(f"{where}; {did_you_mean(str(name), known)}")


def list_runs(root: str | Path = RUNS) -> list[Run]:
    """Every run under `root` (`root/<experiment>/<run>`), ordered by experiment and time."""
    return [
        Run(file.parent) for file in sorted(Path(root).glob("*/*/run.json")) if file.parent.name != "latest"
    ]


def _latest(folder: Path) -> Path | None:
    pointer = folder / "latest"
    if pointer.is_file():
        # a text file holds a bare folder name; anything that leads elsewhere is not followed
        named = folder / Path(pointer.read_text("utf-8", "replace").strip() or ".").name
        if (named / "run.json").is_file():
            return named
    elif (pointer / "run.json").is_file():
        return pointer.resolve()
    runs = sorted(file.parent for file in folder.glob("*/run.json") if file.parent.name != "latest")
    return runs[-1] if runs else None
