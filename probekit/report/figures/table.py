"""A table panel as HTML."""

from __future__ import annotations

from probekit.results.fragment import Fragment
from probekit.results.html import table
from probekit.results.panel import Panel


def draw_table(panel: Panel) -> Fragment:
    """The table with numbers rounded by the format of their column."""
    return table(panel.labels["columns"], panel.labels["rows"], panel.labels["formats"])
