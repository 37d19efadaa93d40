"""The scripts of a view, read as text out of installed packages: none of them is imported, none is loaded by a browser.

bertviz's own page loads d3 and jQuery from a network. Here d3 comes from mpld3 and jQuery from XStatic-jQuery, and a
few lines stand in for the loader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources

from probekit.errors import ConfigError, MissingExtra, did_you_mean

VIEWS = ("head", "model", "neuron")
SOURCES = {"d3": ("mpld3", "d3.v5.min.js"), "jquery": ("XStatic-jQuery", "jquery.min.js")}
PIP = "pip install 'probekit-nlp[views]'"
_LOADER = re.compile(r"require\.config\(\{.*?\}\);", re.DOTALL)
_PARAMETERS = re.compile(r"const params = (PYTHON_PARAMS|window\.bertviz_params)\b[^\n]*")


@dataclass(frozen=True)
class Scripts:
    """What a view runs, in this order, and how it looks. The same for every text: only the data differ."""

    run: tuple[str, ...]
    style: str


def views_missing() -> str:
    """Why no view can be made here, with the line that mends it; "" where one can.

    >>> views_missing() in ("", f"mpld3 and XStatic-jQuery are not installed: {PIP}")
    True
    """
    absent = [
        package
        for package, file in (*SOURCES.values(), ("bertviz", "head_view.js"))
        if not _find(package, file)
    ]
    verb = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {verb} not installed: {PIP}" if absent else ""


@lru_cache(maxsize=len(VIEWS))
def read_scripts(view: str) -> Scripts:
    """The scripts and the style of a view.

    Raises ConfigError for another view, MissingExtra where a package is absent.
    """
    if view not in VIEWS:
        raise ConfigError(f"no view {view!r}; {did_you_mean(str(view), VIEWS)}")
    if missing := views_missing():
        raise MissingExtra(f"the {view} view cannot be made: {missing}")
    own = resources.files("probekit.results.views")
    before, after, style = (
        own.joinpath(name).read_text(encoding="utf-8") for name in ("before.js", "after.js", "view.css")
    )
    libraries = [_find(package, file) for package, file in SOURCES.values()]
    return Scripts((*libraries, before, _drawing(view), after), style)


def _drawing(view: str) -> str:
    """bertviz's script without its loader's addresses, its data taken from our own variable."""
    code = _find("bertviz", f"{view}_view.js")
    code, loaders = _LOADER.subn("", code)
    code, markers = _PARAMETERS.subn("const params = window.bertviz_params;", code)
    if (loaders, markers) != (1, 1):
        raise MissingExtra(
            f"the {view} view of bertviz {metadata.version('bertviz')} is built otherwise than that of 1.4, which is "
            "known: pip install 'bertviz==1.4.1'"
        )
    return code


def _find(package: str, file: str) -> str:
    """The text of a file that a package brought along; "" where it is not there."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return ""
    for path in files:
        if path.name == file:
            try:
                return path.read_text()
            except OSError:
                return ""
    return ""
