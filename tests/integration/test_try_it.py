"""The notebook with the widget: its cells run one after the other in this process, and what each shows is looked at."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import probekit as pk

NOTEBOOK = Path(__file__).resolve().parents[2] / "experiments" / "try_it" / "notebook.ipynb"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; the value of its last expression."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), str(NOTEBOOK), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # ipywidgets 8 on its own names
def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
    names: dict[str, Any] = {}
    accuracy, widget, found, table, figures = [
        run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"
    ]
    assert accuracy.startswith("test accuracy ")
    assert float(accuracy.split()[2]) >= 0.5
    widget.box.value = "How many doors has the <b>house</b>?"
    assert widget.explanation.label == "number"
    assert "&lt;b&gt;house&lt;/b&gt;?" in widget.shown.value
    assert found.panels[-1].kind == "attention"
    assert found.probabilities.keys() == {"person", "place", "number"}
    assert set(table.metric) == {"probability", "importance"}
    assert len(figures) == 2
    assert "<img" in figures._repr_html_()
    assert pk.load_adapted("question-types").classes_.tolist() == ["number", "person", "place"]
