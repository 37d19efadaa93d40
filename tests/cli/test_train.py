"""`probekit train` from a file to a folder, with its errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli import main

FILE = """
steps = 4
[corpus.generated]
train = 60
dev = 12
test = 1
[tokenizer]
kind = "words"
size = 400
[objective]
kind = "causal"
[model]
family = "gpt2"
layers = 1
width = 16
heads = 2
[batches]
pieces = 64
length = 16
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_train_and_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(file)) == 0
    said = capsys.readouterr()
    assert said.out == "model  models/small\n"
    assert "training: 4/4" in said.err
    assert "small: causal language model, 4 steps" in said.err
    assert run(str(file), "--json") == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["model"], document["steps"], document["curve"][-1]["step"]) == ("models/small", 4, 4)
    assert "is finished; nothing to do" in said.err
    assert run(str(file), "--set", "seed=2", "-o", "models/other") == 0
    assert Path("models/other/model.safetensors").is_file()


def test_one_line_for_a_mistake(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, code, part in (
        ([str(file), "--set", "model.layer=2"], 2, "unknown key 'model.layer'; did you mean 'layers'?"),
        (["nowhere.toml"], 2, "no training configuration 'nowhere.toml'"),
        ([str(file), "--set", "corpus.text=none/*.txt"], 1, "no file matches this pattern"),
        ([str(file), "--set", "batches.pieces=100000"], 1, "smaller than one batch"),
    ):
        assert run(*words) == code
        said = capsys.readouterr()
        assert part in said.err
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert not said.out
    assert run(str(file)) == 0
    capsys.readouterr()
    assert run(str(file), "--set", "model.layers=2") == 2
    assert "trained otherwise (model.layers: 1 there, 2 here)" in capsys.readouterr().err
    assert run(str(file), "--set", "model.layers=2", "--fresh") == 0
