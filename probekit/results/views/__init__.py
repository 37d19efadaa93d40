"""Attention that can be touched: bertviz's head, model and neuron view as one page that loads nothing."""

from __future__ import annotations

from probekit.results.views.page import view_frame, view_page

__all__ = ["view_frame", "view_page"]
