"""A run killed at any moment goes on at its last checkpoint and ends with the same bits."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from probekit.adaptation.checkpoint import STATE, Keeper, own_generators
from probekit.adaptation.fine_tune import FineTune
from probekit.errors import ConfigError, StoreError
from probekit.results.files import read_json
from tests.adaptation.small_tasks import FLIPPED, LABELS, TEXTS, same, weights
from tests.tiny_models import tiny_folder


class Killed(BaseException):
    """Stands for the end of the process."""


def classifier(folder: Path | None, strategy: str = "full", **changed: Any) -> FineTune:
    settings: dict[str, Any] = {"epochs": 3, "rate": 1e-3, "batch_size": 2, "accumulate": 2, "metric": "loss"}
    return FineTune(
        str(tiny_folder("bert")), strategy, checkpoint=folder, save_seconds=0.0, **settings | changed
    )


def fit(clf: FineTune, *, kill: int | None = None, dev: Any = LABELS) -> FineTune:
    def progress(stage: str, done: int, total: int) -> None:
        if done == kill:
            raise Killed

    return clf.fit(TEXTS, LABELS, TEXTS, dev, progress=progress)


def history(clf: FineTune) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "cpu_seconds"} for record in clf.history_]


@pytest.mark.parametrize(("strategy", "dev"), [("full", FLIPPED), ("gradual", LABELS), ("lora", LABELS)])
def test_killed_at_several_steps_it_ends_with_the_same_bits(strategy: str, dev: Any, tmp_path: Path) -> None:
    if strategy == "lora":
        pytest.importorskip("peft")
    whole = fit(classifier(None, strategy), dev=dev)
    # 3 steps an epoch: at the last step of one, in the first of the next, in the last epoch
    for kill in (3, 4, 8):
        with pytest.raises(Killed):
            fit(classifier(tmp_path / "state", strategy), kill=kill, dev=dev)
    again = fit(classifier(tmp_path / "state", strategy), dev=dev)
    assert same(weights(again.live_), weights(whole.live_))
    assert history(again) == history(whole)
    assert again.n_stored_ == whole.n_stored_
    assert not (tmp_path / "state").exists()


def test_it_goes_on_where_it_was_and_does_not_begin_anew(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path), kill=5)
    assert read_json(tmp_path / STATE)["progress"]["step"] == 4  # killed before the fifth was written
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    steps: list[int] = []
    classifier(tmp_path).fit(TEXTS, LABELS, TEXTS, LABELS, progress=lambda _s, done, _t: steps.append(done))
    assert steps == [5, 6, 7, 8, 9]


def test_early_stopping_goes_on_too(tmp_path: Path) -> None:
    whole = fit(classifier(None, epochs=8, patience=2, schedule="constant", rate=5e-3), dev=FLIPPED)
    with pytest.raises(Killed):
        fit(classifier(tmp_path, epochs=8, patience=2, schedule="constant", rate=5e-3), kill=7, dev=FLIPPED)
    again = fit(classifier(tmp_path, epochs=8, patience=2, schedule="constant", rate=5e-3), dev=FLIPPED)
    assert len(whole.history_) < 8
    assert history(again) == history(whole)
    assert same(weights(again.live_), weights(whole.live_))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"rate": 2e-3}, "rate"),
        ({"seed": 1}, "seed"),
        ({"options": {"rank": 4}, "strategy": "lora"}, "options, strategy"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(changed: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path), kill=2)
    with pytest.raises(
        ConfigError, match=rf"another training \(different: {what}\); remove it, or give another"
    ):
        fit(classifier(tmp_path, **changed))


def test_other_examples_or_threads_are_another_training(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path), kill=2)
    with pytest.raises(ConfigError, match=r"different: dev examples\)"):
        fit(classifier(tmp_path), dev=FLIPPED)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with pytest.raises(ConfigError, match=r"different: threads\)"):
            fit(classifier(tmp_path))
    finally:
        torch.set_num_threads(threads)


def test_how_often_it_is_written_and_where_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path / "a"), kill=2)
    (tmp_path / "a").rename(tmp_path / "b")
    fit(classifier(tmp_path / "b").set_params(save_seconds=1000.0))


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path), kill=2)
    path = next(tmp_path.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=r"damaged or missing; remove .* and train again"):
        fit(classifier(tmp_path))


def test_half_a_file_that_a_killed_process_left_goes_too(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(classifier(tmp_path / "state"), kill=8)
    half = tmp_path / "state" / ".0123456789abcdef.tmp"
    half.write_bytes(b"half")
    fit(classifier(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "notes.tmp").write_text("mine")
    fit(classifier(tmp_path / "state"))
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["notes.tmp"]


def test_nothing_is_written_before_the_time_has_come(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 3600.0, {})
    assert not keeper.due()
    assert Keeper(tmp_path, 0.0, {}).due()


def test_the_caller_s_generators_are_left_alone() -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global one is what is looked at
    torch.manual_seed(5)
    wanted = random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with own_generators(1, "cpu"):
            drawn.append((random.random(), np.random.rand(), float(torch.rand(()))))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert wanted == (random.random(), np.random.rand(), float(torch.rand(())))  # noqa: NPY002


SCRIPT = """
import sys
import torch
from probekit.adaptation.fine_tune import FineTune
from tests.adaptation.small_tasks import LABELS, TEXTS
torch.set_num_threads(1)
folder, model, out = sys.argv[1:]
clf = FineTune(model, epochs=60, rate=1e-3, batch_size=2, checkpoint=folder or None, save_seconds=0.02)
clf.fit(TEXTS, LABELS, TEXTS, LABELS).save(out)
"""


@pytest.mark.faults
def test_a_process_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    model = str(tiny_folder("bert"))

    def start(state: str, out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SCRIPT, state, model, str(tmp_path / out)])

    assert start("", "whole").wait() == 0
    state, kills = tmp_path / "state", 0
    rng = np.random.default_rng(0)
    for _ in range(5):
        process = start(str(state), "again")
        while not (state / STATE).is_file() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.05, 0.4)))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills
    assert start(str(state), "again").wait() == 0
    name = "adapted.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
