"""What the activity of neurons looks like: panels made from its statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.geometry.activity import EDGES, KINDS, LISTED, PLACES
from probekit.results.formats import slug
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.geometry.activity import NeuronActivity

SHOWN = 4
"""Highest words of a neuron in the table."""


def activity_panels(found: NeuronActivity) -> list[Panel]:
    """The summary; how often units are on; dead and always-on units beside twins; per layer; the highest words."""
    name = slug("neurons", found.model, found.site)
    panels = [
        Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": found.summary}),
        _often(found, name),
        _kinds(found, name),
        _layers(found, name),
    ]
    words = _highest(found, name)
    return [*panels, words] if words is not None else panels


def _often(found: NeuronActivity, name: str) -> Panel:
    """Rows: layers. Columns: at which share of the words a unit is on."""
    names = ["never", *(f"to {_percent(high)}" for high in EDGES[1:-1]), "below all", "always"]
    value = []
    for layer in found.layers:
        share = found.statistics[layer].share_on
        inner = np.histogram(share[(share > 0) & (share < 1)], np.array(EDGES))[0]
        value.append([(share == 0).sum(), *inner, (share == 1).sum()])
    table = np.array(value, float) / found.dim
    return Panel(
        "heatmap", f"{name}-often", "How often units are on",
        f"Share of the {found.dim:,} units of a layer by the share of {found.n_words:,} words at which they are on "
        f"(above 0). {found.name}, {found.site}.",
        {"value": table},
        {"rows": list(found.layers), "columns": names, "row_label": "layer", "column_label": "on at (share of words)",
         "value_label": "share of units", "range": [0.0, float(table.max())]},
    )  # fmt: skip


def _kinds(found: NeuronActivity, name: str) -> Panel:
    series, value = [], []
    for what in KINDS[:2]:
        series.append({"name": what, "style": "task"})
        value.append([found.statistics[layer].marks[what].mean() for layer in found.layers])
        if found.twins:
            series.append({"name": f"{what}, random twins", "style": "twin"})
            value.append(
                [np.mean([twin[layer].marks[what].mean() for twin in found.twins]) for layer in found.layers]
            )
    array = np.array(value)
    nothing = np.full(array.shape, np.nan)
    return Panel(
        "layer-curve", f"{name}-dead", "Dead and always-on units",
        f"Share of units that are on at no word, and on at every word, of {found.n_words:,}. {found.name}, "
        f"{found.site}; counted, so there is no interval: another corpus may wake a unit.",
        {"value": array, "low": nothing, "high": nothing},
        {"layers": list(found.layers), "x_label": "layer", "y_label": "share of units", "series": series},
    )  # fmt: skip


def _layers(found: NeuronActivity, name: str) -> Panel:
    columns = ["layer", *KINDS, *([f"{what} (twins)" for what in KINDS[:2]] if found.twins else [])]
    columns += ["mean share on", "median of means", "median of spreads"]
    rows: list[list[Any]] = []
    for layer in found.layers:
        one = found.statistics[layer]
        counts: list[Any] = [int(one.marks[what].sum()) for what in KINDS]
        if found.twins:
            counts += [
                f"{np.mean([twin[layer].marks[what].sum() for twin in found.twins]):.4g}"
                for what in KINDS[:2]
            ]
        numbers = (one.share_on.mean(), np.median(one.mean), np.median(one.spread))
        rows.append([layer, *counts, *(float(number) for number in numbers)])
    formats = ["text", *["int"] * 3, *["text"] * (2 if found.twins else 0), *["score"] * 3]
    return Panel(
        "table", f"{name}-layers", "Units by layer", f"{found.dim:,} units a layer, {found.n_words:,} words.",
        labels={"columns": columns, "rows": rows, "formats": formats},
    )  # fmt: skip


def _highest(found: NeuronActivity, name: str) -> Panel | None:
    peaks = found.peaks()[:LISTED]
    rows = []
    for layer, unit in peaks:
        top = found.top(layer, unit).head(SHOWN)
        one = found.statistics[layer]
        words = " | ".join(
            f"{'… ' if b else ''}{' '.join(b.split()[-PLACES:])} [{w}] {' '.join(a.split()[:PLACES])} ({v:.3g})"
            for b, w, a, v in zip(top["before"], top["word"], top["after"], top["activation"], strict=True)
        )
        rows.append([f"{layer}.{unit}", float(one.mean[unit]), float(one.share_on[unit]), words])
    if not rows:
        return None
    return Panel(
        "table", f"{name}-words", "Where units are highest",
        "Of each layer the unit whose highest activation lies farthest above its mean, in its spreads; words in "
        "brackets, each from another sentence.",
        labels={"columns": ["neuron", "mean", "share on", "highest words"], "rows": rows,
                "formats": ["text", "score", "score", "text"]},
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
