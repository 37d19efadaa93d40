"""Panels into figures: for a notebook, for a file, for the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError
from probekit.report.figures.attention import draw_attention
from probekit.report.figures.confusion import draw_confusion
from probekit.report.figures.curve import draw_curve
from probekit.report.figures.forest import draw_forest
from probekit.report.figures.heatmap import draw_heatmap
from probekit.report.figures.layer_curve import draw_layer_curve
from probekit.report.figures.pareto import draw_pareto
from probekit.report.figures.scatter import draw_scatter
from probekit.report.figures.shaded_text import picture_shaded_text
from probekit.report.figures.strip import draw_strip
from probekit.report.figures.style import PAGE, style
from probekit.results.html import escape
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWINGS: dict[str, Callable[[Panel, float], Figure]] = {
    "layer-curve": draw_layer_curve,
    "curve": draw_curve,
    "forest": draw_forest,
    "strip": draw_strip,
    "pareto": draw_pareto,
    "heatmap": draw_heatmap,
    "confusion": draw_confusion,
    "attention": draw_attention,
    "shaded-text": picture_shaded_text,
    "scatter": draw_scatter,
}
"""Kinds of panels that are pictures; the others are HTML."""

# no date and no version inside: the same panel gives the same bytes
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


class Figures(list[Any]):
    """A list of matplotlib figures that a notebook shows."""

    def _repr_html_(self) -> str:
        pictures = []
        for figure in self:
            buffer = io.BytesIO()
            with style():
                figure.savefig(buffer, format="svg", metadata=_METADATA["svg"])
            pictures.append(f'<img alt="{escape(figure.get_label())}" src="{data_uri(buffer.getvalue())}">')
        return "".join(pictures)


def plot(x: Any, *, width: float = PAGE) -> Figures:
    """A fresh matplotlib figure for every picture of `x`: a panel, a run, or anything with `.panels`.

    `width` in inches: 6.0 for a page, 3.4 for one column of a paper. Tables and sentences are no pictures and
    are left out. The figures belong to no pyplot state; save one with ``figure.savefig("curve.pdf")``. Raises
    ConfigError for what has no panels.

    >>> values = {name: np.array([[0.7, 0.9]]) for name in ("value", "low", "high")}
    >>> labels = {"layers": ["0", "1"], "x_label": "layer", "y_label": "accuracy",
    ...           "series": [{"name": "upos", "style": "task"}]}
    >>> len(plot(Panel("layer-curve", "upos", "upos by layer", "", values, labels)))
    1
    """
    figures = Figures()
    for panel in panels_of(x):
        if panel.kind in DRAWINGS:
            with style():
                figure = DRAWINGS[panel.kind](panel, width)
            figure.set_label(panel.title)
            figures.append(figure)
    return figures


def panels_of(x: Any) -> list[Panel]:
    """The panels of a panel, a run, or an analysis's result. Raises ConfigError for anything else."""
    if isinstance(x, Panel):
        return [x]
    panels = getattr(x, "panels", None)
    if panels is None:
        raise ConfigError(f"{type(x).__name__} has no panels; give a sweep, a run or a Panel")
    return list(panels() if callable(panels) else panels)


def render(panel: Panel, kind: str = "svg", *, width: float = PAGE) -> bytes:
    """A panel as the bytes of an svg, pdf or png; the same panel gives the same bytes, in any process."""
    buffer = io.BytesIO()
    with style():
        # a figure is drawn anew for every file: saving one twice gives other bytes
        DRAWINGS[panel.kind](panel, width).savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def data_uri(svg: bytes) -> str:
    """An SVG as the address of an image; line breaks and indents, which mean nothing in it, become single spaces."""
    compact = re.sub(rb"\s*\n\s*", b" ", svg)
    return "data:image/svg+xml;base64," + base64.b64encode(compact).decode()
