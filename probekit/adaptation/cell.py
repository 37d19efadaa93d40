"""One run of one strategy: what is to be done (`AdaptCell`) and what came out (`CellResult`), from files to files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.bill import Bill
from probekit.errors import ProbekitError
from probekit.maths.scores import score
from probekit.results.bundle import load_bundle, save_bundle
from probekit.results.files import read_json

Array = NDArray[Any]
PURPOSES = ("trial", "run")


@dataclass(frozen=True, kw_only=True)
class AdaptCell:
    """Paths, numbers and plain values only: what travels to a worker.

    ``stem`` is where the result is written, ``problem`` where the problem lies. ``settings`` are those of the
    estimator and the options of the strategy. ``purpose``: a "trial" is for the choice of settings on dev, a "run" is
    one of those that are reported. ``trial`` numbers the setting among those tried. ``steps`` (most) and
    ``least_steps`` bound the optimiser steps, ``examples`` the training examples, where not 0. ``data_seed`` draws the
    share of training examples; ``billed`` runs have the machine to themselves. ``metric`` chooses the epoch on dev,
    where it is not the estimator's own. ``keep`` is a folder for the fitted classifier.
    """

    name: str
    stem: str
    problem: str
    model: Mapping[str, Any]
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    trial: int = 0
    seed: int = 0
    fraction: float = 1.0
    data_seed: int = 0
    purpose: str = "run"
    billed: bool = False
    steps: int = 0
    least_steps: int = 0
    examples: int = 0
    metric: str = ""
    store: str = ""
    keep: str = ""

    @property
    def done(self) -> bool:
        """Whether its result lies there: predictions, or a training that failed. Other failures are tried again."""
        file = Path(self.stem + ".json")
        if not file.is_file():
            return False
        try:
            return not read_json(file).get("retry")
        except ProbekitError:
            return False

    def result(self) -> CellResult:
        """What came out, read back. Raises DataError where nothing lies there, StoreError where it is damaged."""
        return CellResult.load(self.stem)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> AdaptCell:
        """Read what `to_dict` gave."""
        return cls(**given)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CellResult:
    """What a run predicted and cost.

    Attributes
    ----------
    dev, test : float32[units, labels], the log-probability of each label of the problem (-inf for one that this run
        was not trained on), or float32[units, 1], the number predicted. Empty ([0, labels]) where the run failed.
    gold_dev, gold_test : int32[units] codes into the problem's labels, or float64[units]
    history : a record per epoch; empty where there is none
    settings : what was chosen or tried, in full; epochs and rate are told for fine-tuning
    failed : why there are no predictions, or ""; retry : it was not the training that failed (a killed process, no
        memory, a setting, the disk), so that another attempt may go well: such a cell does not count as done
    n_train : training examples; n_truncated : texts cut; n_left_out : units of dev and test that no piece stands for
    """

    name: str
    strategy: str
    family: str
    purpose: str
    settings: Mapping[str, Any]
    trial: int
    seed: int
    fraction: float
    model: str
    dev: Array
    test: Array
    gold_dev: Array
    gold_test: Array
    history: tuple[Mapping[str, Any], ...] = ()
    failed: str = ""
    retry: bool = False
    n_train: int = 0
    n_truncated: int = 0
    n_left_out: int = 0
    model_kind: str = "pretrained"
    bill: Bill | None = None

    def __repr__(self) -> str:
        ended = f"failed: {self.failed}" if self.failed else f"{len(self.test)} test units"
        return f"CellResult({self.name!r}, {ended})"

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return bool(self.gold_test.dtype.kind == "f")

    def predicted(self, split: str) -> Array:
        """What was predicted for "dev" or "test": int32[units] codes (ties: the lower), or float64[units]."""
        outputs = {"dev": self.dev, "test": self.test}[split]
        if self.numeric:
            return outputs[:, 0].astype(np.float64)
        return outputs.argmax(axis=1).astype(np.int32) if len(outputs) else np.zeros(0, np.int32)

    def probabilities(self, split: str) -> Array:
        """The probability of each label of the problem for "dev" or "test", float64[units, labels]."""
        shares = np.exp({"dev": self.dev, "test": self.test}[split].astype(np.float64))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def gold(self, split: str) -> Array:
        """The right answers of "dev" or "test"."""
        return {"dev": self.gold_dev, "test": self.gold_test}[split]

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors`, then `<stem>.json`, which marks the cell as done. Raises DiskError."""
        words = {name: getattr(self, name) for name in _WORDS}
        words["bill"] = None if self.bill is None else self.bill.to_dict()
        save_bundle(stem, {name: getattr(self, name) for name in _ARRAYS}, words)

    @classmethod
    def load(cls, stem: str | Path) -> CellResult:
        """Read what `save` wrote. Raises DataError where absent, StoreError where damaged."""
        arrays, words = load_bundle(stem)
        bill = words.pop("bill")
        words["history"] = tuple(words["history"])
        given: dict[str, Any] = {**words, **arrays, "bill": None if bill is None else Bill.from_dict(bill)}
        return cls(**given)


_ARRAYS = ("dev", "test", "gold_dev", "gold_test")
_WORDS = (
    "name", "strategy", "family", "purpose", "settings", "trial", "seed", "fraction", "model", "history", "failed",
    "retry", "n_train", "n_truncated", "n_left_out", "model_kind",
)  # fmt: skip


def degenerate(result: CellResult, metric: str = "accuracy") -> str:
    """Why a run degenerated, or "": one class only predicted, or dev at or below what needs no text.

    For classes: the dev score by `metric` (by accuracy where that is not defined) is not above that of dev's most
    frequent label for everything; for numbers: one number for all, or a squared error on dev not below that of dev's
    mean. Such "on-off" runs are counted apart from those that failed (Mosbach et al. 2021). A run that failed is not
    degenerate.

    >>> outputs = np.log(np.array([[0.9, 0.1], [0.8, 0.2]], np.float32))
    >>> gold = np.array([0, 1], np.int32)
    >>> degenerate(CellResult(name="a", strategy="full", family="fine-tuning", purpose="run", settings={}, trial=0,
    ...     seed=0, fraction=1.0, model="m", dev=outputs, test=outputs, gold_dev=gold, gold_test=gold))
    'one class predicted for everything'
    """
    if result.failed:
        return ""
    predicted, gold = result.predicted("dev"), result.gold_dev
    everything = np.concatenate([predicted, result.predicted("test")])
    if len(np.unique(everything)) < 2:
        return (
            "one number predicted for everything" if result.numeric else "one class predicted for everything"
        )
    if result.numeric:
        worse = ((predicted - gold) ** 2).sum() >= ((gold - gold.mean()) ** 2).sum()
        return "on dev not nearer than the mean" if worse else ""
    constant = np.full_like(gold, np.bincount(gold).argmax())
    n_labels = result.dev.shape[1]
    for by in (metric, "accuracy"):
        reached, needless = (score(by, gold, one, n_labels) for one in (predicted, constant))
        if np.isfinite(reached) and np.isfinite(needless):
            return "" if reached > needless else "on dev not above the majority"
    return ""
