"""What a fine-tuning run is, so that a checkpoint is never taken up by another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xxhash

from probekit.adaptation.live import Live
from probekit.adaptation.loop import Labelled
from probekit.models.ref import ModelRef

NO_INFLUENCE = ("checkpoint", "save_seconds", "class_weight", "options", "model")


def run_identity(
    settings: Mapping[str, Any], live: Live, train: Labelled, dev: Labelled | None, *, warm: bool
) -> dict[str, Any]:
    """Settings by name; examples, labels, model and (for a warm start) the weights begun with, by hash; threads."""
    found = {key: value for key, value in settings.items() if key not in NO_INFLUENCE}
    found |= {
        "options": _plain(settings["options"]),
        "class_weight": _plain(settings["class_weight"]),
        "model": ModelRef.of(settings["model"]).to_dict(),
        "weights": live.model.fingerprint,
        "begun with": _weights(live) if warm else "",
        "examples": _labelled(train),
        "dev examples": None if dev is None else _labelled(dev),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
    return {key: _plain(value) for key, value in found.items()}


def _labelled(part: Labelled) -> str:
    digest = hashlib.sha256(b"probekit.labelled.1\0")
    inputs = part.inputs
    for arrays in (inputs.ids, inputs.types or (), inputs.places, (inputs.first, part.y)):
        digest.update(f"{len(arrays)}\0".encode())
        for array in arrays:
            digest.update(f"{array.dtype.str}{len(array)}\0".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _weights(live: Live) -> str:
    digest = xxhash.xxh3_128()
    for name, parameter in sorted(live.named_parameters()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(parameter.detach().cpu().numpy()).tobytes())
    return str(digest.hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = {str(key): one for key, one in value.items()}
    return json.loads(json.dumps(value, sort_keys=True, default=str))
