"""How much single units matter: effects averaged over texts or rows, ranked, with intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.glossary import ModelKind
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.results.html import escape
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

COLUMNS = 40
ROWS = 20
"""How many units, the most important ones, have a row with an interval."""


@dataclass(frozen=True, eq=False, repr=False)
class UnitEffects:
    """What leaving out each unit does to a prediction, averaged.

    Attributes
    ----------
    units : (layer, number) of every unit
    effect, size, relative : float64 ``[clusters, units]``, sums over the predictions of a cluster of before - after, of
        its absolute value, and of (before - after) / before
    before : float64 ``[clusters]``, sums of the predictions themselves; n : int64 ``[clusters]``, how many there are
    kind : "dimension", "neuron", "head"; how : what is done to it; prediction, unit : what is predicted, and its unit
    n_left_out, reasons : texts that could not be read, and why
    """

    units: tuple[tuple[str, int], ...]
    effect: Array
    size: Array
    relative: Array
    before: Array
    n: Array
    how: str
    prediction: str
    unit: str
    kind: str
    site: str = "hidden"
    model: str = ""
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    clusters_are: str = "texts"
    n_left_out: int = 0
    reasons: tuple[str, ...] = ()
    resamples: int = 1000

    @classmethod
    def from_changes(
        cls, change: Array, before: Array, cluster: Array | None = None, **about: Any
    ) -> UnitEffects:
        """From before - after, float64 ``[predictions, units]``; without `cluster` each prediction is one by itself."""
        which = (
            np.arange(len(change))
            if cluster is None
            else np.unique(cluster, return_inverse=True)[1].reshape(-1)
        )
        n = int(which.max()) + 1 if len(which) else 0
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(before[:, None] != 0, change / before[:, None], np.nan)

        def sums(values: Array) -> Array:
            if cluster is None:
                return np.asarray(values, dtype=np.float64)
            total = np.zeros((n, *values.shape[1:]))
            np.add.at(total, which, values)
            return total

        return cls(
            effect=sums(change), size=sums(np.abs(change)), relative=sums(relative), before=sums(before),
            n=np.bincount(which, minlength=n), **about,
        )  # fmt: skip

    @cached_property
    def importance(self) -> Array:
        """The mean size of the effect of each unit, float64 ``[units]``."""
        return self._mean(self.size)

    @property
    def order(self) -> Array:
        """Numbers of the units in `units`, most important first, int64 ``[units]``."""
        return np.argsort(-self.importance, kind="stable")

    def table_of_units(self) -> pandas.DataFrame:
        """A row per unit, most important first: layer, number, importance (mean size), mean effect, relative change."""
        import pandas

        frame = pandas.DataFrame(
            {
                "layer": [layer for layer, _ in self.units],
                self.kind: [number for _, number in self.units],
                "importance": self.importance,
                "effect": self._mean(self.effect),
                "relative_change": self._mean(self.relative),
            }
        )
        return frame.iloc[self.order].reset_index(drop=True)

    @cached_property
    def rows(self) -> list[Measurement]:
        """The prediction, then importance and effect of the units that matter most, with intervals over texts."""
        base = Measurement(
            metric="prediction", corpus=self.corpus, model=self.model, model_kind=self.model_kind, site=self.site,
            split="", unit="sentence" if self.clusters_are == "texts" else "unit", n=int(self.n.sum()),
            n_left_out=self.n_left_out, method=f"{self.kind} {self.how}; {self.prediction}, {self.unit}",
            reason="nothing could be read" + (f" ({', '.join(self.reasons)})" if self.reasons else ""),
        )  # fmt: skip
        rows = [self._bounded(base, self.before)]
        for number in self.order[:ROWS].tolist():
            layer, unit = self.units[number]
            for metric, sums in (("importance", self.size), ("effect", self.effect)):
                row = replace(base, metric=metric, layer=layer, group=f"{self.kind}={unit}")
                rows.append(self._bounded(row, sums[:, number]))
        return rows

    @property
    def summary(self) -> str:
        """What a paper would write."""
        if not self.n.sum() or not self.units:
            return (
                f"Nothing could be read for the {self.prediction} ({', '.join(self.reasons) or 'no text'})."
            )
        value = self.importance
        number = int(self.order[0])
        layer, unit = self.units[number]
        where = f" of layer {layer}" if layer else ""
        return (
            f"Of {len(self.units):,} {self.kind}s, {self.kind} {unit}{where} matters most for the {self.prediction}"
            f"{f' of {self.model}' if self.model else ''}: {self.how}, it moves it by {value[number]:.3f} {self.unit} "
            f"on average, the median {self.kind} by {float(np.median(value)):.3f} ({int(self.n.sum()):,} predictions). "
            "The largest of many is partly the luckiest: judge it on other texts."
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, importance by rank, a table of the units that matter most; layers by units where they fit."""
        name = re.sub(r"[^a-z0-9.]+", "-", f"{self.kind}-{self.prediction}".lower()).strip("-.")[:70]
        order = self.order
        panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": self.summary})]
        if not len(order) or not self.n.sum():
            return panels
        value = self.importance[order][None]
        curve = {
            "x_label": f"rank of the {self.kind}", "y_label": f"importance ({self.unit})",
            "series": [{"name": f"mean size of the effect, {self.kind} {self.how}", "style": "task"}],
        }  # fmt: skip
        none = np.full_like(value, np.nan)
        arrays = {"x": np.arange(1.0, len(order) + 1), "value": value, "low": none, "high": none}
        by = {(row.layer, row.group, row.metric): row for row in self.rows}
        cells = []
        for number in order[:ROWS].tolist():
            layer, unit = self.units[number]
            own = [by[layer, f"{self.kind}={unit}", metric] for metric in ("importance", "effect")]
            cells.append([layer, unit, *(_spoken(row) for row in own)])
        labels = {
            "columns": ["layer", self.kind, "importance [95 %]", "mean effect [95 %]"],
            "formats": ["text", "int", "text", "text"], "rows": cells,
        }  # fmt: skip
        caption = (
            f"Effect: the {self.prediction} before minus after, in {self.unit}; importance: its mean size."
        )
        title = f"Importance of every {self.kind}"
        return [
            *panels,
            *self._grid(f"{name}-map", title, caption),
            Panel("curve", f"{name}-curve", title, caption, arrays, curve),
            Panel(
                "table",
                f"{name}-table",
                f"{self.kind.capitalize()}s that matter most",
                caption,
                labels=labels,
            ),
        ]

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table; `table_of_units` has every unit."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        n = int(self.n.sum())
        return f"<UnitEffects of {len(self.units):,} {self.kind}s over {n:,} predictions: {self.prediction}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import table

        panels = [panel for panel in self.panels if panel.kind == "table"]
        shown = "".join(
            table(panel.labels["columns"], panel.labels["rows"], panel.labels["formats"]).html
            + f"<p><small>{escape(panel.caption)}</small></p>"
            for panel in panels
        )
        return f"<div><p>{escape(self.summary)}</p>{shown}</div>"

    def _grid(self, name: str, title: str, caption: str) -> list[Panel]:
        """Importance of every unit of every layer, where there are several layers of few units, as of heads."""
        layers = list(dict.fromkeys(layer for layer, _ in self.units))
        numbers = list(dict.fromkeys(number for _, number in self.units))
        full = self.units == tuple((layer, number) for layer in layers for number in numbers)
        if len(layers) < 2 or len(numbers) > COLUMNS or not full:
            return []
        labels = {
            "rows": layers, "columns": [str(number) for number in numbers], "row_label": "layer",
            "column_label": self.kind, "value_label": f"importance ({self.unit})",
        }  # fmt: skip
        value = self.importance.reshape(len(layers), len(numbers))
        return [Panel("heatmap", name, title, caption, {"value": value}, labels)]

    def _mean(self, sums: Array) -> Array:
        n = int(self.n.sum())
        return np.asarray(sums.sum(axis=0) / n if n else np.full(len(self.units), np.nan))

    def _bounded(self, row: Measurement, sums: Array) -> Measurement:
        if not self.n.sum():
            return row
        both = np.stack([sums, self.n.astype(np.float64)], axis=1)
        value, low, high = cluster_bootstrap(both, _quotient, resamples=self.resamples)
        made = describe_interval(self.resamples).replace("sentences", self.clusters_are)
        return replace(
            row, value=float(value), low=float(low), high=float(high), interval=made if np.isfinite(low) else "",
            reason="",
        )  # fmt: skip


def _quotient(total: Array) -> Array:
    return np.asarray(total[..., 0] / total[..., 1])


def _spoken(row: Measurement) -> str:
    if row.value is None:
        return "not defined"
    text = f"{row.value:.3f}"
    return text if row.low is None or row.high is None else f"{text} [{row.low:.3f}, {row.high:.3f}]"
