"""`probekit doctor`: what a bug report should say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.experiment import health
from probekit.experiment.estimate import Rates
from tests.cli.test_extract import run


def test_doctor(own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") == 0
    out = capsys.readouterr().out
    for word in (
        "python",
        "torch",
        "machine",
        "offline (HF_HUB_OFFLINE is set)",
        str(own_store),
        "0 entries",
        "rates",
    ):
        assert word in out
    assert run("doctor", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["offline"] is True
    assert found["store"] == {"path": str(own_store), "entries": 0, "bytes": 0}


def test_measured_rates_are_kept_beside_the_store(
    own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("doctor", "--measure", "--json") == 0
    rates = json.loads(capsys.readouterr().out)["rates"]
    assert rates["forward"] > 0
    assert rates["solve"] > 0
    assert json.loads((own_store / "rates.json").read_text()) == rates


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"forward": 0, "solve": 1}', '{"forward": "x", "solve": 1}']
)
def test_rates_that_make_no_sense_are_not_used(text: str, own_store: Path) -> None:
    (own_store / "rates.json").write_text(text)
    assert health.rates_of(own_store) == Rates()
