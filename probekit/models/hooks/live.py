"""An edit while it is in force: it knows its place, its thread, and whether anything came by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import torch

from probekit.errors import ModelError
from probekit.models.hooks.force import in_force
from probekit.models.hooks.place import Place, Reading
from probekit.models.hooks.positions import chosen

if TYPE_CHECKING:
    from probekit.models.hooks.edit import Edit
    from probekit.models.model import Model


class Live:
    """One edit, opened in one thread."""

    def __init__(self, model: Model, edit: Edit, place: Place) -> None:
        self.model = model
        self.edit = edit
        self.place = place
        self.thread = threading.get_ident()
        self.reading = Reading()
        self.reached = False

    def is_in_force(self) -> bool:
        """Whether it acts here and now: in its own thread, and not suspended."""
        return self in in_force()

    def hook(self, state: torch.Tensor) -> torch.Tensor:
        """What passes by, changed by all edits of this place in the order of opening.

        Every edit has a hook of its own, and only that of the last one acts, for all.
        """
        mine = [live for live in in_force() if live.place.same(self.place)]
        if not mine or mine[-1] is not self:
            return state
        for live in mine:
            state = live.apply(state)
        return state

    def apply(self, state: torch.Tensor) -> torch.Tensor:
        """The states after this edit; the same tensor where it gives back what it was given."""
        fn, positions = self.edit.fn, self.edit.positions
        old = self.place.shaped(state, self.reading, flat=bool(getattr(fn, "flat", False)))
        given = old if positions is None else old.clone()  # what fn does in place must not be seen elsewhere
        new = fn(given)
        if not isinstance(new, torch.Tensor) or new.shape != old.shape:
            shown = list(new.shape) if isinstance(new, torch.Tensor) else type(new).__name__
            raise ModelError(f"{self}: it was given {list(old.shape)} and gave {shown}; keep the shape")
        if positions is None:
            self.reached = True
            if new is given:
                return state
            return new.to(device=state.device, dtype=state.dtype).reshape(state.shape)
        where = chosen(positions, self.reading, old)
        if not bool(where.any()):
            return state
        self.reached = True
        where = where[(..., *[None] * (old.ndim - 2))]
        new = new.to(device=state.device, dtype=state.dtype)
        return torch.where(where, new, old).reshape(state.shape)

    def __str__(self) -> str:
        return f"{self.model.name}: the edit of layer {self.edit.layer}, site {self.edit.site!r}"
