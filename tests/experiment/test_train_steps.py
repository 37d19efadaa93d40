"""The trainings of a run: one configuration is one folder, from wherever it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.experiment.train_steps import config_hash

CONFIG = """
steps = 1
[corpus]
text = "text/*.txt"
[objective]
kind = "causal"
[model]
family = "gpt2"
layers = 1
width = 8
heads = 2
positions = 64
[batches]
length = 16
"""


def test_a_training_is_known_again_from_wherever_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "one"
    home.mkdir()
    config = home / "small.toml"
    config.write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(home)
    here = config_hash("small.toml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two").mkdir()
    assert config_hash("two/../one/small.toml") == here
    assert config_hash(str(config)) == here
    config.write_text(CONFIG.replace("text/*.txt", "texts/*.txt"), encoding="utf-8")
    assert config_hash("one/small.toml") != here
