"""Hooks on a live model: read or change the states of any layer and site, for the time of a ``with`` block."""

from __future__ import annotations

from probekit.models.hooks.capture import capture
from probekit.models.hooks.edit import Edit, EditFn, active_edits, edit, edit_all
from probekit.models.hooks.force import suspended
from probekit.models.hooks.named import edits_recipe, mark_reached, only_rowwise
from probekit.models.hooks.positions import Positions

__all__ = [
    "Edit",
    "EditFn",
    "Positions",
    "active_edits",
    "capture",
    "edit",
    "edit_all",
    "edits_recipe",
    "mark_reached",
    "only_rowwise",
    "suspended",
]
