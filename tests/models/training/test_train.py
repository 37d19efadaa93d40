"""From a configuration to a folder that transformers and the rest of probekit read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from probekit.errors import ConfigError, DataError, DiskError, ModelError
from probekit.models import load_model, random_twin
from probekit.models.training.config import FAMILIES
from probekit.models.training.train import train
from probekit.models.training.trained import Trained
from tests.models.training.tiny import TEXTS, masked, tiny


def trained_in(folder: Path, family: str = "gpt2", **changes: object) -> Trained:
    base = tiny if family in ("gpt2", "llama") else masked
    return train(base(model={"family": family}, **changes), out=folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_ordinary_folder(family: str, tmp_path: Path) -> None:
    trained = trained_in(tmp_path / "m", family, checkpoints=[0, 2])
    auto = AutoModelForCausalLM if family in ("gpt2", "llama") else AutoModelForMaskedLM
    module, info = auto.from_pretrained(trained.path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    assert type(module).__name__ in module.config.architectures
    assert AutoModel.from_pretrained(trained.path) is not None
    model = load_model(str(trained.path))
    assert model.kind == "self-trained"
    assert model.tokenizer.is_fast
    assert model.max_pieces == 16
    first = load_model(str(trained.path), revision="step-000000")
    assert (first.kind, first.revision) == ("self-trained", "step-000000")
    assert first.fingerprint != model.fingerprint
    assert random_twin(model, 0).kind == "random"
    with pytest.raises(ModelError, match=r"has no revision 'step-00002'; did you mean 'step-000002'\?"):
        load_model(str(trained.path), revision="step-00002")


def test_what_is_recorded(tmp_path: Path) -> None:
    trained = trained_in(tmp_path / "m", steps=20)
    assert [row["step"] for row in trained.curve] == [16, 20]
    assert trained.curve[-1]["perplexity"] == pytest.approx(trained.perplexity)
    assert trained.config.model.width == 16
    assert trained.record["forward"] == "lean GPT-2"
    assert trained.record["cost"]["pieces"] == 20 * 64
    assert "held-out perplexity" in trained.summary
    assert "<table" in trained._repr_html_()
    card = (trained.path / "README.md").read_text()
    assert re.match(r"---\nlibrary_name: transformers\n", card)
    for word in ("60 texts", "Apache-2.0", "held-out loss", "perplexity", "CPU seconds", f"| {20} |"):
        assert word in card, word
    assert str(tmp_path) not in card
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m"]


def test_it_learns(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXTS))
    for base in (tiny, masked):
        document = base(
            corpus={"text": str(tmp_path / "text.txt"), "held_out": 0.1}, steps=150, batches={"pack": False},
            model={"dropout": 0.0}, optimizer={"rate": 0.01, "warmup": 10},
        )  # fmt: skip
        trained = train(document, out=tmp_path / base.__name__)
        assert not trained.on_plateau, trained.summary
        short = train({**document, "steps": 1}, out=tmp_path / f"{base.__name__}-short")
        assert short.on_plateau
        assert "did not leave the unigram plateau" in short.summary
        assert "did not leave the plateau" in (short.path / "README.md").read_text()


def test_the_seed_decides(tmp_path: Path) -> None:
    files = [trained_in(tmp_path / name, seed=seed).path / "model.safetensors" for name, seed in
             (("a", 0), ("b", 0), ("c", 1))]  # fmt: skip
    one, same, other = (file.read_bytes() for file in files)
    assert one == same != other
    assert torch.initial_seed() is not None


def test_a_finished_one_is_reported_and_another_refused(tmp_path: Path) -> None:
    first = trained_in(tmp_path / "m")
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "m").iterdir()}
    said: list[str] = []
    again = train(tiny(name="renamed"), out=tmp_path / "m", say=said.append)
    assert again.record == first.record
    assert "nothing to do" in said[0]
    with pytest.raises(ConfigError, match=r"trained otherwise \(model.layers: 1 there, 2 here\).*--fresh"):
        train(tiny(model={"layers": 2}), out=tmp_path / "m")
    with pytest.raises(ConfigError, match="trained otherwise"):
        train(tiny(corpus={"generated": {"train": 61, "dev": 12, "test": 1}}), out=tmp_path / "m")
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "m").iterdir()} == before
    other = train(tiny(model={"layers": 2}), out=tmp_path / "m", fresh=True)
    assert other.config.model.layers == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m"]


def test_other_text_is_another_training(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("\n".join(TEXTS))
    train(tiny(corpus={"text": str(file)}), out=tmp_path / "m")
    file.write_text("\n".join(TEXTS[::-1]))
    with pytest.raises(ConfigError, match=r"trained otherwise \(other text"):
        train(tiny(corpus={"text": str(file)}), out=tmp_path / "m")


def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.tex").write_text("ten years of work")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match="holds no model trained here"):
            train(tiny(), out=tmp_path / "m", fresh=fresh)
    assert (tmp_path / "m" / "thesis.tex").read_text() == "ten years of work"
    (tmp_path / "n.unfinished").mkdir()
    (tmp_path / "n.unfinished" / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ConfigError, match="holds no training"):
        train(tiny(), out=tmp_path / "n")
    assert (tmp_path / "n.unfinished" / "thesis.tex").is_file()


def test_an_unfinished_one_of_another_kind_is_refused(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny(), out=tmp_path / "m", progress=stop)
    with pytest.raises(ConfigError, match=r"unfinished training of another kind \(seed: 0 there, 1 here\)"):
        train(tiny(seed=1), out=tmp_path / "m")
    assert train(tiny(seed=1), out=tmp_path / "m", fresh=True).config.seed == 1


def test_one_process_at_a_time(tmp_path: Path) -> None:
    def other(stage: str, done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(ModelError, match="another process is training into"):
                train(tiny(), out=tmp_path / "m")

    train(tiny(), out=tmp_path / "m", progress=other)


def test_less_than_a_batch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the corpus is smaller than one batch"):
        train(tiny(corpus={"generated": {"train": 2, "dev": 2, "test": 1}}), out=tmp_path / "m")
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    """RLIMIT_FSIZE in a child: one line that names the place, and no model."""
    code = (
        "import resource, sys\n"
        "from probekit.errors import DiskError\n"
        "from probekit.models.training.train import train\n"
        "from tests.models.training.tiny import tiny\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "for changes in ({'save_seconds': 0.0}, {}):\n"
        "    try: train(tiny(model={'width': 32}, **changes), out=sys.argv[1])\n"
        "    except DiskError as problem: print(problem)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 2, done
    assert all(str(tmp_path) in line and line.startswith("cannot write") for line in lines)
    assert not (tmp_path / "m").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="a file stands where a folder is needed"):
        train(tiny(), out=tmp_path / "file" / "m")


def test_saved_tokenizer_is_the_one_that_read(tmp_path: Path) -> None:
    trained = trained_in(tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(trained.path)
    assert tokenizer.model_max_length == 16
    assert len(tokenizer) == trained.record["vocabulary"]
