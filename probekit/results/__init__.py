"""What came out: measurements, outcomes, panels, and the run folder that keeps them."""

from __future__ import annotations

from probekit.results.fragment import Fragment
from probekit.results.measurement import Measurement, tidy
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel
from probekit.results.run import Run

__all__ = ["Fragment", "Measurement", "Outcomes", "Panel", "Run", "tidy"]
