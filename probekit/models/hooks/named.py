"""What others must know of the edits in force: may texts share their beginnings, and how does a recipe name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError
from probekit.models.hooks.edit import Edit, active_edits
from probekit.models.hooks.force import in_force

if TYPE_CHECKING:
    from probekit.models.model import Model


def only_rowwise(model: Model) -> bool:
    """Whether every edit in force maps each piece's state by itself, wherever the piece stands: only then do texts that
    begin alike still have the same states there."""
    return all(
        edit.positions is None and bool(getattr(edit.fn, "rowwise", False)) for edit in active_edits(model)
    )


def edits_recipe(model: Model) -> list[dict[str, Any]]:
    """The edits in force as JSON: two lists are equal where the edits do the same.

    Raises ConfigError where a function does not say what it does by a ``key``, a hash of its content.
    """
    return [_recipe(model, edit) for edit in active_edits(model)]


def mark_reached(model: Model) -> None:
    """Numbers were read that had been made under these very edits: none of them goes unused."""
    for live in in_force():
        if live.model.module is model.module:
            live.reached = True


def _recipe(model: Model, edit: Edit) -> dict[str, Any]:
    found: dict[str, Any] = {"layer": str(edit.layer), "site": edit.site, "fn": _key(model, edit, edit.fn)}
    where = edit.positions
    if isinstance(where, slice):
        found["positions"] = {"slice": [where.start, where.stop, where.step]}
    elif callable(where):
        found["positions"] = {"fn": _key(model, edit, where)}
    elif where is not None:
        found["positions"] = list(where) if isinstance(where, Sequence) else [where]
    if edit.site == "heads" and getattr(edit.fn, "flat", False):
        found["flat"] = True
    return found


def _key(model: Model, edit: Edit, fn: Any) -> str:
    key = getattr(fn, "key", None)
    if not isinstance(key, str) or not key:
        raise ConfigError(
            f"{model.name}: the edit in force at layer {edit.layer}, site {edit.site!r}, does not say what it does, so "
            "that its states cannot be told from others in the store; give its function an attribute `key`, a hash "
            "of its content, or leave the `with` block"
        )
    return key
