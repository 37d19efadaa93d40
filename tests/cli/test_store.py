"""`probekit store`: exit code and text."""

from __future__ import annotations

import json

import pytest

from probekit.activations.activations import Activations
from probekit.activations.entry import shard_name
from probekit.activations.extract import extract
from tests.activations.plain import CORPUS
from tests.cli.test_extract import run
from tests.tiny_models import tiny_model


@pytest.fixture
def stored() -> Activations:
    return extract(tiny_model("bert"), CORPUS, rows_per_shard=10)


def test_list(stored: Activations, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("store", "list") == 0
    out = capsys.readouterr().out
    assert out.startswith(stored.key[:12])
    assert f"{stored.n_rows} word rows (mean), 3 layers of 32" in out
    assert run("store", "list", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["key"] == stored.key
    assert entry["complete"] is True


def test_verify(stored: Activations, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("store", "verify") == 0
    assert "1 entries verified, 0 damaged" in capsys.readouterr().err
    (stored.path / shard_name(0)).write_bytes(b"")
    (stored.path / shard_name(1)).unlink()
    assert run("store", "verify", stored.key[:8]) == 4
    shown = capsys.readouterr()
    assert f"{shard_name(0)}: 0 bytes instead of" in shown.out
    assert f"{shard_name(1)}: the file is missing" in shown.out
    assert "quarantine" in shown.out
    assert run("store", "verify", "--json") == 4
    assert len(json.loads(capsys.readouterr().out)["damages"]) == 2


def test_remove(stored: Activations, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("store", "remove", stored.key[:8]) == 2
    assert "--yes" in capsys.readouterr().err
    assert run("store", "remove", "ffff", "--yes") == 2
    assert "no entry" in capsys.readouterr().err
    assert run("store", "remove", stored.key[:8], "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["removed"] == stored.key
    assert not stored.path.exists()


def test_an_empty_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("store", "list") == 0
    assert run("store", "verify") == 0
    assert capsys.readouterr().out == ""
