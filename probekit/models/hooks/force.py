"""Which edits are in force here: in this thread, in this context."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probekit.models.hooks.live import Live

_IN_FORCE: ContextVar[tuple[Live, ...]] = ContextVar("probekit_edits", default=())


def in_force() -> tuple[Live, ...]:
    """The edits opened in this thread and not closed yet, in the order of opening."""
    thread = threading.get_ident()
    return tuple(live for live in _IN_FORCE.get() if live.thread == thread)


@contextmanager
def added(lives: tuple[Live, ...]) -> Iterator[None]:
    """These are in force too inside the block."""
    token = _IN_FORCE.set((*_IN_FORCE.get(), *lives))
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


@contextmanager
def suspended() -> Iterator[None]:
    """No edit is in force inside the block: for passes that look at the model itself."""
    token = _IN_FORCE.set(())
    try:
        yield
    finally:
        _IN_FORCE.reset(token)
