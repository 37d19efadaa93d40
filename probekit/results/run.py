"""The folder of one run: what was asked, every measurement, every outcome, every picture's data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from probekit.errors import DataError, did_you_mean
from probekit.results.files import append_jsonl, read_json, read_jsonl, write_json
from probekit.results.measurement import Measurement
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel


class Run:
    """A run folder, read lazily and written a piece at a time.

    ``run.json``, ``measurements.jsonl``, ``outcomes/<cell>.{safetensors,json}``,
    ``artifacts/<nn>-<name>.{safetensors,json}`` (panels in the order shown), ``report/index.html``.
    Nothing is kept in memory: every call reads what lies on the disk now.

    >>> run = Run("my-run")
    >>> run.write_info({"question": "Is it there?"})
    >>> run.add_measurements([Measurement(metric="accuracy", layer="3", value=0.95, n=100)])
    >>> [(row.layer, row.value) for row in run.measurements()], run.finished
    ([('3', 0.95)], False)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def info(self) -> dict[str, Any]:
        """What run.json says: question, plan, versions, models ... Raises DataError where there is none."""
        file = self.path / "run.json"
        if not file.is_file():
            raise DataError(f"{self.path} is not a run folder: it holds no run.json")
        info = read_json(file)
        if not isinstance(info, dict):
            raise DataError(f"{file}:1: a run.json holds one JSON object; got {type(info).__name__}")
        return info

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Write run.json as a whole. Raises DiskError, and DataError for NaN."""
        write_json(self.path / "run.json", dict(info))

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "run.json").is_file() and bool(self.info.get("finished"))

    @property
    def page(self) -> Path:
        """Where the report stands (or will stand)."""
        return self.path / "report" / "index.html"

    def measurements(self) -> list[Measurement]:
        """Every row, in the order in which it was added; none yet gives an empty list."""
        file = self.path / "measurements.jsonl"
        return [Measurement.from_dict(row) for row in read_jsonl(file)] if file.exists() else []

    def add_measurements(self, rows: Iterable[Measurement]) -> None:
        """Append rows; they are on the disk when the call returns."""
        append_jsonl(self.path / "measurements.jsonl", [row.to_dict() for row in rows])

    def panels(self) -> list[Panel]:
        """Every panel, in the order in which it is shown."""
        return [Panel.load(stem) for stem in self._panel_stems()]

    def add_panel(self, panel: Panel) -> None:
        """Add a panel behind the others, or in the place of the one that has its name."""
        stems = self._panel_stems()
        for stem in stems:
            if stem.name.split("-", 1)[1] == panel.name:
                panel.save(stem)
                return
        number = int(stems[-1].name.split("-", 1)[0]) + 1 if stems else 1
        panel.save(self.path / "artifacts" / f"{number:02d}-{panel.name}")

    def cells(self) -> list[str]:
        """The names of the cells whose outcomes are kept, sorted."""
        return sorted(file.stem for file in (self.path / "outcomes").glob("*.safetensors"))

    def outcomes(self, cell: str) -> Outcomes:
        """What happened to every unit of a cell. Raises DataError for an unknown cell."""
        if cell not in self.cells():
            raise DataError(f"{self.path}: no outcomes of cell {cell!r}; {did_you_mean(cell, self.cells())}")
        return Outcomes.load(self.path / "outcomes" / cell)

    def add_outcomes(self, cell: str, outcomes: Outcomes) -> None:
        """Keep a cell's outcomes under a name that can be a file name."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=+#@-]{0,199}", cell):
            raise DataError(f"cell name {cell!r}: letters, digits and ._=+#@- only, at most 200 characters")
        outcomes.save(self.path / "outcomes" / cell)

    def _panel_stems(self) -> list[Path]:
        files = (self.path / "artifacts").glob("*.json")
        found = [file.with_suffix("") for file in files if re.match(r"\d+-", file.name)]
        return sorted(found, key=lambda stem: (int(stem.name.split("-", 1)[0]), stem.name))
