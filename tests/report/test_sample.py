"""The committed sample report is what the code makes of its run folder today, byte for byte."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from probekit.report.page import build_page
from probekit.results.run import Run

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "reports" / "sample"
DRAWN_BY = ("matplotlib", "numpy", "jinja2", "pandas", "seaborn")


def other_versions() -> list[str]:
    """Packages that draw the page and are installed in another version than constraints.txt says."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", lines, re.MULTILINE))
    return [f"{name} {version(name)}" for name in DRAWN_BY if version(name) != pinned[name]]


def test_the_sample_is_finished_small_and_says_what_it_found() -> None:
    run = Run(SAMPLE)
    assert run.finished
    assert run.info["failed"] == []
    assert run.info["file"] == (SAMPLE / "experiment.toml").read_text(encoding="utf-8"), "run: make sample"
    assert {"selectivity", "accuracy", "f1", "center_of_gravity"} <= {
        row.metric for row in run.measurements()
    }
    assert run.info["summary"][0][:40] in run.page.read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in SAMPLE.rglob("*") if file.is_file()) < 1_000_000


def test_its_page_is_built_again_byte_for_byte() -> None:
    others = other_versions()
    if others:
        pytest.skip(f"bytes are promised under constraints.txt; here are {', '.join(others)}")
    assert build_page(Run(SAMPLE)) == (SAMPLE / "report" / "index.html").read_bytes(), "run: make sample"
