"""Read the states that pass by at any site, as they are after all edits."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from probekit.errors import ModelError
from probekit.glossary import Layer, Site
from probekit.models.hooks.force import suspended
from probekit.models.hooks.place import Act, Place, Reading
from probekit.models.hooks.sites import check_site, find_place

if TYPE_CHECKING:
    from probekit.models.model import Model


@contextmanager
def capture(
    model: Model, layers: str | int | Iterable[str | int] = "all", site: Site = "hidden"
) -> Iterator[dict[Layer, torch.Tensor]]:
    """Inside the block the dict given holds the states of the layers, ``[batch, pieces, dim]``, from the last pass.

    At ``site="heads"`` they are ``[batch, pieces, heads, dim of a head]``. Edits in force are seen; a decoder's rows
    begin with its start piece. Only passes of this thread are kept. Raises as `edit`.

    >>> model, ids = pk.load_model("demo:minilm"), torch.tensor([[101, 1996, 3899, 102]])
    >>> with pk.capture(model, [1, 2], site="heads") as heads:
    ...     _ = model.states(ids, None, [2])
    >>> {layer: tuple(states.shape) for layer, states in heads.items()}
    {'1': (1, 4, 12, 32), '2': (1, 4, 12, 32)}
    """
    site = check_site(site)
    names = model.resolve_layers(layers, site)
    places = [find_place(model, layer, site) for layer in names]
    seen: dict[Layer, torch.Tensor] = {}
    with ExitStack() as cleanup:
        readings: dict[str, Reading] = {}
        for place in places:
            if place.stack.prefix not in readings:
                readings[place.stack.prefix] = Reading()
                cleanup.callback(readings[place.stack.prefix].attach(place.stack).remove)
            cleanup.callback(
                place.attach(_keep(place, readings[place.stack.prefix], seen), first=False).remove
            )
        yield seen


_WIDTHS: weakref.WeakKeyDictionary[Model, dict[Site, int]] = weakref.WeakKeyDictionary()


def site_width(model: Model, site: Site) -> int:
    """How many numbers pass by at a site for one piece, seen in one pass. Raises ModelError where blocks differ."""
    known = _WIDTHS.setdefault(model, {})
    if site not in known:
        ids = torch.tensor([[5, 6, 7, 8]], device=model.module.device) % model.vocabulary
        with suspended():
            states = model.states(ids, None, model.resolve_layers("all", site), site=site)
        widths = {int(state.shape[-1]) for state in states.values()}
        if len(widths) > 1:
            raise ModelError(f"{model.name}: its blocks have different widths {sorted(widths)} at {site!r}")
        known[site] = widths.pop()
    return known[site]


def _keep(place: Place, reading: Reading, seen: dict[Layer, torch.Tensor]) -> Act:
    thread = threading.get_ident()

    def keep(state: torch.Tensor) -> torch.Tensor:
        if threading.get_ident() == thread:
            seen[place.layer] = place.shaped(state, reading)
        return state

    return keep
