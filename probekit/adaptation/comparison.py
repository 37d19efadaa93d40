"""`Comparison`: strategies side by side on the same units: scores, costs, differences, and what may be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from probekit.adaptation.comparison_pictures import make_panels
from probekit.adaptation.comparison_rows import make_rows
from probekit.adaptation.comparison_runs import Arm, Ground, Ran, arms_of, check_runs
from probekit.adaptation.comparison_table import Judged, judge_arms
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas


class Comparison:
    """What came out of the runs of several strategies on one task.

    >>> import numpy as np
    >>> gold = np.array([0, 1, 0, 1])
    >>> ground = Ground("toy", "sentence", "accuracy", ("a", "b"), {"dev": gold, "test": gold},
    ...                 {"dev": np.arange(4), "test": np.arange(4)}, np.zeros(4, bool), 8, 0)
    >>> right = np.eye(2, dtype=np.float32)[gold]
    >>> found = Comparison([Ran("full", 0, outputs={"dev": right, "test": right})], ground)
    >>> found.rows[0].metric, found.rows[0].value
    ('accuracy', 1.0)
    """

    def __init__(
        self, runs: Sequence[Ran], ground: Ground, about: About | None = None, *, resamples: int = 1000
    ) -> None:
        self.ground, self.about, self.resamples = ground, about or About(), resamples
        self.arms: list[Arm] = arms_of(runs)
        check_runs(self.arms, ground)

    @cached_property
    def _judged(self) -> list[Judged]:
        return judge_arms(self.arms, self.ground, self.resamples)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Every number with its interval."""
        return tuple(make_rows(self._judged, self.ground, self.about, self.resamples))

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @cached_property
    def panels(self) -> list[Panel]:
        """Tables and pictures."""
        return make_panels(self._judged, self.ground, self.about)
