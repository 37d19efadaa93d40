"""Rows of an erased concept found again by what they say."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.experiment.erased_context import UNEDITED, Context
from probekit.experiment.erased_series import RANDOM, Series, random_like
from probekit.results.measurement import Measurement


class Finder:
    """Rows on the test half by metric, layer, method, group, corpus and reference; the first that fits."""

    def __init__(self, rows: Sequence[Measurement], found: Context) -> None:
        self.found = found
        self._rows: dict[tuple[str, str, str, str, str, str], Measurement] = {}
        prefix = f"concept={found.concept}"
        for row in rows:
            if row.seeds or (row.split == "dev" and row.unit in ("item", "word")):
                continue
            key = (
                row.metric,
                row.layer,
                row.method,
                row.group.removeprefix(prefix).strip(),
                row.corpus,
                row.reference,
            )
            self._rows.setdefault(key, row)

    def get(
        self, metric: str, layer: str = "", method: str = UNEDITED, *, group: str = "", corpus: str = "",
        reference: str = "",
    ) -> Measurement | None:  # fmt: skip
        """The row, or None."""
        return self._rows.get((metric, layer, method, group, corpus or self.found.about.corpus, reference))

    def probe(
        self, metric: str, layer: str, probe: str, method: str = UNEDITED, reference: str = ""
    ) -> Measurement | None:
        """A row about a probe of the concept."""
        return self.get(metric, layer, method, group=f"probe={probe}", reference=reference)

    def used(self, layer: str, one: Series, suite: str) -> Measurement | None:
        """What is lost beyond the random erasures of the same rank; without those, what is lost."""
        metric, reference = self.loss
        return self.get(metric, layer, one.name, corpus=suite, reference=reference)

    def beside(self, layer: str, one: Series, suite: str) -> list[Measurement]:
        """What is lost beyond each of the other controls: random erasures that change as much, irrelevant concepts."""
        return [
            row
            for (metric, where, method, group, corpus, reference), row in self._rows.items()
            if (metric, where, method, group, corpus) == ("used", layer, one.name, "", suite)
            and reference != self.loss[1]
        ]

    @property
    def loss(self) -> tuple[str, str]:
        """Metric and reference of what is lost: beyond random erasures where there are any."""
        return ("used", f"control={RANDOM}") if self.found.has_random else ("accuracy_lost", UNEDITED)

    def chosen(self, one: Series, suite: str) -> Measurement | None:
        """What is lost on test at the layer chosen on dev."""
        metric, reference = self.loss
        found = [
            row
            for (name, _, method, _, corpus, against), row in self._rows.items()
            if (name, method, corpus, against) == (f"{metric}_at_chosen_layer", one.name, suite, reference)
        ]
        return found[0] if found else None

    def random(
        self, metric: str, layer: str, one: Series, corpus: str = "", group: str = ""
    ) -> Measurement | None:
        """A row about the random erasures of the same rank as an eraser's at a layer."""
        cells = random_like(one, layer, self.found.series)
        for other in self.found.series:
            if cells and other.cells.get(layer, ()) is cells:
                return self.get(metric, layer, other.name, corpus=corpus, group=group)
        return None
