"""A fitted classifier as two files, and back: `adapted.safetensors` and `adapted.json`. No pickle."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.examples import Target
from probekit.errors import DataError
from probekit.models.ref import ModelRef
from probekit.results.bundle import load_bundle, save_bundle

STEM = "adapted"
FORMAT = 1
HOMES = {
    "fine-tuning": ("probekit.adaptation.fine_tune", "FineTune"),
    "feature-extraction": ("probekit.adaptation.feature_extract", "FeatureExtract"),
}
"""Which class reads which kind: each has ``restored(arrays, words, ref) -> itself, fitted``."""


def save_adapted(
    folder: str | Path, kind: str, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]
) -> None:
    """Write a fitted classifier of a kind (a strategy's family). Raises DiskError; DataError for what JSON lacks."""
    save_bundle(Path(folder) / STEM, arrays, {**words, "kind": kind, "format": FORMAT})


def load_adapted(
    folder: str | Path, *, model: str | ModelRef | None = None, device: str | None = None
) -> Any:
    """A classifier that `save` wrote, ready to predict the same bits on the same kind of device.

    `device` takes the place of the one it was fitted on. The model that was adapted is read by its name or folder;
    `model` says where it lies now, if it was moved. It must still be the same.
    Raises DataError where the folder holds no classifier, StoreError where it is damaged, ModelError where the model
    is not there any more, or is another one.

    >>> import tempfile
    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = pk.FineTune("demo:minilm", strategy="head-only", epochs=1).fit(texts, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf.save(folder)
    ...     again = load_adapted(folder)
    >>> bool((again.predict_proba(texts) == clf.predict_proba(texts)).all())
    True
    """
    if not (Path(folder) / f"{STEM}.json").is_file():
        raise DataError(
            f"{folder} holds no saved classifier (no {STEM}.json); give the folder that `save` wrote"
        )
    arrays, words = load_bundle(Path(folder) / STEM)
    kind, written = words.get("kind"), words.get("format")
    if kind not in HOMES or written != FORMAT:
        raise DataError(
            f"{folder}: a classifier of kind {kind!r}, format {written!r}; this probekit reads format {FORMAT} of "
            f"{', '.join(HOMES)}"
        )
    home, name = HOMES[kind]
    ref = (
        found_again(words["params"]["model"], words.get("model_folder"))
        if model is None
        else ModelRef.of(model)
    )
    if device is not None:
        ref = replace(ref, device=device)
    return getattr(importlib.import_module(home), name).restored(arrays, words, ref)


def folder_of(ref: ModelRef) -> str | None:
    """Where a model given by a folder lies, whatever the current folder will be; None for one given by name."""
    folder = Path(ref.name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else None


def found_again(told: Mapping[str, Any], folder: str | None) -> ModelRef:
    """The model that was saved as `told`: the folder it lay in then, where none is seen under its name from here."""
    ref = ModelRef.of(told)
    if folder is None or Path(ref.name).expanduser().is_dir() or not Path(folder).is_dir():
        return ref
    return replace(ref, name=folder)


def target_words(target: Target) -> dict[str, Any]:
    """A target as plain values."""
    if target.classes is None:
        return {"classes": None}
    return {"classes": target.classes.tolist(), "classes_dtype": target.classes.dtype.str}


def target_of(words: Mapping[str, Any]) -> Target:
    """The target that `target_words` told."""
    if words["classes"] is None:
        return Target(None)
    return Target(np.array(words["classes"], dtype=np.dtype(words["classes_dtype"])))
