"""What selective neurons look like: panels made from the best of every label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.results.formats import begin_large, format_interval, slug
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.geometry.selective import NeuronSelectivity


def selectivity_panels(found: NeuronSelectivity) -> list[Panel]:
    """The summary; the best neuron of every label beside that of the twin; the same as a table."""
    name = slug("selective", found.model, found.task)
    panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": found.summary})]
    if any(one.reported is not None for one in found.best):
        panels.append(_forest(found, name))
    return [*panels, _table(found, name)]


def _forest(found: NeuronSelectivity, name: str) -> Panel:
    known = [one for one in found.best if one.reported is not None]
    known.sort(
        key=lambda one: -abs(one.reported.value - (0.0 if found.numeric else 0.5)) if one.reported else 0
    )
    series = [{"name": found.model.rstrip("/").rpartition("/")[2], "style": "task"}]
    every = [[found.of(one.label) for one in known]]
    for number, twin in enumerate(found.twins, 1):
        series.append(
            {"name": "random twin" if len(found.twins) == 1 else f"random twin {number}", "style": "twin"}
        )
        by_label = {one.label: one for one in twin}
        every.append([by_label[one.label] for one in known])
    arrays = {
        bound: np.array(
            [
                [
                    np.nan if one.reported is None else _sized(found, one, getattr(one.reported, bound))
                    for one in column
                ]
                for column in every
            ]
        )
        for bound in ("value", "low", "high")
    }
    low, high = np.fmin(arrays["low"], arrays["high"]), np.fmax(arrays["low"], arrays["high"])
    what = "size of the rank correlation" if found.numeric else "area under the ROC curve"
    return Panel(
        "forest", f"{name}-best", f"Best single neuron: {found.task}",
        f"{begin_large(what)} of one neuron's activation on {found.splits[1]}, chosen of {found.n_neurons:,} on "
        f"{found.splits[0]}; of the twin its own best. Bars: 95 % over sentences, for the neuron once chosen.",
        {"value": arrays["value"], "low": low, "high": high},
        {"rows": [f"{one.label} ({one.name})" for one in known], "value_label": what, "series": series,
         "reference": {"value": 0.0 if found.numeric else 0.5, "name": "chance"}},
    )  # fmt: skip


def _sized(found: NeuronSelectivity, one: Any, value: float) -> float:
    """Correlations in the direction of the choice, so that labels compare."""
    return value * one.direction if found.numeric else value


def _table(found: NeuronSelectivity, name: str) -> Panel:
    first, second = found.splits
    columns = [
        "number" if found.numeric else "label",
        "neuron",
        "direction",
        first,
        "p",
        "p (all)",
        second,
        "95 %",
    ]
    columns += [f"{second}, twin", "remark"]
    rows: list[list[Any]] = []
    for one in found.best:
        value, low, high = one.reported or (None, None, None)
        direction = "" if not one.layer else "high" if one.direction > 0 else "low"
        rows.append(
            [
                one.label, one.name, direction, one.chosen, one.p, one.p_adjusted, value, format_interval(low, high),
                found.twin_value(one.label), one.reason,
            ]
        )  # fmt: skip
    formats = ["text", "text", "text", "score", "p", "p", "score", "text", "score", "text"]
    if not any(one.reason for one in found.best):  # nothing to remark on
        columns, rows, formats = columns[:-1], [row[:-1] for row in rows], formats[:-1]
    what = "Correlation" if found.numeric else "AUC"
    return Panel(
        "table", f"{name}-table", f"The best neuron for each {'number' if found.numeric else 'label'}",
        f"{what} where the neuron was chosen ({first}, n {found.n[0]:,}), p of the largest of {found.n_neurons:,} "
        f"under {found.permutations} permutations (of this row; of all rows together), and the same neuron's value on "
        f"{second} (n {found.n[1]:,}).",
        labels={"columns": columns, "rows": rows, "formats": formats},
    )  # fmt: skip
