"""A piece of HTML that is known to be safe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fragment:
    """Escaped HTML: a notebook shows it, a template with autoescape takes it as it is.

    >>> Fragment("<b>3</b>")._repr_html_()
    '<b>3</b>'
    """

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __html__(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.html
