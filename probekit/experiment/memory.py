"""Peak anonymous memory, under the name it is known by here."""

from probekit.results.memory import PeakMemory, anonymous_mb

__all__ = ["PeakMemory", "anonymous_mb"]
