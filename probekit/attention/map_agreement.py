"""How alike maps of importance are, and how often each puts a syntactic neighbour first: numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import cell, counted, paragraph_and_table
from probekit.glossary import Layer, ModelKind
from probekit.maths.resampling import describe_interval, mean_interval
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
Answers = tuple[Array, Array]
"""1 and 0 for each word asked, and the sentence of each."""
STEPS = {-1: "the word before", 1: "the word behind"}


@dataclass(frozen=True, eq=False)
class Pair:
    """Two maps at one layer: the correlation of each word's row, NaN where it was not ranked, and its sentence."""

    a: str
    b: str
    layer: Layer
    values: Array
    sentence: Array


@dataclass(frozen=True, eq=False, repr=False)
class MapAgreement:
    """How alike maps of importance rank the other words, and how often they put a syntactic neighbour first.

    Attributes
    ----------
    pairs : a `Pair` for each two methods and layer
    answers : by method and layer, whether the most important other word is a neighbour in the gold tree
    fixed : the same for the word before (-1) and behind (1)
    """

    pairs: tuple[Pair, ...]
    answers: Mapping[tuple[str, Layer], Answers]
    fixed: Mapping[int, Answers]
    layers: tuple[Layer, ...]
    methods: tuple[str, ...]
    n_sentences: int
    model: str
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    seed: int = 0
    resamples: int = 1000

    @property
    def has_trees(self) -> bool:
        """Whether any word has a gold neighbour."""
        return bool(len(self.fixed[1][0]))

    @cached_property
    def rows(self) -> list[Measurement]:
        """Mean correlations by pair and layer; where there are trees, the share of words with a neighbour first."""
        base = Measurement(
            metric="spearman", model=self.model, model_kind=self.model_kind, corpus=self.corpus, split="",
            site="attention_output", seeds=(("data", self.seed),), reason="no row could be ranked",
        )  # fmt: skip
        rows = []
        for pair in self.pairs:
            row = replace(
                base, layer=pair.layer, group=f"maps={pair.a}~{pair.b}", method="rows of two maps, other words only",
            )  # fmt: skip
            rows.append(self._mean(row, pair.values, pair.sentence))
        if not self.has_trees:
            return rows
        base = replace(base, metric="neighbour_first")
        for (method, layer), answers in self.answers.items():
            rows.append(
                self._mean(replace(base, layer=layer, group=f"map={method}", method=method), *answers)
            )
        rows += [
            self._mean(replace(base, control="fixed-offset", method=STEPS[step]), *answers)
            for step, answers in self.fixed.items()
        ]
        return rows

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """Which two maps agree most and least, and what that means for syntax, in sentences."""
        means = {}
        for names in dict.fromkeys((pair.a, pair.b) for pair in self.pairs):
            own = [row.value for row in self.rows if row.group == f"maps={'~'.join(names)}"]
            if ranked := [value for value in own if value is not None]:
                means[names] = float(np.mean(ranked))
        if not means:
            return f"No row of the maps of {self.model} could be ranked: the texts have too few words."
        most, least = max(means, key=lambda k: means[k]), min(means, key=lambda k: means[k])
        text = (
            f"Over {counted(self.n_sentences, 'sentence')}, maps of {self.model} by "
            f"{most[0]} and {most[1]} rank other words most alike (mean Spearman over layers {means[most]:+.2f})"
        )
        text += "." if most == least else f", {least[0]} and {least[1]} least ({means[least]:+.2f})."
        if self.has_trees:
            found = [row for row in self.rows if row.metric == "neighbour_first" and row.value is not None]
            best = max((row for row in found if not row.control), key=lambda row: row.value or 0)
            fixed = max((row for row in found if row.control), key=lambda row: row.value or 0)
            text += (
                f" A syntactic neighbour is most often first by {best.method} at layer {best.layer} "
                f"({100 * (best.value or 0):.1f} % of {counted(best.n, 'word')}, the best of {len(self.answers)}); "
                f"{fixed.method} is one for {100 * (fixed.value or 0):.1f} %."
            )
        return text

    @property
    def panels(self) -> list[Panel]:
        """The summary, correlations by pair and layer, and where there are trees, neighbours by layer."""
        names = list(dict.fromkeys((pair.a, pair.b) for pair in self.pairs))
        value = np.full((len(names), len(self.layers)), np.nan)
        by = {(row.group, row.layer): row.value for row in self.rows}
        for i, (a, b) in enumerate(names):
            for j, layer in enumerate(self.layers):
                found = by.get((f"maps={a}~{b}", layer))
                value[i, j] = np.nan if found is None else found
        labels = {
            "rows": [f"{a} and {b}" for a, b in names], "columns": list(self.layers), "row_label": "maps",
            "column_label": "layer", "value_label": "mean Spearman", "range": [-1.0, 1.0],
        }  # fmt: skip
        caption = (
            "Mean rank correlation of two maps over the other words of a row; the word itself is left out."
        )
        panels = [
            Panel("sentence", "maps-summary", "In a sentence", labels={"text": self.summary}),
            Panel("heatmap", "maps-agreement", "Do maps agree?", caption, {"value": value}, labels),
        ]
        return [*panels, self._neighbours_panel()] if self.has_trees else panels

    def __repr__(self) -> str:
        return f"<MapAgreement of {self.model}: {', '.join(self.methods)}, {counted(self.n_sentences, 'sentence')}>"

    def _repr_html_(self) -> str:
        rows = []
        for a, b in dict.fromkeys((pair.a, pair.b) for pair in self.pairs):
            own = [row.value for row in self.rows if row.group == f"maps={a}~{b}"]
            known = [value for value in own if value is not None]
            told = [float(np.mean(known)), min(known), max(known)] if known else [None] * 3
            rows.append([f"{a} and {b}", *map(cell, told)])
        columns = ["maps", "mean Spearman over layers", "lowest layer", "highest layer"]
        return paragraph_and_table(self.summary, columns, rows)

    def _mean(self, row: Measurement, values: Array, sentence: Array) -> Measurement:
        known = np.isfinite(values)
        row = replace(row, n=int(known.sum()), n_left_out=int((~known).sum()))
        if not known.any():
            return row
        found = mean_interval(values[known], sentence[known], resamples=self.resamples)
        bounded = bool(np.isfinite(found.low))
        return replace(
            row, value=found.value, low=found.low if bounded else None, high=found.high if bounded else None,
            interval=describe_interval(self.resamples) if bounded else "", reason="",
        )  # fmt: skip

    def _neighbours_panel(self) -> Panel:
        found = [row for row in self.rows if row.metric == "neighbour_first"]
        by = {(row.method, row.layer): row for row in found if not row.control}
        fixed = max((row for row in found if row.control), key=lambda row: row.value or 0)
        arrays = {
            name: np.array([
                [_number(by.get((method, layer)), name) for layer in self.layers] for method in self.methods
            ])
            for name in ("value", "low", "high")
        }  # fmt: skip
        labels = {
            "layers": list(self.layers), "x_label": "layer", "y_label": "a syntactic neighbour first",
            "series": [{"name": method, "style": "task"} for method in self.methods],
            "reference": {"value": fixed.value, "name": fixed.method},
        }  # fmt: skip
        caption = (
            "Share of words whose most important other word is their head or a dependent of theirs; "
            f"{describe_interval(self.resamples)}."
        )
        return Panel("layer-curve", "maps-neighbours", "Is syntax near?", caption, arrays, labels)


def _number(row: Measurement | None, name: str) -> float:
    value = None if row is None else getattr(row, name)
    return float("nan") if value is None else float(value)
