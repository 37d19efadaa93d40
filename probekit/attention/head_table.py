"""Statistics of heads as numbers, tables, pictures and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import cell, counted, paragraph_and_table, sentences_told, twins_told
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Layer, ModelKind
from probekit.maths.resampling import describe_interval
from probekit.results.formats import format_score
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

METHOD = "attention head"
METRICS = {
    "entropy": "Entropy of attention (bits)",
    "to_special": "Weight on special pieces",
    "to_punctuation": "Weight on punctuation",
    "to_previous": "Weight on the previous piece",
    "to_self": "Weight on the piece itself",
    "to_next": "Weight on the next piece",
    "to_same_word": "Weight on other pieces of the word",
    "to_same_type": "Weight on the same piece elsewhere",
    "distance": "Distance of attention (pieces)",
    "confidence": "Confidence (mean largest weight)",
}
TOLD = {
    "to_previous": "the previous piece",
    "to_next": "the next piece",
    "to_special": "special pieces",
    "to_punctuation": "punctuation",
    "to_same_type": "the same piece elsewhere",
}
REASONS = {
    "to_special": "no piece has a special piece to look at",
    "to_punctuation": "no piece has punctuation to look at",
    "to_previous": "no piece has an ordinary piece before it",
    "to_next": "no piece may look at the piece after it",
    "to_same_word": "no word of several pieces whose pieces may look at each other",
    "to_same_type": "no piece occurs twice in a sentence where the one may look at the other",
    "distance": "nothing is given to ordinary pieces",
}


@dataclass(frozen=True, eq=False, repr=False)
class HeadStatistics:
    """What every head looks at, made by `pk.head_statistics`.

    Attributes
    ----------
    layers, metrics : what the first and last axes of the arrays stand for
    values, low, high : float64 ``[layers, heads, metrics]``, NaN where a statistic is not defined
    uniform : float64 ``[layers, metrics]``, the same of attention spread evenly over all that is visible
    twins : float64 ``[twins, layers, heads, metrics]``, of random twins
    n : int64 ``[layers, metrics]``, over how many pieces
    profile, profile_uniform : float64 ``[layers, heads, offsets]`` and ``[layers, offsets]``, weight by distance
    left_out : words that were not read, by reason
    split : of which the sentences are, "" of none, "all" of several
    """

    layers: tuple[Layer, ...]
    values: Array
    low: Array
    high: Array
    uniform: Array
    twins: Array
    twin_seeds: tuple[int, ...]
    n: Array
    profile: Array
    profile_uniform: Array
    offsets: tuple[int, ...]
    n_sentences: int
    n_clusters: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    resamples: int = 1000
    model: str = ""
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    metrics: tuple[str, ...] = tuple(METRICS)
    split: str = ""

    def value(self, metric: str) -> Array:
        """One statistic of every head, float64 ``[layers, heads]``. Raises ConfigError for an unknown one."""
        return np.asarray(self.values[:, :, self._at(metric)])

    def baseline(self, metric: str) -> Array:
        """The same of attention spread evenly, float64 ``[layers]``."""
        return np.asarray(self.uniform[:, self._at(metric)])

    def _at(self, metric: str) -> int:
        if metric not in self.metrics:
            raise ConfigError(f"no statistic {metric!r} of heads; {did_you_mean(str(metric), self.metrics)}")
        return self.metrics.index(metric)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """For every layer and statistic each head with its interval, even attention, and the mean of each twin's heads
        between its lowest and highest head."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Measurement]:
        interval = describe_interval(self.resamples)
        if self.n_clusters < self.n_sentences:
            interval += f" ({self.n_clusters} runs of neighbouring sentences)"
        for at, layer in enumerate(self.layers):
            for number, metric in enumerate(self.metrics):
                shared: dict[str, Any] = {
                    "layer": layer, "metric": metric, "site": "heads", "split": self.split, "unit": "piece",
                    "model": self.model, "model_kind": self.model_kind, "corpus": self.corpus,
                    "n": int(self.n[at, number]), "n_left_out": sum(self.left_out.values()),
                    "reason": REASONS.get(metric, "") if np.isnan(self.values[at, :, number]).any() else "",
                }  # fmt: skip
                for head in range(self.values.shape[1]):
                    value, low, high = (
                        float(x[at, head, number]) for x in (self.values, self.low, self.high)
                    )
                    known = {} if np.isnan(value) else {"reason": ""}
                    yield Measurement(
                        **shared | known, method=METHOD, group=f"head={head}", value=value, low=low, high=high,
                        interval=interval if np.isfinite(low) else "",
                    )  # fmt: skip
                yield Measurement(
                    **shared,
                    method="even attention",
                    control="uniform",
                    value=float(self.uniform[at, number]),
                )
                for seed, twin in zip(self.twin_seeds, self.twins[:, at, :, number], strict=True):
                    yield Measurement(
                        **shared | {"model_kind": "random"}, method="mean over heads", control="random-twin",
                        value=float(twin.mean()), low=float(twin.min()), high=float(twin.max()),
                        interval="lowest and highest head", seeds=() if seed < 0 else (("twin", seed),),
                    )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """Which head looks most at what, beside even attention, in a sentence."""
        parts = []
        for metric, what in TOLD.items():
            value = self.value(metric)
            if np.isnan(value).all():
                continue
            layer, head = np.unravel_index(int(np.nanargmax(value)), value.shape)
            parts.append(
                f"{what} {format_score(float(value[layer, head]), 2)} by head {head} of layer {self.layers[layer]} "
                f"(even attention {format_score(float(self.baseline(metric)[layer]), 2)})"
            )
        count = self.values.shape[0] * self.values.shape[1]
        return (
            f"{counted(count, 'head')} of {self.model} over "
            f"{sentences_told(self.n_sentences, self.split)}. The largest mean weights go to: "
            + "; ".join(parts)
            + ". The largest of many is a description, not a test."
        )

    @property
    def panels(self) -> tuple[Panel, ...]:
        """A heat map of heads for every statistic that is defined, and one of weight by distance."""
        found = [self._panel(number, metric) for number, metric in enumerate(self.metrics)]
        return (*(panel for panel in found if panel is not None), self._profile_panel())

    def _panel(self, number: int, metric: str) -> Panel | None:
        value = self.values[:, :, number]
        if np.isnan(value).all():
            return None
        even = [format_score(float(x), 2) for x in np.unique(self.uniform[:, number].round(6))]
        beside = f"Attention spread evenly: {even[0]}" + (f" to {even[-1]}" if len(even) > 1 else "")
        if len(self.twins):
            twin = self.twins[..., number]
            low, high = (format_score(float(x), 2) for x in (twin.min(), twin.max()))
            beside += f"; heads of {twins_told(len(self.twins))}: {low} to {high}"
        labels: dict[str, Any] = {
            "rows": list(self.layers), "columns": [str(head) for head in range(value.shape[1])],
            "row_label": "Layer", "column_label": "Head", "value_label": METRICS[metric],
        }  # fmt: skip
        top = (
            1.0
            if metric.startswith("to_") or metric == "confidence"
            else float(np.nanmax([np.nanmax(value), 1e-9]))
        )
        return Panel(
            "heatmap",
            f"heads-{metric.replace('_', '-')}",
            METRICS[metric],
            f"Mean over the pieces of {sentences_told(self.n_sentences, self.split)}. {beside}.",
            {"value": value},
            labels | {"range": [0.0, top]},
        )

    def _profile_panel(self) -> Panel:
        value = self.profile.mean(1)
        count = self.profile.shape[1]
        return Panel(
            "heatmap",
            "heads-by-distance",
            "Attention by distance",
            f"Weight given to the piece so far away (before: negative), averaged over the "
            f"{counted(count, 'head')} of a layer and {sentences_told(self.n_sentences, self.split)}.",
            {"value": value},
            {
                "rows": list(self.layers), "columns": [f"{offset:+d}" if offset else "0" for offset in self.offsets],
                "row_label": "Layer", "column_label": "Distance in pieces", "value_label": "Weight",
                "range": [0.0, float(np.nanmax(value))],
            },
        )  # fmt: skip

    def _repr_html_(self) -> str:
        rows = []
        for at, metric in enumerate(self.metrics):
            value = self.values[:, :, at]
            if np.isnan(value).all():
                rows.append([METRICS[metric], "", "", "", ""])
                continue
            layer, head = np.unravel_index(int(np.nanargmax(value)), value.shape)
            twins = (
                [cell(float(x)) for x in (self.twins[..., at].min(), self.twins[..., at].max())]
                if len(self.twins)
                else []
            )
            rows.append([
                METRICS[metric], f"{self.layers[layer]}.{head}", cell(float(value[layer, head])),
                cell(float(self.uniform[layer, at])), " to ".join(twins) if all(twins) else "",
            ])  # fmt: skip
        columns = ["statistic", "highest in (layer.head)", "there", "even attention", "heads of twins"]
        return paragraph_and_table(self.summary, columns, rows)

    def __repr__(self) -> str:
        layers, heads, _ = self.values.shape
        read = counted(self.n_sentences, "sentence")
        return f"HeadStatistics({layers} layers x {heads} heads of {self.model}, {read})"
