"""What an analysis found, as a cell keeps it in files until the page is made: rows, pictures, sentences, and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from probekit.results.files import read_json, write_json
from probekit.results.measurement import About, Measurement
from probekit.results.panel import Panel


@dataclass(frozen=True, eq=False)
class Kept:
    """Rows, panels and a summary, as every result has them; `facts` is what later cells need of it, as JSON.

    `left_out` counts, by reason, what could not be read.
    """

    rows: tuple[Measurement, ...]
    panels: tuple[Panel, ...]
    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, *results: Any, facts: Mapping[str, Any] | None = None, left_out: Any = None) -> Kept:
        """Results of analyses one behind the other."""
        return cls(
            rows=tuple(row for result in results for row in result.rows),
            panels=tuple(panel for result in results for panel in result.panels),
            summary=" ".join(text for result in results for text in sentences(result.summary)),
            facts=facts or {},
            left_out=dict(left_out or {}),
        )

    def save(self, stem: str) -> None:
        """Write `<stem>.panel-0` ... and `<stem>.json`, the latter last. Raises DiskError."""
        for number, panel in enumerate(self.panels):
            panel.save(f"{stem}.panel-{number}")
        words = {
            "rows": [row.to_dict() for row in self.rows],
            "n_panels": len(self.panels),
            "summary": self.summary,
            "facts": dict(self.facts),
            "left_out": dict(self.left_out),
        }
        write_json(Path(f"{stem}.json"), words)

    @classmethod
    def load(cls, stem: str) -> Kept:
        """Read what `save` wrote. Raises DataError, StoreError."""
        words = read_json(Path(f"{stem}.json"))
        return cls(
            rows=tuple(Measurement.from_dict(row) for row in words["rows"]),
            panels=tuple(Panel.load(f"{stem}.panel-{number}") for number in range(words["n_panels"])),
            summary=words["summary"],
            facts=words["facts"],
            left_out=words["left_out"],
        )

    def told(self, about: About, name: str) -> Kept:
        """The same with what every row of a run says; names of panels have `name` in them, which tells models apart."""
        rows = tuple(
            replace(
                row,
                run=about.run,
                question=about.question,
                corpus=row.corpus or about.corpus,
                model=row.model or about.model,
                model_kind=row.model_kind if row.model else about.model_kind,
            )
            for row in self.rows
        )
        panels = tuple(
            panel if name in panel.name else replace(panel, name=f"{name}-{panel.name}"[:100])
            for panel in self.panels
        )
        return replace(self, rows=rows, panels=panels)


def heading(name: str, title: str, text: str) -> Kept:
    """The title of a part of the page, with a sentence on what was done."""
    return Kept((), (Panel("sentence", name, title, labels={"text": text}),), "")


def sentences(summary: str | Sequence[str]) -> list[str]:
    """A summary as a list of sentences, however the analysis gives it.

    >>> sentences("One."), sentences(["One.", "Two."])
    (['One.'], ['One.', 'Two.'])
    """
    found = [summary] if isinstance(summary, str) else list(summary)
    return [text for text in found if text]
