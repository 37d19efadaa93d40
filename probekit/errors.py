"""What can go wrong for a user, and the exit code each kind has on the command line.

Every message says what happened, where (file:line, item, layer), what was found, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN_NAMES = 20


class ProbekitError(Exception):
    """Something a user can cause and mend.

    >>> try:
    ...     pk.load_task("upso")
    ... except ProbekitError as problem:
    ...     print(type(problem).__name__, problem.exit_code, str(problem)[:36])
    ConfigError 2 no task 'upso'; did you mean 'upos'?
    """

    exit_code = 1


class DataError(ProbekitError):
    """A corpus, a file or a label is not as its format demands."""


class AlignmentError(ProbekitError):
    """Words and pieces of a sentence cannot be matched."""


class ModelError(ProbekitError):
    """A model cannot be loaded, or is not what was asked for."""


class MissingExtra(ProbekitError):
    """An optional package is needed and absent."""


class DiskError(ProbekitError):
    """The disk refused: full, read-only, or not permitted."""


class ConfigError(ProbekitError):
    """An option, a TOML key or value, or a name that does not exist."""

    exit_code = 2


class StoreError(ProbekitError):
    """Stored representations are damaged or do not belong to what was asked."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or the list of known names where none is near.

    >>> did_you_mean("upso", ["upos", "xpos"])
    "did you mean 'upos'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if len(names) > SHOWN_NAMES:
        names[SHOWN_NAMES:] = [f"... and {len(names) - SHOWN_NAMES} more"]
    return "known: " + ", ".join(names) if names else "none are known"
