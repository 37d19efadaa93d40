"""Rows of a judgement found again by what they say, and how their systems are called."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.behavior.groups import natural
from probekit.results.measurement import Measurement

CONTROLS = {
    "": ("", "task"),
    "ngram": ("n-gram", "baseline"),
    "unigram": ("unigram", "baseline"),
    "majority": ("majority number", "baseline"),
    "random-twin": ("random twins (mean)", "twin"),
}
"""How a system is called in a figure, and drawn."""


def spoken_name(model: str) -> str:
    """A model's name in running text: of a path its last part, a hub id as it is.

    >>> spoken_name("/models/tiny"), spoken_name("org/tiny")
    ('tiny', 'org/tiny')
    """
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", ".", "~")) else model


class Finder:
    """Rows by what they say: metric, group, control, layer."""

    def __init__(self, rows: Sequence[Measurement]) -> None:
        self.rows = rows
        plain = [row for row in rows if not row.reference]
        self._plain: dict[tuple[str, str, str, str], Measurement] = {}
        for row in plain:
            self._plain.setdefault((row.metric, row.group, row.control, row.layer), row)
        self._differences = {
            (row.reference, row.group): row
            for row in rows
            if row.metric == "accuracy_difference" and not (row.control or row.layer)
        }

    def get(self, metric: str, group: str = "", control: str = "", layer: str = "") -> Measurement | None:
        """A row that is no difference; of the twins their mean."""
        return self._plain.get((metric, group, control, layer))

    def difference(self, reference: str, group: str = "") -> Measurement | None:
        """A difference of the model's."""
        return self._differences.get((reference, group))

    def values(self, key: str) -> list[str]:
        """The groups ``key=...`` of the model that were judged, in order, without further keys."""
        found = [
            row.group
            for row in self._plain.values()
            if row.group.startswith(f"{key}=") and row.metric == "accuracy" and not (row.control or row.layer)
        ]
        plain = [group for group in dict.fromkeys(found) if " nonce=" not in group]
        return sorted(plain, key=natural)

    def controls(self) -> list[str]:
        """Controls that were measured, as `CONTROLS` orders them, then scorers that were given."""
        measured = {
            row.control: None
            for row in self.rows
            if row.metric == "accuracy" and row.value is not None and not row.layer
        }
        known = [control for control in CONTROLS if control in measured]
        return known + [control for control in measured if control not in CONTROLS]
