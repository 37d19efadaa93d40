"""Interrupted anywhere and continued, a training ends with the same bits."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from probekit.errors import StoreError
from probekit.models.training import train as rooms
from probekit.models.training.train import train
from tests.models.training.tiny import masked, tiny

DOCUMENTS = {
    "causal, packed": tiny(steps=11, save_seconds=0.0, evaluate=4, checkpoints="log"),
    "masked, apart": masked(
        steps=11, save_seconds=0.0, evaluate=4, checkpoints="log", batches={"pack": False}
    ),
}


class Stop(Exception):
    """Power cut."""


def stopping(at: set[int], error: type[BaseException] = Stop) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "training" and done in at:
            at.discard(done)
            raise error

    return progress


def weights(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*.safetensors"))}


def curve(folder: Path) -> list[dict[str, Any]]:
    rows = json.loads((folder / "training.json").read_text())["curve"]
    return [{key: value for key, value in row.items() if key != "cpu_seconds"} for row in rows]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_the_same_bits(name: str, error: type[BaseException], tmp_path: Path) -> None:
    document = dict(DOCUMENTS[name])
    if error is KeyboardInterrupt:  # saved because it was interrupted
        document["save_seconds"] = 1000.0
    whole = train(document, out=tmp_path / "whole")
    stops = {3, 4, 7, 10}
    said: list[str] = []
    while stops:
        torch.manual_seed(random.randrange(1000))  # what happens outside does not count
        with pytest.raises(error):
            train(document, out=tmp_path / "cut", progress=stopping(stops, error))
        assert not (tmp_path / "cut").exists()
    cut = train(document, out=tmp_path / "cut", say=said.append)
    assert any("continuing at step 10 of 11" in line for line in said)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert cut.record["cost"]["interruptions"] == 4
    assert whole.revisions == (
        "step-000000",
        "step-000001",
        "step-000002",
        "step-000004",
        "step-000008",
        "step-000011",
    )
    assert not list((tmp_path / "cut").rglob("state*"))


def test_an_older_state_is_good_enough(tmp_path: Path) -> None:
    """Only the state of step 2 is there when the work stops at step 9."""
    document = tiny(steps=11)
    train(document, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(document, out=tmp_path / "cut", progress=stopping({2}, KeyboardInterrupt))
    with pytest.raises(Stop):
        train(document, out=tmp_path / "cut", progress=stopping({9}))
    train(document, out=tmp_path / "cut")
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_the_number_of_threads_is_that_of_the_beginning(tmp_path: Path) -> None:
    before, said, seen = torch.get_num_threads(), [], []
    document = DOCUMENTS["causal, packed"]
    try:
        torch.set_num_threads(1)
        with pytest.raises(Stop):
            train(document, out=tmp_path / "m", progress=stopping({5}))
        torch.set_num_threads(2)
        train(
            document,
            out=tmp_path / "m",
            say=said.append,
            progress=lambda *_: seen.append(torch.get_num_threads()),
        )
        assert set(seen) == {1}
        assert "continuing with 1 threads, as it began" in said
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_finished_part_only_needs_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(part: Path, final: Path) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(rooms, "_put_in_place", cut)
        with pytest.raises(Stop):
            train(tiny(), out=tmp_path / "m")
    steps: list[int] = []
    found = train(tiny(), out=tmp_path / "m", progress=lambda stage, done, total: steps.append(done))
    assert steps == []
    assert found.path == tmp_path / "m"
    assert (tmp_path / "m" / "model.safetensors").is_file()
    assert not (tmp_path / "m.unfinished").exists()


def test_a_damaged_state_is_said(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        train(DOCUMENTS["causal, packed"], out=tmp_path / "m", progress=stopping({5}))
    (file,) = (tmp_path / "m.unfinished" / "resume").glob("state-*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match="damaged or missing; train again with --fresh"):
        train(DOCUMENTS["causal, packed"], out=tmp_path / "m")
    train(DOCUMENTS["causal, packed"], out=tmp_path / "m", fresh=True)
