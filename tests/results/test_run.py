"""The run folder: pieces come back in order, names stay inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.errors import ConfigError, DataError
from probekit.results.find import find_run, list_runs
from probekit.results.measurement import Measurement
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel
from probekit.results.run import Run


def sentence(name: str, text: str = "x") -> Panel:
    return Panel("sentence", name, name, labels={"text": text})


def test_a_run_grows_piece_by_piece(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    assert (run.measurements(), run.panels(), run.cells(), run.finished) == ([], [], [], False)
    run.write_info({"name": "r"})
    assert not run.finished
    run.add_measurements([Measurement(metric="a", value=1.0)])
    run.add_measurements([Measurement(metric="b", value=2.0)])
    assert [row.metric for row in run.measurements()] == ["a", "b"]
    run.write_info({"name": "r", "finished": "2026-11-20T00:00:00Z"})
    assert run.finished


def test_panels_keep_their_order_beyond_ten_and_replace_by_name(tmp_path: Path) -> None:
    run = Run(tmp_path)
    names = [f"p{i}" for i in range(102)]
    for name in names:
        run.add_panel(sentence(name))
    run.add_panel(sentence("p3", "new"))
    panels = run.panels()
    assert [panel.name for panel in panels] == names
    assert panels[3].labels["text"] == "new"


def test_outcomes_by_cell(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.add_outcomes("linear.layer=3", Outcomes(("a",), [0], [0], [0], labels=("x",)))  # type: ignore[arg-type]
    assert run.cells() == ["linear.layer=3"]
    assert run.outcomes("linear.layer=3").ids == ("a",)
    with pytest.raises(DataError, match=r"did you mean 'linear\.layer=3'"):
        run.outcomes("linear.layer=4")
    for name in ("../x", "a/b", "", ".hidden"):
        with pytest.raises(DataError, match="cell name"):
            run.add_outcomes(name, run.outcomes("linear.layer=3"))


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run\.json"):
        _ = Run(tmp_path).info
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(DataError, match="one JSON object"):
        _ = Run(tmp_path).info


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("20260101T0-a", "20260102T0-b", "20260103T0-c"):
        Run(tmp_path / "runs" / "quickstart" / name).write_info({"name": name})
    return tmp_path / "runs"


def test_the_latest_run_without_a_pointer_is_the_newest(root: Path) -> None:
    assert find_run("quickstart", root).path.name == "20260103T0-c"
    assert find_run(root / "quickstart").path.name == "20260103T0-c"
    assert find_run("quickstart/20260101T0-a", root).path.name == "20260101T0-a"
    assert find_run(root / "quickstart" / "20260102T0-b").path.name == "20260102T0-b"


def test_the_pointer_wins_as_link_and_as_text(root: Path) -> None:
    pointer = root / "quickstart" / "latest"
    pointer.symlink_to("20260101T0-a")
    assert find_run("quickstart", root).path.name == "20260101T0-a"
    assert len(list_runs(root)) == 3
    pointer.unlink()
    pointer.write_text("20260102T0-b\n")
    assert find_run("quickstart", root).path.name == "20260102T0-b"
    pointer.write_text("../../elsewhere")
    assert find_run("quickstart", root).path.name == "20260103T0-c"
    pointer.unlink()
    pointer.symlink_to("gone")
    assert find_run("quickstart", root).path.name == "20260103T0-c"


def test_an_unknown_run_has_a_hint(root: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        find_run("quikstart", root)
