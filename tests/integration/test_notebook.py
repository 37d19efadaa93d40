"""The notebooks run from top to bottom and are kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
NOTEBOOKS = sorted(EXPERIMENTS.glob("*/notebook.ipynb"))
IN_PROCESS = ("try_it",)
"""Notebooks whose cells another test runs without a kernel, which costs more than they do."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.parent.name in IN_PROCESS else [])
        for path in NOTEBOOKS
    ],
    ids=[path.parent.name for path in NOTEBOOKS],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "test accuracy" in shown
    assert "<table" in shown
    assert "image/svg" in shown or "<img" in shown
