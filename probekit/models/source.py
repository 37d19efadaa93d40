"""From the name of a model to a folder with its files, and a plain line for whatever is amiss there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from probekit.errors import ModelError, did_you_mean
from probekit.models.demo import PREFIX, demo_folder

SAFE = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZER = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model",
)  # fmt: skip
REVISIONS = "revisions"
ADAPTATION = "adaptation.json"
"""Beside a model that was adapted here: from what, to what, and how."""
KEPT_PRIVATE = ("_name_or_path", "_commit_hash")


@dataclass(frozen=True)
class Source:
    """Where a model's files lie: its folder, and the revision they are of ("" for a plain folder)."""

    name: str
    folder: Path
    revision: str

    @property
    def self_trained(self) -> bool:
        """Whether probekit trained it: a training.json lies beside the model, or beside its revisions."""
        beside = self.folder.parent.parent if self.folder.parent.name == REVISIONS else self.folder
        return (beside / "training.json").is_file()

    @property
    def adapted(self) -> bool:
        """Whether it is another model, adapted to a task by probekit."""
        return (self.folder / ADAPTATION).is_file()

    def has(self, names: tuple[str, ...]) -> bool:
        return any((self.folder / name).is_file() for name in names)


def find_source(name: str, revision: str | None, *, allow_bin: bool, code: bool) -> Source:
    """The folder of a model given by hub id, folder or ``demo:`` name; hub files are fetched or taken from
    the cache.

    Raises ModelError, in one line, where there is no such folder or repository, no network, or a file is
    missing.
    """
    if name.startswith(PREFIX):
        folder, found = demo_folder(name)
        source = Source(name, folder, found)
    elif name.strip() and Path(name).expanduser().is_dir():
        source = _in_folder(name, Path(name).expanduser(), revision)
    elif Path(name).is_file():
        raise ModelError(f"{name} is a file; give the folder that `save_pretrained` wrote")
    elif _looks_like_a_path(name):
        raise ModelError(f"{name}: no such folder; check the path")
    else:
        source = _fetch(name, revision, allow_bin=allow_bin, code=code)
    _check(source, allow_bin=allow_bin)
    return source


def _in_folder(name: str, folder: Path, revision: str | None) -> Source:
    """A plain folder, or a checkpoint of a model that was trained here."""
    if revision is None:
        return Source(name, folder, "")
    found = sorted(one.name for one in (folder / REVISIONS).glob("*") if one.is_dir())
    if not found:
        raise ModelError(f"{name} is a folder without revisions; leave out revision={revision!r}")
    if revision not in found:
        raise ModelError(f"{name} has no revision {revision!r}; {did_you_mean(revision, found)}")
    return Source(name, folder / REVISIONS / revision, revision)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or not name.strip()


def _fetch(name: str, revision: str | None, *, allow_bin: bool, code: bool) -> Source:
    patterns = ["*.json", "*.txt", "*.model", "model*.safetensors"]
    patterns += ["pytorch_model*.bin"] if allow_bin else []
    patterns += ["*.py"] if code else []
    at = f" at revision {revision!r}" if revision else ""
    folder_hint = "if it is a folder, check the path"
    try:
        # files in subfolders are other formats of the same weights
        folder = snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"])
    except GatedRepoError as error:
        raise ModelError(
            f"{name}: the hub gives this model only to those who accepted its terms; accept them on its "
            "page and log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{name} has no revision {revision!r}; look up its branches, tags and commits on the hub"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"no model named {name!r} on the hub; check the spelling (a private one needs `hf auth login`); "
            f"{folder_hint}"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{name}{at} is not in the local cache, and the hub cannot be reached (no network, or "
            f"HF_HUB_OFFLINE is set); fetch it once with a network; {folder_hint}"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"{name}{at} could not be fetched: {first_line(error)}; try again, and {folder_hint}"
        ) from error
    return Source(name, Path(folder), Path(folder).name)


def _check(source: Source, *, allow_bin: bool) -> None:
    """Say which file is missing before transformers says it in twenty lines."""
    place = f"{source.name} ({source.folder})" if source.name != str(source.folder) else source.name
    if not (source.folder / "config.json").is_file():
        raise ModelError(f"{place}: there is no config.json; give the folder that `save_pretrained` wrote")
    if not source.has(TOKENIZER):
        raise ModelError(
            f"{place}: there is no tokenizer in it (none of {', '.join(TOKENIZER[:3])}, ...); "
            "save it into the same folder with `tokenizer.save_pretrained(folder)`"
        )
    if not source.has(SAFE) and not (allow_bin and source.has(PICKLED)):
        if source.has(PICKLED):
            raise ModelError(
                f"{place}: its weights are only there as pickle (pytorch_model.bin); convert them with "
                "`save_pretrained`, or pass allow_bin=True if you trust whoever made the file"
            )
        raise ModelError(
            f"{place}: there are no weights (model.safetensors) in it; fetch or copy them, or save the model again"
        )


def read_json(source: Source, name: str) -> dict[str, Any]:
    """A JSON object from the model's folder. Raises ModelError where it is not one."""
    path = source.folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read: {first_line(error)}; fetch or save the model again"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} must hold a JSON object, and holds a {type(content).__name__}; save the model again"
        )
    return content


def without_private_keys(config: Any) -> Any:
    """A foreign configuration without ``_`` keys: some steer which code transformers runs (CVE-2026-4372)."""
    if isinstance(config, dict):
        return {
            key: without_private_keys(value)
            for key, value in config.items()
            if not key.startswith("_") or key in KEPT_PRIVATE
        }
    return [without_private_keys(value) for value in config] if isinstance(config, list) else config


def first_line(error: BaseException) -> str:
    """The first line of an error that says anything."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return said.rstrip(".")
