"""Loading: frozen, whole, as asked; and one plain line for everything that can be amiss."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.errors as hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from probekit.errors import ConfigError, ModelError
from probekit.models import load_model, source
from tests.tiny_models import KINDS, tiny_folder, tiny_model, write_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT to be damaged."""
    return Path(shutil.copytree(tiny_folder("bert"), tmp_path / "bert"))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(name: str | Path, **options: Any) -> str:
    """The one line that load_model refuses with."""
    with pytest.raises(ModelError) as caught:
        load_model(str(name), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_facts(kind: str) -> None:
    model = tiny_model(kind)
    assert model.family == kind
    assert (model.kind, model.dtype, model.device, model.attention) == (
        "pretrained",
        "float32",
        "cpu",
        "sdpa",
    )
    assert model.dim == 32
    assert model.max_pieces == {"t5": None, "bart": 63}.get(kind, 64)
    assert (model.start_piece is not None) == (kind in ("t5", "bart"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_input_can_be_read(kind: str) -> None:
    model = tiny_model(kind)
    length = model.max_pieces or 100
    ids = torch.full((1, length), 7)
    for state in model.states(ids, None, model.layers).values():
        assert state.shape == (1, length, 32)
    if kind in ("bert", "roberta", "gpt2", "bart"):  # learned positions: one more does not fit
        with pytest.raises((IndexError, RuntimeError)):
            model.states(torch.full((1, length + 1), 7), None, model.layers[-1:])


def test_describe_is_json() -> None:
    facts = json.loads(json.dumps(tiny_model("t5").describe()))
    assert facts["layers"][0] == "encoder.0"
    assert facts["max_pieces"] is None
    assert facts["transformers"] == transformers.__version__


def test_html_is_escaped(folder: Path) -> None:
    odd = folder.rename(folder.parent / "<b>")
    shown = load_model(str(odd))._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_dtype_and_attention_are_as_asked(folder: Path) -> None:
    model = load_model(str(folder), dtype="bfloat16", attention="eager")
    assert (model.dtype, model.attention) == ("bfloat16", "eager")


def test_float32_unless_asked(folder: Path) -> None:
    half = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    edit_config(folder, dtype="float16")
    assert load_model(str(folder)).dtype == "float32"


def test_nothing_is_printed_and_settings_stay(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = transformers.logging
    before = log.get_verbosity()
    log.set_verbosity(logging.INFO)
    try:
        load_model(str(folder))
        assert log.get_verbosity() == logging.INFO
    finally:
        log.set_verbosity(before)
    assert log.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("option", "error", "says"),
    [
        ({"dtype": "floot16"}, ConfigError, "did you mean 'float16'"),
        ({"attention": "spda"}, ConfigError, "did you mean 'sdpa'"),
        ({"device": "gpu7"}, ConfigError, "unknown device"),
        ({"device": "cuda:99"}, ModelError, "CUDA devices"),
        ({"revision": "main"}, ModelError, "is a folder"),
    ],
)
def test_options(option: dict[str, str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load_model(str(tiny_folder("bert")), **option)  # type: ignore[arg-type]


def test_missing_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "encoder.layer.1.output.dense.weight" in refusal(folder)


def test_more_layers_than_weights(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=3)
    assert "are missing in the checkpoint (encoder.layer.2." in refusal(folder)


def test_mismatched_weight(folder: Path) -> None:
    edit_config(folder, intermediate_size=48)
    message = refusal(folder)
    assert "have another shape than config.json says" in message
    assert "encoder.layer.0.intermediate.dense.bias" in message


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_checkpoint_without_pooler_is_whole(kind: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder(kind), tmp_path / kind))
    weights = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("pooler")}
    assert len(kept) < len(weights)
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    assert load_model(str(copy)).fingerprint == tiny_model(kind).fingerprint


def cut_file(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def only_bin(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_tokenizer(folder: Path) -> None:
    for name in source.TOKENIZER:
        (folder / name).unlink(missing_ok=True)


def foreign_code(folder: Path) -> None:
    edit_config(folder, model_type="mine", auto_map={"AutoModel": "mine.Model"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut_file, "weights are damaged"),
        (only_bin, "allow_bin=True"),
        (no_tokenizer, "no tokenizer"),
        (foreign_code, "trust_remote_code=True"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "must hold a JSON object"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: edit_config(folder, model_type="bret"), "knows no model_type 'bret'"),
        (lambda folder: edit_config(folder, hidden_size=33), "cannot be loaded"),
    ],
)
def test_damaged_folders(folder: Path, damage: Callable[[Path], Any], says: str) -> None:
    damage(folder)
    message = refusal(folder)
    assert says in message
    assert str(folder) in message


def test_no_such_folder() -> None:
    assert "no such folder" in refusal("./nowhere/at/all")


def test_not_cached_and_offline() -> None:
    message = refusal("somebody/some-model")
    assert "cannot be reached" in message
    assert "if it is a folder, check the path" in message


class Answer:
    """What the hub's errors want to know of an answer."""

    headers: dict[str, str] = {}  # noqa: RUF012
    status_code = 404
    request = None


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (hub.RevisionNotFoundError("x", response=Answer()), "no revision 'v9'"),
        (hub.RepositoryNotFoundError("x", response=Answer()), "no model named"),
        (hub.GatedRepoError("x", response=Answer()), "terms"),
        (hub.HFValidationError("x"), "no model named"),
        (hub.LocalEntryNotFoundError("x"), "cannot be reached"),
        (OSError("connection reset\nby peer"), "connection reset; try again"),
    ],
)
def test_the_hub_says_no(error: Exception, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(source, "snapshot_download", fail)
    assert says in refusal("some/model", revision="v9")


def test_a_cached_hub_model_carries_its_commit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = folder.rename(folder.parent / commit)
    monkeypatch.setattr(source, "snapshot_download", lambda *_, **__: str(snapshot))
    model = load_model("some/model", revision="main")
    assert (model.name, model.revision) == ("some/model", commit)
    assert model.fingerprint == tiny_model("bert").fingerprint


def test_private_keys_of_a_foreign_config_are_dropped(folder: Path) -> None:
    edit_config(folder, _attn_implementation_internal="evil/kernel", nested={"_x": 1, "y": [{"_z": 2}]})
    model = load_model(str(folder))
    assert model.attention == "sdpa"
    assert model.module.config.nested == {"y": [{}]}


def test_no_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")

    monkeypatch.setattr("probekit.models.load.AutoModel.from_pretrained", fail)
    assert "does not fit into the memory of cpu" in refusal(folder)


def test_bin_on_request(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert load_model(str(folder), allow_bin=True).fingerprint == tiny_model("bert").fingerprint


def test_layers_are_counted_on_the_model(tmp_path: Path) -> None:
    model = load_model(str(write_tiny("gpt2", tmp_path / "deep", layers=4, dim=16)))
    assert model.layers == ("0", "1", "2", "3", "4", "final")
    assert model.dim == 16


def test_an_old_transformers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.models.load.transformers.__version__", "5.17.1")
    assert "pip install 'transformers>=5.18,<6'" in refusal(tiny_folder("bert"))


def test_a_tokenizer_without_offsets_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        is_fast = False

    monkeypatch.setattr("probekit.models.load.AutoTokenizer.from_pretrained", lambda *_, **__: Slow())
    assert "gives no character offsets" in refusal(folder)
