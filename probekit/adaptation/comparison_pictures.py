"""Pictures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.adaptation.comparison_runs import Ground
from probekit.adaptation.comparison_table import Judged, score_table
from probekit.results.formats import slug
from probekit.results.measurement import About
from probekit.results.panel import Panel


def make_panels(judged: Sequence[Judged], ground: Ground, about: About) -> list[Panel]:
    """Tables and pictures, the verdict first."""
    name = slug(about.model or "model", ground.task, "strategies")
    return [score_table(judged, ground, about, name)]
