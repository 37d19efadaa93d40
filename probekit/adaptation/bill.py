"""The bill of a strategy: what one run of it cost in time, memory, parameters, bytes and arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

QUIET = 0.2
"""Up to so many cores' worth of foreign work beside a measurement, the machine counts as quiet."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a run cost. None stands where something was not measured or has no meaning.

    Attributes
    ----------
    alone : the run had a process of one thread to itself, and no other run of the comparison beside it
    cpu_train, wall_train : seconds of `fit`, the model's loading included; of a frozen model without reading texts
    cpu_predict, wall_predict : seconds to predict `n_predicted` examples; of a frozen model without reading them
    cpu_read_train, cpu_read_predict : CPU seconds of the frozen model to read the texts of training and dev (once
        per text, for any number of tasks), and the `n_predicted` ones; None where the model is read live
    cpu_tuning : CPU seconds of the fits of all trials of the strategy, of a frozen model without reading texts;
        `trials` how many there were
    cpu_load : CPU seconds of loading the model once, for comparison
    n_train, n_predicted : examples
    peak_mb : most anonymous memory of the process, in 10^6 bytes; device_mb : of the accelerator
    trainable, stored : parameters trained, and kept for this task; stored_bytes : on disk for one more task
    flops_train, flops_predict : estimates for training and for one predicted example
    threads, device ; busy_elsewhere : cores that other processes kept busy meanwhile; load_before, load_after :
        the system's one-minute load average
    """

    alone: bool
    cpu_train: float | None = None
    wall_train: float | None = None
    cpu_predict: float | None = None
    wall_predict: float | None = None
    cpu_read_train: float | None = None
    cpu_read_predict: float | None = None
    cpu_tuning: float | None = None
    trials: int = 0
    cpu_load: float | None = None
    n_train: int = 0
    n_predicted: int = 0
    peak_mb: float | None = None
    device_mb: float | None = None
    trainable: int | None = None
    stored: int | None = None
    stored_bytes: int | None = None
    flops_train: float | None = None
    flops_predict: float | None = None
    threads: int = 1
    device: str = "cpu"
    busy_elsewhere: float | None = None
    load_before: float | None = None
    load_after: float | None = None

    @property
    def cpu_first_task(self) -> float | None:
        """CPU seconds to train where no text was read before: with the reading of the frozen model."""
        return None if self.cpu_train is None else self.cpu_train + (self.cpu_read_train or 0.0)

    @property
    def cpu_predict_1000(self) -> float | None:
        """CPU seconds to predict 1,000 new examples, with the reading of the frozen model."""
        if self.cpu_predict is None or not self.n_predicted:
            return None
        return 1000 * (self.cpu_predict + (self.cpu_read_predict or 0.0)) / self.n_predicted

    @property
    def quiet(self) -> bool | None:
        """Whether the machine had (next to) nothing else to do; None where that is not known."""
        return None if self.busy_elsewhere is None else self.busy_elsewhere <= QUIET

    @property
    def told(self) -> str:
        """What else the machine did, in words."""
        if self.quiet is None:
            return "not known whether other work ran on the machine"
        if self.quiet:
            return "no other work ran on the machine"
        return f"other work kept {self.busy_elsewhere:.1f} cores busy meanwhile"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Bill:
        """Read what `to_dict` gave."""
        return cls(**given)
