"""Where the built-in task, suite and lexicon files are: the checkout's `probes/`, or the copy in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from probekit.errors import DataError


@cache
def probes_folder() -> Path:
    """The folder with `tasks/`, `suites/` and `lexicons/`; DataError where an installation lost it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_probes", package.parent / "probes"):
        if (folder / "tasks").is_dir():
            return folder
    raise DataError(
        f"the built-in task files are neither in {package} nor beside it; install probekit-nlp again"
    )
