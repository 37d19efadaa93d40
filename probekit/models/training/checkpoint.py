"""The complete state of a training, written aside and renamed: killed at any moment, it goes on as if nothing was.

No pickle: numbers as safetensors, the rest as JSON. The JSON file names its array file and is replaced last, so
there is always one whole state.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from probekit.errors import StoreError
from probekit.results.files import checksum, load_arrays, read_json, save_arrays, write_json

STATE = "state.json"


@dataclass
class Progressed:
    """How far a training has come: steps done, place in the data, what was measured, what it cost so far."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    pieces: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    interruptions: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    folder: Path,
    module: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    generator: np.random.Generator,
    progressed: Progressed,
) -> None:
    """Write everything that the next step depends on. Raises DiskError, and then the older state stands."""
    arrays: dict[str, np.ndarray[Any, Any]] = {"generator.cpu": torch.get_rng_state().numpy()}
    if module.device.type == "cuda":
        arrays["generator.cuda"] = torch.cuda.get_rng_state(module.device).numpy()
    for name, parameter in module.named_parameters():  # tied ones once
        arrays[f"weight.{name}"] = parameter.detach().cpu().numpy()
        for key, value in optimizer.state.get(parameter, {}).items():
            arrays[f"optimizer.{key}.{name}"] = value.detach().cpu().numpy()
    path = folder / f"state-{progressed.step:06d}.safetensors"
    save_arrays(path, arrays)
    document = {
        "arrays": path.name,
        "checksum": checksum(path),
        "progress": asdict(progressed),
        "generator": _plain(generator.bit_generator.state),
        "threads": torch.get_num_threads(),
        "device": module.device.type,
    }
    write_json(folder / STATE, document)
    for other in folder.glob("state-*.safetensors"):
        if other != path:
            with suppress(OSError):
                other.unlink()


def saved_threads(folder: Path) -> int | None:
    """The number of threads of the state in a folder; None where there is no state."""
    return int(read_json(folder / STATE)["threads"]) if (folder / STATE).is_file() else None


def load_state(
    folder: Path, module: PreTrainedModel, optimizer: torch.optim.Optimizer, generator: np.random.Generator
) -> Progressed | None:
    """Put everything back as it was; None where there is no state. Raises StoreError where it is damaged."""
    if not (folder / STATE).is_file():
        return None
    document = read_json(folder / STATE)
    path = folder / document["arrays"]
    if not path.is_file() or checksum(path) != document["checksum"]:
        raise StoreError(f"{path}: damaged or missing; train again with --fresh")
    arrays = load_arrays(path)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[f"weight.{name}"]))
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = arrays.get(f"optimizer.{key}.{name}")
                if value is not None:
                    tensor = torch.from_numpy(value.copy())
                    # the step count of a fused optimiser lies with its parameter on CUDA
                    optimizer.state[parameter][key] = tensor.to(parameter.device)
    torch.set_rng_state(torch.from_numpy(arrays["generator.cpu"].copy()))
    if "generator.cuda" in arrays and module.device.type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(arrays["generator.cuda"].copy()), module.device)
    generator.bit_generator.state = document["generator"]
    return Progressed(**document["progress"])


def _plain(state: Any) -> Any:
    """numpy's description of a generator as plain JSON values."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return int(state) if isinstance(state, np.integer) else state
