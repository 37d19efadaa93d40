"""Memory that stays flat while batches of a hundred shapes come and go."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

TRIM_EVERY = 16
"""Batches between two times that freed memory is given back: often enough to stay flat, too rare to cost
time.
"""


def return_memory() -> None:
    """Give freed memory back to the system.

    Batches of a hundred shapes leave the allocator's heap full of holes, and it grows though nothing is held.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # a C library without malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
