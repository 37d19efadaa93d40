"""Writing reports: the page of a run, or a page made of results in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probekit.errors import ConfigError
from probekit.report.figures.style import COLUMN, PAGE
from probekit.report.page import build_page
from probekit.report.plot import DRAWINGS, panels_of, render
from probekit.results.files import canonical_json, write_bytes
from probekit.results.panel import Panel, distinct
from probekit.results.run import Run


def write_page(run: Run, folder: str | Path | None = None) -> Path:
    """Write a run's page and, beside it, `figures/<name>.svg`, `.pdf` and `<name>-column.pdf`; returns the
    page.

    `folder` defaults to the run's own `report/`. Raises DiskError, and what reading a damaged run raises.
    """
    folder = Path(folder) if folder is not None else run.page.parent
    page = build_page(run)
    for panel in run.panels():
        if panel.kind in DRAWINGS:
            stem = folder / "figures" / panel.name
            write_bytes(stem.with_name(panel.name + ".svg"), render(panel, "svg", width=PAGE))
            write_bytes(stem.with_name(panel.name + ".pdf"), render(panel, "pdf", width=PAGE))
            write_bytes(stem.with_name(panel.name + "-column.pdf"), render(panel, "pdf", width=COLUMN))
    write_bytes(folder / "index.html", page)
    return folder / "index.html"


def write_report(path: str | Path, *things: Any, question: str = "", expectation: str = "") -> Path:
    """Put results together on one page: a run folder at `path` with their rows and panels; returns the page.

    `things` are analysis results (anything with `.rows` and `.panels`, and, where they have it, `.summary`)
    or panels. A single `Run` and no other path writes that run's page to `path`. What an earlier call left
    under `path` is replaced. Raises ConfigError where nothing is given, DiskError.

    >>> panel = Panel("sentence", "answer", "In a sentence", labels={"text": "Layer 3 is best."})
    >>> str(write_report("my-report", panel, question="Which layer is best?"))
    'my-report/report/index.html'
    """
    if not things:
        raise ConfigError("write_report needs at least one result: a sweep, a comparison, a Panel or a Run")
    if len(things) == 1 and isinstance(things[0], Run):
        return write_page(things[0], path)
    run = Run(path)
    rows, panels, summary = [], [], []
    for thing in things:
        if not isinstance(thing, Panel):
            rows += [
                row.to_dict() for row in _call(thing, "measurements" if isinstance(thing, Run) else "rows")
            ]
            summary += [str(sentence) for sentence in _call(thing, "summary")]
        panels += panels_of(thing)
    write_bytes(run.path / "measurements.jsonl", b"".join(canonical_json(row) + b"\n" for row in rows))
    for stale in (run.path / "artifacts").glob("[0-9]*-*.*"):
        stale.unlink()
    for panel in distinct(panels):
        run.add_panel(panel)
    words = {"name": run.path.name, "question": question, "expectation": expectation, "summary": summary}
    run.write_info({**words, "finished": True})
    return write_page(run)


def _call(thing: Any, name: str) -> list[Any]:
    found = getattr(thing, name, ())
    found = found() if callable(found) else found
    return [found] if isinstance(found, str) else list(found)
