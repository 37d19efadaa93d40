"""States of a layer without running the blocks above it."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress

import torch

from probekit.errors import ModelError
from probekit.models.hooks import active_edits, capture
from probekit.models.hooks.place import Place
from probekit.models.hooks.sites import find_place
from probekit.models.model import Model

_PLACES: weakref.WeakKeyDictionary[Model, dict[str, Place | None]] = weakref.WeakKeyDictionary()


class _Enough(Exception):
    """What is wanted has passed by."""


def states_up_to(model: Model, ids: torch.Tensor, layer: str) -> torch.Tensor:
    """The states of a layer, ``[batch, pieces, dim]``, the very ones of `Model.states`; the pass ends there.

    The whole model runs where nothing lies above, where an edit in force does, or where the family's blocks are not
    known.
    """
    place = _place(model, layer)
    order = model.layers
    above = any(order.index(str(given.layer)) > order.index(layer) for given in active_edits(model))
    if place is None or above:
        return model.states(ids, None, (layer,))[layer]
    thread = threading.get_ident()

    def stop(state: torch.Tensor) -> torch.Tensor:
        if threading.get_ident() == thread:
            raise _Enough
        return state

    with capture(model, (layer,)) as seen:
        handle = place.attach(stop, first=False)
        try:
            with suppress(_Enough):
                model.states(ids, None, (layer,))
        finally:
            handle.remove()
    return seen[layer]


def _place(model: Model, layer: str) -> Place | None:
    """Where the states of a layer pass by; None where it is no use to stop there."""
    known = _PLACES.setdefault(model, {})
    if layer not in known:
        known[layer] = None
        blocks = [name for name in model.layers if not name.endswith("final")]
        if model.start_piece is None and layer in blocks[:-1]:
            with suppress(ModelError):
                known[layer] = find_place(model, layer, "hidden")
    return known[layer]
