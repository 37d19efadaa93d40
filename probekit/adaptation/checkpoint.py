"""The complete state of a fine-tuning run, written aside and renamed: killed at any moment, it goes on undisturbed.

No pickle: numbers as safetensors, the rest as JSON. The JSON file names its array file and is replaced last, so there
is always one whole state. Only what is trained is written: the rest is as the strategy prepares it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.adaptation.dev_score import DevScore
from probekit.adaptation.live import Live
from probekit.errors import ConfigError, StoreError
from probekit.results.files import checksum, load_arrays, read_json, save_arrays, write_json

STATE = "state.json"
LEFT_BEHIND = ("state-*.safetensors", f".{'[0-9a-f]' * 16}.tmp")
"""Older states, and halves of files that a killed process was writing."""


@dataclass
class Progressed:
    """How far a run has come: steps done, place in the data, what was measured, the best epoch, CPU seconds so far."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    begun: bool = False
    stopped: bool = False
    loss_sum: float = 0.0
    loss_count: int = 0
    cpu_seconds: float = 0.0
    epochs_seconds: float = 0.0
    best: DevScore | None = None
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Kept:
    """A state read back: how far it had come, and its arrays."""

    progressed: Progressed
    arrays: Mapping[str, NDArray[Any]]
    generators: Mapping[str, Any]

    def restore(self, live: Live, optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor] | None:
        """Put weights, moments and generators back as they were; the weights of the best epoch, if there are any."""
        named = dict(live.named_parameters())
        best: dict[str, Tensor] = {}
        with torch.no_grad():
            for key, array in self.arrays.items():
                kind, _, name = key.partition("/")
                value = torch.from_numpy(array.copy())
                if kind == "weight":
                    named[name].copy_(value)
                    live.trained.add(name)
                elif kind == "best":
                    best[name] = value.to(named[name].device)
                elif kind.startswith("optimizer.") and optimizer is not None:
                    moment = kind.removeprefix("optimizer.")
                    # the step count of a fused optimiser lies with its parameter on CUDA
                    optimizer.state[named[name]][moment] = value.to(named[name].device)
        _set_generators(self.generators, self.arrays, live.model.device)
        return best or None


@dataclass(eq=False)
class Keeper:
    """Writes and reads the states of one run in a folder.

    ``identity`` says what the run is: settings as they are, data and weights by hash. A state of another run is
    refused. `write` is called when `due`, every ``seconds``.
    """

    folder: Path
    seconds: float
    identity: Mapping[str, Any]
    written: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether a state is to be written now."""
        return time.monotonic() - self.written >= self.seconds

    def write(
        self,
        live: Live,
        optimizer: torch.optim.Optimizer | None,
        progressed: Progressed,
        best: Mapping[str, Tensor] | None,
    ) -> None:
        """Write everything that the next step depends on. Raises DiskError, and then the older state stands."""
        named = dict(live.named_parameters())
        generators, arrays = _generators(live.model.device)
        for name in sorted(live.trained):
            arrays[f"weight/{name}"] = _array(named[name])
            state = {} if optimizer is None else optimizer.state.get(named[name], {})
            for key, value in state.items():
                arrays[f"optimizer.{key}/{name}"] = _array(value)
        for name, value in (best or {}).items():
            arrays[f"best/{name}"] = _array(value)
        path = self.folder / f"state-{progressed.epoch:04d}-{progressed.step:07d}.safetensors"
        save_arrays(path, arrays)
        document = {
            "arrays": path.name,
            "checksum": checksum(path),
            "identity": dict(self.identity),
            "progress": asdict(progressed),
            "generators": generators,
        }
        write_json(self.folder / STATE, document)
        self._remove(but=path)
        self.written = time.monotonic()

    def read(self) -> Kept | None:
        """The state in the folder; None where there is none.

        Raises ConfigError where it is of another run, StoreError where it is damaged.
        """
        self.written = time.monotonic()
        if not (self.folder / STATE).is_file():
            return None
        document = read_json(self.folder / STATE)
        found = document.get("identity", {})
        other = sorted(
            key for key in {*found, *self.identity} if found.get(key) != _plain(self.identity).get(key)
        )
        if other:
            raise ConfigError(
                f"{self.folder} holds the checkpoint of another training (different: {', '.join(other)}); remove it, "
                "or give another folder"
            )
        path = self.folder / document["arrays"]
        if not path.is_file() or checksum(path) != document["checksum"]:
            raise StoreError(f"{path}: damaged or missing; remove {self.folder} and train again")
        progress = dict(document["progress"])
        best = progress.pop("best")
        progressed = Progressed(**progress, best=None if best is None else DevScore(**best))
        return Kept(progressed, load_arrays(path), document["generators"])

    def clear(self) -> None:
        """Remove what a finished run needs no more."""
        with suppress(OSError):
            (self.folder / STATE).unlink()
        self._remove(but=None)
        with suppress(OSError):
            self.folder.rmdir()

    def _remove(self, *, but: Path | None) -> None:
        for other in [path for pattern in LEFT_BEHIND for path in self.folder.glob(pattern)]:
            if other != but:
                with suppress(OSError):
                    other.unlink()


@contextmanager
def own_generators(seed: int, device: str) -> Iterator[None]:
    """Inside the block python's, numpy's and torch's global generators are drawn from `seed`; after it they are as
    they were."""
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the one a model's code may draw from
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(int(seed))
        random.seed(int(seed))
        np.random.seed(int(seed) % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


def _generators(device: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    python = random.getstate()
    _, keys, place, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    arrays: dict[str, NDArray[Any]] = {
        "generator/torch": torch.get_rng_state().numpy(),
        "generator/numpy": np.asarray(keys),
    }
    if torch.device(device).type == "cuda":
        arrays["generator/cuda"] = torch.cuda.get_rng_state(device).numpy()
    words = {
        "python": [python[0], list(python[1]), python[2]],
        "numpy": [int(place), int(has_gauss), float(cached)],
    }
    return words, arrays


def _set_generators(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], device: str) -> None:
    version, state, gauss = words["python"]
    random.setstate((version, tuple(state), gauss))
    np.random.set_state(("MT19937", arrays["generator/numpy"], *words["numpy"]))  # noqa: NPY002
    torch.set_rng_state(torch.from_numpy(arrays["generator/torch"].copy()))
    if "generator/cuda" in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays["generator/cuda"].copy()), device)


def _array(tensor: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return found


def _plain(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The identity as it reads after a file."""
    found: dict[str, Any] = json.loads(json.dumps(dict(identity)))
    return found
