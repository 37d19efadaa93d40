"""CoLA as a suite: labels are groups, nothing is predicted."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_suite import load_suite
from probekit.errors import DataError


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "in_domain_dev.tsv"
    path.write_text("gj04\t1\t\tHe left.\ngj04\t0\t*\tLeft he the.\n")
    suite = load_suite("cola-acceptability", data=path)
    assert (suite.kind, suite.predictions, len(suite.anchors)) == ("acceptability", (), 2)
    assert [item.groups for item in suite] == [
        {"label": "1", "source": "gj04"},
        {"label": "0", "source": "gj04"},
    ]
    assert suite.needs_of(suite.items[0]) == (("*", "sentence"),)
    assert suite.items[1]["sentence"].text == "Left he the."
    path.write_text("gj04\t1\t\tHe left.\ngj04\t2\t*\tLeft he the.\n")
    with pytest.raises(DataError, match=r"in_domain_dev.tsv:2: four tab-separated columns"):
        load_suite("cola-acceptability", data=path)
