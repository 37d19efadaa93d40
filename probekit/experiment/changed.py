"""What adaptation changed: one result with rows, pictures and sentences, from what every part left in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from probekit.experiment.change_behaviour import (
    Learned,
    Surprise,
    learned_rows,
    suite_rows,
    surprise_rows,
)
from probekit.experiment.change_cells import BEFORE, Version
from probekit.experiment.change_rows import (
    REFITTED,
    TRANSFERRED,
    Base,
    ProbedTask,
    drift_rows,
    head_rows,
    of_control,
    probe_rows,
)
from probekit.results.formats import slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.behavior.answers import Answers
    from probekit.data.suite import Suite
    from probekit.experiment.change_heads import HeadHits
    from probekit.experiment.change_states import Moved

LEVEL = 0.05
FORGOTTEN, PARTLY, REARRANGED = "forgotten", "partly forgotten", "re-arranged"
GAINED, KEPT = "gained", "no loss shown"
VERDICTS = (FORGOTTEN, PARTLY, REARRANGED, GAINED, KEPT)


@dataclass(frozen=True, eq=False, repr=False)
class Changed:
    """What fine-tuning changed in a model: rows (measurements), panels (pictures), sentences.

    ``versions`` are the adapted models that there are; ``probed`` the tasks probed; ``moved``, ``heads``, ``answers``
    and ``surprise`` hold what was found of each version, empty where it was not asked for. Of each task and layer
    `verdict` says whether what a probe reads was "forgotten" (a probe that is fitted anew gets less right than before;
    "partly forgotten" where it loses less than half of what the old probe loses), "re-arranged" (the old probe gets
    less right, and of the new one no loss is shown), "gained" or neither; a change counts with Holm-corrected p < 0.05
    over all tasks and layers.
    """

    about: About
    task: str
    strategy: str
    versions: tuple[Version, ...]
    corpus: str = ""
    learned: Mapping[Version, Learned] = field(default_factory=dict)
    probed: tuple[ProbedTask, ...] = ()
    moved: Mapping[Version, Moved] = field(default_factory=dict)
    heads: Mapping[Version, HeadHits] = field(default_factory=dict)
    suites: tuple[Suite, ...] = ()
    answers: Mapping[Version, Sequence[Answers]] = field(default_factory=dict)
    surprise: Mapping[Version, Surprise] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    resamples: int = 1000

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Every number; what was not asked for has no row."""
        base = Base(self.about, self.resamples)
        rows = learned_rows(base, self.task, self.corpus, self.learned) if self.learned else []
        rows += probe_rows(base, self.probed, self.versions)
        rows += drift_rows(base, self.moved)
        if self._compared(self.heads):
            rows += head_rows(base, self.heads)
        if self._compared(self.answers):
            rows += suite_rows(base, self.suites, self.answers)
        if self._compared(self.surprise):
            rows += surprise_rows(base, self.surprise)
        return tuple(rows)

    @staticmethod
    def _compared(found: Mapping[Version, object]) -> bool:
        """Whether there is a version before and one after."""
        return Version() in found and len(found) > 1

    def outcomes(self, version: Version) -> dict[str, Outcomes]:
        """What happened to every test unit of every probed task and layer, by the probe asked."""
        found = {}
        for one in self.probed:
            test = one.problem.of("test")
            for layer in one.layers:
                said = {
                    BEFORE: one.before.get(layer) if version.seed is None else None,
                    TRANSFERRED: one.transferred.get((version, layer)),
                    REFITTED: one.refitted.get((version, layer)),
                }
                for probe, codes in said.items():
                    if codes is not None:
                        found[slug(one.name, layer, probe)] = Outcomes(
                            ids=tuple(one.problem.ids[i] for i in test),
                            cluster=one.problem.cluster[test],
                            gold=one.problem.gold[test],
                            predicted=codes,
                            margin=np.full(len(test), np.nan, np.float32),
                            labels=one.problem.labels,
                            left_out=one.problem.left_out,
                        )
        return found

    @property
    def controls(self) -> list[str]:
        """ "" for the task of the adaptation, then "shuffled-labels" where a version was adapted to those."""
        return list(of_control(self.versions))

    @cached_property
    def _by_key(self) -> dict[tuple[str, ...], Measurement]:
        """Rows of probes, states and suites over all seeds, by what they say."""
        return {
            (row.metric, row.group, row.layer, row.control, row.reference, row.corpus): row
            for row in self.rows
            if not row.seeds
        }

    def row(
        self,
        metric: str,
        group: str = "",
        layer: str = "",
        control: str = "",
        reference: str = "",
        corpus: str = "",
    ) -> Measurement | None:
        """The row over all seeds that says this; None where there is none."""
        return self._by_key.get((metric, group, layer, control, reference, corpus or self.about.corpus))

    def change(self, task: str, layer: str, probe: str, control: str = "") -> Measurement | None:
        """The difference that adaptation made to a probe ("transferred" or "re-fitted") of a task at a layer."""
        return self.row("accuracy_difference", f"task={task}, probe={probe}", layer, control, BEFORE)

    def verdict(self, task: str, layer: str, control: str = "") -> str:
        """What became of what a probe reads there: one of `VERDICTS`, or "" where it was not measured."""
        anew = self.change(task, layer, REFITTED, control)
        old = self.change(task, layer, TRANSFERRED, control)
        if anew is None or old is None:
            return ""
        if shown(anew, below=True):
            lost, lost_by_old = -(anew.value or 0.0), -(old.value or 0.0)
            return PARTLY if lost < lost_by_old / 2 else FORGOTTEN
        if shown(old, below=True):
            return REARRANGED
        return GAINED if shown(anew, below=False) else KEPT

    @cached_property
    def summary(self) -> list[str]:
        """What a paper would write, part by part."""
        from probekit.experiment.changed_told import sentences

        return list(sentences(self).values())

    @cached_property
    def panels(self) -> list[Panel]:
        """The sentences; curves of probes and states by layer; tables; heads and behaviour."""
        from probekit.experiment.changed_pictures import make_panels

        return make_panels(self)

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        return f"<Changed {self.about.model} by {self.strategy} on {self.task}: {len(self.rows):,} rows>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        told = f"<p>{escape(' '.join(self.summary))}</p>"
        tables = [panel.labels for panel in self.panels if panel.kind == "table"]
        return told + "".join(str(table(one["columns"], one["rows"], one["formats"])) for one in tables)


def shown(row: Measurement | None, *, below: bool | None = None) -> bool:
    """Whether a difference is told from 0 after correction, and (where asked) lies below or above it."""
    if row is None or row.p_adjusted is None or row.value is None or row.p_adjusted >= LEVEL:
        return False
    return below is None or (row.value < 0) == below
