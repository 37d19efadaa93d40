"""Fixtures of the whole suite: no network, a store of its own, the public data where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's store."""
    root = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("PROBEKIT_STORE", str(root))
    return root


@pytest.fixture(autouse=True)
def page_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in tests of experiments and commands draw their page, and leave out the same figures as files beside it.

    Those take three quarters of such a run, and are drawn in `tests/report` and `tests/integration`.
    """
    if request.path.parent.name in ("experiment", "cli"):
        monkeypatch.setattr("probekit.report.write.render", lambda panel, kind, width: b"left out")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout (tests marked `real`)."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not beside this checkout (../shared/data)")
    return folder
