"""A fingerprint follows the weights in memory and their use, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from probekit.models import load_model
from probekit.models.fingerprint import tokenizer_fingerprint, weights_fingerprint
from tests.tiny_models import KINDS, tiny_folder, tiny_model


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_keeps_it(kind: str, tmp_path: Path) -> None:
    first = tiny_model(kind)
    first.module.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    second = load_model(str(tmp_path))
    assert second.fingerprint == first.fingerprint
    assert second.tokenizer_fingerprint == first.tokenizer_fingerprint


def test_another_process_agrees() -> None:
    folder = str(tiny_folder("llama"))
    code = f"from probekit.models import load_model; print(load_model({folder!r}).fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.strip() == tiny_model("llama").fingerprint


def test_one_element_one_dtype_one_name(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder("bert"), tmp_path / "copy")
    module = load_model(str(folder)).module
    seen = {weights_fingerprint(module)}
    with torch.no_grad():
        module.encoder.layer[1].output.dense.weight[3, 4] += 1e-3
    seen.add(weights_fingerprint(module))
    module.encoder.layer[0].output.dense.bias.data = module.encoder.layer[0].output.dense.bias.data.double()
    seen.add(weights_fingerprint(module))
    module.extra = module.embeddings
    seen.add(weights_fingerprint(module))
    assert len(seen) == 4


def test_equal_weights_in_another_use_differ(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder("bert"), tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_attention_heads": 4}))
    assert load_model(str(folder)).fingerprint != tiny_model("bert").fingerprint
    (folder / "config.json").write_text(
        json.dumps({**config, "architectures": ["X"], "id2label": {"0": "a"}})
    )
    assert load_model(str(folder)).fingerprint == tiny_model("bert").fingerprint


def test_dtype_as_loaded_counts() -> None:
    half = load_model(str(tiny_folder("bert")), dtype="bfloat16")
    assert half.fingerprint != tiny_model("bert").fingerprint
    assert half.tokenizer_fingerprint == tiny_model("bert").tokenizer_fingerprint


def test_tokenizer_fingerprint_ignores_the_last_call_and_sees_a_new_piece() -> None:
    tokenizer = load_model(str(tiny_folder("gpt2"))).tokenizer
    before = tokenizer_fingerprint(tokenizer)
    tokenizer("a text", truncation=True, max_length=2)
    assert tokenizer_fingerprint(tokenizer) == before
    tokenizer.add_tokens(["brandnew"])
    assert tokenizer_fingerprint(tokenizer) != before


def test_families_have_different_ones() -> None:
    models = [tiny_model(kind) for kind in KINDS]
    assert len({model.fingerprint for model in models}) == len(KINDS)
    assert len({model.tokenizer_fingerprint for model in models}) == 5  # BART and RoBERTa read alike
