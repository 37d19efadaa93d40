"""A concept erased at every layer: what probes lose, what behaviour loses, and what a random erasure loses too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from probekit.experiment.erase_cells import CellResult
from probekit.experiment.erased_context import Context
from probekit.experiment.erased_finder import Finder
from probekit.experiment.erased_pictures import make_panels
from probekit.experiment.erased_rows import (
    behaviour_rows,
    chosen_rows,
    eraser_rows,
    output_rows,
    probe_rows,
)
from probekit.experiment.erased_summary import sentence
from probekit.experiment.plan import ErasePlan
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.data.suite import Suite
    from probekit.results.outcomes import Outcomes


@dataclass(frozen=True, eq=False, repr=False)
class Erased:
    """One concept erased in one model: rows (measurements), panels (pictures), outcomes (every item), a sentence.

    Metrics of the rows: ``encoded`` is the probe's accuracy above the majority, ``encoded_after`` the same after
    erasure, ``used`` the accuracy after random erasures of the same rank minus that after erasure of the concept, on
    the same items; ``used_at_chosen_layer`` that of the layer which was chosen on the dev half of the suite.
    """

    found: Context = field(repr=False)
    rows: tuple[Measurement, ...]

    @property
    def concept(self) -> str:
        """The task whose labels were erased."""
        return self.found.concept

    @cached_property
    def panels(self) -> list[Panel]:
        """Pictures: `pk.plot(erased)` draws them; encoded against used comes first."""
        return make_panels(self.found, Finder(self.rows, self.found), self.summary)

    @cached_property
    def summary(self) -> str:
        """What a paper would write, with its numbers; also where nothing was used, or something was left behind."""
        return sentence(self.found, Finder(self.rows, self.found))

    @cached_property
    def outcomes(self) -> Mapping[str, Outcomes]:
        """What happened to every item, by the name of the cell and the suite."""
        from probekit.results.formats import slug

        found: dict[str, Outcomes] = {}
        results = [cells for one in self.found.series for several in one.cells.values() for cells in several]
        if self.found.unedited is not None:
            results.insert(0, self.found.unedited)
        for judged in self.found.judged:
            for result in results:
                found[f"{result.cell.name}.{slug(judged.suite.name)}"] = judged.outcomes(result)
        return found

    @property
    def left_out(self) -> Mapping[str, Mapping[str, int]]:
        """Suite -> how many items the unedited model was not judged on, by reason."""
        first = self.found.unedited
        return {
            one.suite.name: one.outcomes(first).left_out for one in self.found.judged if first is not None
        }

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        about = self.found.about
        return f"<Erased {self.concept} of {about.model}: {len(self.found.layers)} layers, {len(self.rows):,} rows>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        shown = next(panel for panel in self.panels if panel.kind == "table")
        labels = shown.labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def assemble(
    concept: str,
    results: Sequence[CellResult],
    suites: Sequence[Suite],
    analysis: ErasePlan,
    about: About,
) -> Erased:
    """Rows from what the cells of a model left in files; no model is needed."""
    found = Context(concept, tuple(results), tuple(suites), analysis, about)
    rows = [*probe_rows(found), *eraser_rows(found), *output_rows(found)]
    for judged in found.judged:
        behaved = list(behaviour_rows(found, judged))
        rows += [*behaved, *chosen_rows(found, judged, behaved)]
    return Erased(found, tuple(rows))
