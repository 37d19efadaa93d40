"""Which runs that came to nothing are removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.experiment.folders import forget
from probekit.results.run import Run


@pytest.mark.parametrize(
    "cell",
    [
        "m-t.linear.layer-3.json",
        "m.judge.0.parts.json",
        "m-change.adapt.adapted-0.json",
        "m-change-2.probe.upos.1.before.json",
        "m-adapt-trec/full-seed-1-0123abcd.json",
        "m-erase.upos.leace.3.0.json",
        "m-attend.relations.json",
        "m-look.projection.upos.json",
    ],
)
def test_a_run_with_a_finished_cell_stays(tmp_path: Path, cell: str) -> None:
    folder = tmp_path / "some" / "20260101T000000Z-0123abcd"
    file = folder / "cells" / cell
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    forget(Run(folder))
    assert file.is_file()


@pytest.mark.parametrize(
    "problem",
    [
        "m-adapt-trec.problem.json",
        "m-adapt-trec/full-seed-1-0123abcd.checkpoint/state.json",
        "m-change.task.json",
        "m-change.problem.upos.json",
        "m-erase.neutral.json",
    ],
)
def test_a_run_with_problems_alone_is_removed(tmp_path: Path, problem: str) -> None:
    folder = tmp_path / "some" / "20260101T000000Z-0123abcd"
    file = folder / "cells" / problem
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    forget(Run(folder))
    assert not folder.exists()
