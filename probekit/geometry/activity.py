"""The result of `neuron_activity`: statistics of units, their highest words, rows and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, did_you_mean
from probekit.geometry.word_stream import check_unit
from probekit.glossary import Layer, layer_name
from probekit.maths.column_statistics import ColumnStatistics, middles
from probekit.results.formats import format_percent, slug
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EDGES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
CONTEXT = 6
"""Words shown on either side of a highest word in the table."""
LISTED = 12
"""Neurons in the table of highest words."""
KINDS = ("dead", "always on", "constant")
PLACES = 3


@dataclass(frozen=True, eq=False)
class UnitStatistics:
    """Statistics of the units of a layer over n words, each float64 [units]; ``counts`` int32 [units, bins] or None."""

    n: int
    mean: Array
    spread: Array
    low: Array
    high: Array
    share_on: Array
    quantiles: Array
    counts: Array | None

    @classmethod
    def of(cls, seen: ColumnStatistics) -> UnitStatistics:
        """What a stream of rows left behind."""
        quantiles = np.stack([seen.quantile(share) for share in QUANTILES])
        return cls(
            seen.n, seen.mean, seen.spread, seen.low, seen.high, seen.share_positive, quantiles, seen.counts
        )

    @property
    def marks(self) -> dict[str, Array]:
        """Which units are dead (on at no word), always on (on at every word), constant (one value); bool [units]."""
        return dict(zip(KINDS, (self.share_on == 0, self.share_on == 1, self.spread == 0), strict=True))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class NeuronActivity:
    """What `neuron_activity` found. ``best`` holds by layer the values and the places of the highest words."""

    corpus: Corpus
    layers: tuple[Layer, ...]
    statistics: Mapping[Layer, UnitStatistics]
    best: Mapping[Layer, tuple[Array, Array]]
    start: Array
    twins: tuple[Mapping[Layer, UnitStatistics], ...]
    n_words: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    model: str = ""
    model_kind: str = "pretrained"
    site: str = "mlp"
    pool: str = "mean"
    seeds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The model's name without its folder."""
        return self.model.rstrip("/").rpartition("/")[2]

    @property
    def dim(self) -> int:
        """Units of a layer."""
        return len(self.statistics[self.layers[0]].mean)

    def units(self, layer: int | str | None = None) -> pandas.DataFrame:
        """One line per unit: mean, spread, share of words at which it is on, extremes, quantiles, kind.

        Quantiles whose size lies between 0.001 and 1024 are off by at most a sixteenth of it, those nearer to 0 by at
        most 0.001; larger ones share a bin, bounded by the extremes.
        """
        import pandas

        frames = []
        for name in self.layers if layer is None else (self._layer(layer),):
            one = self.statistics[name]
            kind = np.full(self.dim, "", object)
            for what, mark in one.marks.items():
                kind[mark] = [f"{before}, {what}" if before else what for before in kind[mark]]
            columns = {
                "layer": name, "neuron": np.arange(self.dim), "mean": one.mean, "spread": one.spread,
                "share_on": one.share_on, "low": one.low, "high": one.high,
            }  # fmt: skip
            columns |= {
                f"q{round(100 * share):02d}": row for share, row in zip(QUANTILES, one.quantiles, strict=True)
            }
            frames.append(pandas.DataFrame(columns | {"kind": kind}))
        return pandas.concat(frames, ignore_index=True)

    def top(self, layer: int | str, neuron: int) -> pandas.DataFrame:
        """The words at which a neuron is highest, each from another sentence, with what stands around them.

        Raises ConfigError where there is no such layer or neuron.
        """
        import pandas

        name = self._layer(layer)
        unit = check_unit(neuron, self.dim, name, self.site)
        lines = []
        for value, place in zip(*(part[unit] for part in self.best[name]), strict=True):
            if place < 0:
                continue
            sentence, word = self._at(int(place))
            words = self.corpus[sentence].words
            lines.append(
                {
                    "activation": float(value),
                    "before": " ".join(words[max(0, word - CONTEXT) : word]),
                    "word": words[word],
                    "after": " ".join(words[word + 1 : word + 1 + CONTEXT]),
                    "sentence": self.corpus[sentence].id,
                    "number": word + 1,
                }
            )
        return pandas.DataFrame(
            lines, columns=["activation", "before", "word", "after", "sentence", "number"]
        )

    def top_sentences(self, layer: int | str, neuron: int) -> Corpus:
        """The sentences of a neuron's highest words, the highest first: for `pk.activation_text`."""
        name = self._layer(layer)
        unit = check_unit(neuron, self.dim, name, self.site)
        found = [self.corpus[self._at(int(place))[0]] for place in self.best[name][1][unit] if place >= 0]
        return Corpus(found, self.corpus.name, self.corpus.files, self.corpus.licence, self.corpus.text_form)

    def distribution(self, layer: int | str, neuron: int) -> Panel:
        """A neuron's activations as a curve: the share of words at which it is at most so high."""
        name = self._layer(layer)
        unit = check_unit(neuron, self.dim, name, self.site)
        one = self.statistics[name]
        assert one.counts is not None
        used = np.flatnonzero(one.counts[unit])
        x = np.clip(middles()[used], one.low[unit], one.high[unit])
        x, first = np.unique(x, return_index=True)
        below = np.cumsum(one.counts[unit][used])
        value = below[np.append(first[1:] - 1, len(used) - 1)] / one.n
        nothing = np.full((1, len(x)), np.nan)
        return Panel(
            "curve", slug("activations", self.model, name, str(unit)), f"Activations of neuron {unit} of layer {name}",
            f"{self.name}, {self.site}: share of {one.n:,} words at which the neuron is at most so high, from a "
            f"histogram whose bins are an eighth of an octave wide. Mean {one.mean[unit]:.3g}, spread "
            f"{one.spread[unit]:.3g}, on at {format_percent(one.share_on[unit])} of words.",
            {"x": x, "value": value[None], "low": nothing, "high": nothing},
            {"x_label": "activation", "y_label": "share of words", "y_range": [0.0, 1.0],
             "series": [{"name": f"neuron {unit}", "style": "task"}]},
        )  # fmt: skip

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Per layer the share of units of each kind, and the mean share of words at which a unit is on; twins too."""
        base: dict[str, Any] = {
            "corpus": self.corpus.name, "model": self.model, "site": self.site, "unit": "neuron", "split": "",
            "n_left_out": sum(self.left_out.values()),
        }  # fmt: skip
        found = []
        for number, statistics in enumerate((self.statistics, *self.twins)):
            own = base | {
                "control": "random-twin" if number else "",
                "model_kind": "random" if number else self.model_kind,
                "seeds": {"twin": self.seeds[number - 1]} if number and self.seeds else {},
            }
            for layer in self.layers:
                one = statistics[layer]
                own |= {
                    "layer": layer,
                    "n": self.dim,
                    "method": f"over {one.n:,} words, {self.pool} of pieces",
                }
                for what, mark in one.marks.items():
                    found.append(
                        Measurement(metric=f"share_{what.replace(' ', '_')}", value=mark.mean(), **own)
                    )
                found.append(Measurement(metric="mean_share_on", value=one.share_on.mean(), **own))
        return tuple(found)

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table; `units` has the single units."""
        return tidy(self.rows)

    def counts(self, what: str) -> tuple[int, float | None]:
        """How many units of all layers are dead, always on or constant: here, and on the mean of the twins."""
        if what not in KINDS:
            raise ConfigError(f"no kind of unit {what!r}; {did_you_mean(what, KINDS)}")
        here, *twins = (
            sum(int(statistics[layer].marks[what].sum()) for layer in self.layers)
            for statistics in (self.statistics, *self.twins)
        )
        return here, float(np.mean(twins)) if twins else None

    @property
    def summary(self) -> str:
        """Dead and always-on units, beside the twins."""
        parts = []
        for what in KINDS[:2]:
            here, twins = self.counts(what)
            beside = "" if twins is None else f" ({twins:,.4g} of {_twins(self.twins)})"
            parts.append(f"{here:,} {'are' if here != 1 else 'is'} {what}{beside}")
        constant = self.counts("constant")[0]
        return (
            f"Of {len(self.layers) * self.dim:,} units of {self.name} ({self.site}, layers {', '.join(self.layers)}) "
            f"{' and '.join(parts)} over {self.n_words:,} words: on at no word, and on at every word; on is above 0."
            + (f" {constant:,} never change." if constant else "")
        )

    @cached_property
    def panels(self) -> list[Panel]:
        """The summary; how often units are on, by layer; dead and always-on units beside twins; the highest words."""
        from probekit.geometry.activity_pictures import activity_panels

        return activity_panels(self)

    def peaks(self) -> list[tuple[Layer, int]]:
        """The unit of each layer whose highest activation lies farthest above its mean, in its spreads."""
        found = []
        for layer in self.layers:
            one = self.statistics[layer]
            moves = one.spread > 0
            if moves.any():
                height = np.divide(one.high - one.mean, one.spread, out=np.zeros(self.dim), where=moves)
                found.append((layer, int(height.argmax())))
        return found

    def __repr__(self) -> str:
        return f"<NeuronActivity {self.model} {self.site}, layers {', '.join(self.layers)}: {self.n_words:,} words>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        parts = [f"<p>{escape(self.summary)}</p>"]
        for panel in self.panels:
            if panel.kind == "table":
                labels = panel.labels
                parts.append(f"<p><b>{escape(panel.title)}</b></p>")
                parts.append(table(labels["columns"], labels["rows"], labels["formats"]).html)
        return f"<div>{''.join(parts)}</div>"

    def _layer(self, layer: int | str) -> Layer:
        name = layer_name(layer)
        if name not in self.layers:
            raise ConfigError(f"layer {name!r} was not read; {did_you_mean(name, self.layers)}")
        return name

    def _at(self, place: int) -> tuple[int, int]:
        """Sentence and word of a place in the corpus."""
        sentence = int(np.searchsorted(self.start, place, side="right")) - 1
        return sentence, place - int(self.start[sentence])


def _twins(twins: tuple[Any, ...]) -> str:
    return "a random twin" if len(twins) == 1 else f"{len(twins)} random twins on the mean"
