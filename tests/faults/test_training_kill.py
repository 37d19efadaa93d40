"""kill -9 while a model is trained, and the same command again: the same bits as undisturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 4
CONFIG = """
name = "victim"
steps = 120
save_seconds = 0.0
evaluate = 25
checkpoints = "log"
[corpus.generated]
train = 400
dev = 40
test = 1
[tokenizer]
kind = "wordpiece"
size = 300
[objective]
kind = "masked"
[model]
family = "bert"
layers = 2
width = 64
heads = 4
dropout = 0.1
[batches]
pieces = 512
length = 32
"""


def begin(config: Path, out: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    code = "import sys; from probekit.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", str(config), "-o", str(out)], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*.safetensors"))}


def test_killed_and_begun_again(tmp_path: Path) -> None:
    config = tmp_path / "victim.toml"
    config.write_text(CONFIG)
    assert begin(config, tmp_path / "whole").wait() == 0
    draw, killed = random.Random(4), 0
    while killed < KILLS:
        process = begin(config, tmp_path / "cut")
        state = tmp_path / "cut.unfinished" / "resume" / "state.json"
        before = state.read_bytes() if state.is_file() else b""
        while process.poll() is None and (not state.is_file() or state.read_bytes() == before):
            time.sleep(0.01)  # until it has done at least one more step
        time.sleep(draw.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -9, "it was too fast to be killed"
        assert not (tmp_path / "cut").exists()
        killed += 1
    assert begin(config, tmp_path / "cut").wait() == 0
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert not (tmp_path / "cut.unfinished").exists()
