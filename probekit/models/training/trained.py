"""A finished training: where the model lies, and what its record says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from probekit.errors import DataError
from probekit.models.training.card import curve_panel, summary
from probekit.models.training.config import TrainingConfig, load_config
from probekit.results.files import read_json
from probekit.results.panel import Panel

RECORD = "training.json"


@dataclass(frozen=True, repr=False)
class Trained:
    """A finished training: the folder of the model, and what training.json says."""

    path: Path
    record: Mapping[str, Any]

    @cached_property
    def config(self) -> TrainingConfig:
        """The configuration in force."""
        return load_config(self.record["config"])

    @property
    def perplexity(self) -> float:
        """Held-out perplexity a piece: of every piece (causal), or of masked pieces (masked)."""
        return float(self.record["score"]["perplexity"])

    @property
    def on_plateau(self) -> bool:
        """Whether the held-out loss is not clearly below that of piece frequencies."""
        return bool(self.record["score"]["on_plateau"])

    @property
    def curve(self) -> list[dict[str, Any]]:
        """Step, pieces, training loss, held-out loss and perplexity at every evaluation."""
        return list(self.record["curve"])

    @property
    def revisions(self) -> tuple[str, ...]:
        """The checkpoints that `load_model(path, revision=...)` loads, in the order of their steps."""
        return tuple(self.record["revisions"])

    @property
    def summary(self) -> str:
        """What came out, in one line."""
        return summary(dict(self.record))

    @property
    def panels(self) -> list[Panel]:
        """The loss curve, for `pk.plot`."""
        return [curve_panel(dict(self.record))]

    def __repr__(self) -> str:
        return f"<Trained {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        columns = ["step", "pieces", "train_loss", "loss", "perplexity"]
        rows = [[row[name] for name in columns] for row in self.curve]
        formats = ["int", "int", "score", "score", "score"]
        return f"<p>{escape(self.summary)}</p>{table(columns, rows, formats).html}"


def open_trained(folder: str | Path) -> Trained:
    """The training that a folder holds. Raises DataError where it holds none."""
    record = Path(folder) / RECORD
    if not record.is_file():
        raise DataError(f"{folder} holds no model trained here (no {RECORD} in it)")
    return Trained(Path(folder), read_json(record))
