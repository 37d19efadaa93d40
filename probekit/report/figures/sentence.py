"""A sentence panel as HTML."""

from __future__ import annotations

from probekit.results.fragment import Fragment
from probekit.results.html import escape
from probekit.results.panel import Panel


def draw_sentence(panel: Panel) -> Fragment:
    """The sentence as a paragraph."""
    return Fragment(f"<p>{escape(panel.labels['text'])}</p>")
