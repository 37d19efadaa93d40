"""What patching found: the share of the way from base to source that one layer and place carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.resampling import Interval, describe_interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.formats import format_interval, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

ALL = "all"
"""The name of all places of a layer together."""


ROUNDING = 1e-5
"""An effect below this may come of float32 alone."""


@dataclass(frozen=True, eq=False, repr=False)
class Patching:
    """Log-odds of target against foil of every pair, plain and patched.

    Attributes
    ----------
    layers, places : what was patched, places from left to right
    base, source : float64 [pairs], log-odds in nats after base and after source
    patched : float64 [pairs, layers, places], after base with the source's state in one place; NaN where a pair has no
        such place
    pair : int64 [pairs], the number of each pair as given; cluster : int64 [pairs], what intervals resample
    left_out : reason -> pairs
    """

    layers: tuple[str, ...]
    places: tuple[str, ...]
    base: Array
    source: Array
    patched: Array
    pair: Array
    cluster: Array
    left_out: Mapping[str, int] = field(default_factory=dict)
    site: str = "hidden"
    rule: str = ""
    resamples: int = 1000
    about: About = field(default_factory=About)

    @cached_property
    def effect(self) -> Array:
        """float64 [pairs, layers, places]: (patched - base) / (source - base), NaN where a pair has no such place."""
        effect: Array = (self.patched - self.base[:, None, None]) / (self.source - self.base)[:, None, None]
        return effect + 0.0  # no minus before 0

    @cached_property
    def mean(self) -> Array:
        """float64 [layers, places]: the mean effect over the pairs that have the place."""
        return np.array([[bounds.value for bounds in row] for row in self._bounds])

    @cached_property
    def _bounds(self) -> list[list[Interval]]:
        return [
            [
                mean_interval(self.effect[has, i, j], self.cluster[has], resamples=self.resamples)
                for j, has in enumerate(self._has.T)
            ]
            for i in range(len(self.layers))
        ]

    @cached_property
    def _has(self) -> Array:
        """bool [pairs, places]: which pairs have which place."""
        return ~np.isnan(self.patched[:, 0])

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Log-odds after base and source and their difference; then the mean effect at every layer and place, with p
        of "no effect" by sign flips, corrected (Holm) over the layers and places where more than rounding moves."""
        found = [
            self._row(metric, mean_interval(values, self.cluster, resamples=self.resamples), len(values))
            for metric, values in (
                ("log_odds_base", self.base),
                ("log_odds_source", self.source),
                ("total_effect", self.source - self.base),
            )
        ]
        p = np.full((len(self.layers), len(self.places)), np.nan)
        for j, has in enumerate(self._has.T):
            effect = self.effect[has][:, :, j].T
            moves = np.abs(effect).max(axis=1) > ROUNDING
            if moves.any():
                p[moves, j] = sign_flip_p(effect[moves], self.cluster[has])
        adjusted = holm(p.reshape(-1)).reshape(p.shape)
        family = int((~np.isnan(p)).sum()) or None
        for i, layer in enumerate(self.layers):
            for j, place in enumerate(self.places):
                tested = not np.isnan(p[i, j])
                found.append(
                    self._row(
                        "indirect_effect",
                        self._bounds[i][j],
                        int(self._has[:, j].sum()),
                        layer=layer,
                        group=f"position={place}",
                        p=p[i, j] if tested else None,
                        p_adjusted=adjusted[i, j] if tested else None,
                        family_size=family if tested else None,
                    )
                )
        return tuple(found)

    def _row(self, metric: str, bounds: Interval, n: int, **more: Any) -> Measurement:
        how = describe_interval(self.resamples).replace("sentences", "pairs")
        return Measurement(
            metric=metric, value=bounds.value, low=bounds.low, high=bounds.high,
            interval=how if np.isfinite(bounds.low) else "", n=n, n_left_out=sum(self.left_out.values()),
            unit="pair", method=f"states of the source put into base; {self.rule}", run=self.about.run,
            question=self.about.question, corpus=self.about.corpus, model=self.about.model,
            model_kind=self.about.model_kind, site=self.site, **more,
        )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @cached_property
    def largest(self) -> tuple[str, str]:
        """Layer and place of the largest mean effect, among places that at least half of the pairs have."""
        i, j = np.unravel_index(np.argmax(self._compared), self._compared.shape)
        return self.layers[i], self.places[j]

    @cached_property
    def _compared(self) -> Array:
        """The mean effects, minus infinity at places that are rare or all together."""
        common = self._has.mean(axis=0) >= 0.5
        common &= np.array([place != ALL for place in self.places])
        if not common.any():
            common[:] = True
        return np.where(common, self.mean, -np.inf)

    @property
    def summary(self) -> str:
        """Where the effect is largest, of all layers and in each."""
        layer, place = self.largest
        bounds = self._bounds[self.layers.index(layer)][self.places.index(place)]
        shown = " ".join(filter(None, [format_score(bounds.value), format_interval(bounds.low, bounds.high)]))
        n = len(self.pair)
        text = (
            f"Over {n:,} pair{'s' if n > 1 else ''}, the source's state at layer {layer} ({self.site}), position "
            f"{place!r}, moves the prediction after base {shown} of the way to that after source, the largest effect "
            f"of {len(self.layers)} layers and {len(self.places)} positions. Layer by layer it is largest at "
            f"{self._runs()}."
        )
        if self.left_out:
            text += " Left out: " + ", ".join(f"{k} ({v:,})" for k, v in self.left_out.items()) + "."
        return text

    def _runs(self) -> str:
        """The best place of every layer, neighbours with the same one together."""
        runs: list[tuple[str, str, str]] = []
        for layer, j in zip(self.layers, self._compared.argmax(axis=1), strict=True):
            if runs and runs[-1][0] == self.places[j]:
                runs[-1] = (runs[-1][0], runs[-1][1], layer)
            else:
                runs.append((self.places[j], layer, layer))
        spoken = [f"{place!r} ({f'layer {a}' if a == b else f'layers {a} to {b}'})" for place, a, b in runs]
        return " then ".join(spoken)

    @property
    def panels(self) -> list[Panel]:
        """The summary, and the mean effect over layers and positions."""
        name = slug("patching", self.about.model or "model", self.site)
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "heatmap", f"{name}-effect", "Where a patched state moves the prediction",
                f"Mean over {len(self.pair):,} pairs of (patched - base) / (source - base), log-odds of target against "
                "foil: 1 where the state carries the whole difference.",
                {"value": self.mean},
                {"rows": list(self.layers), "columns": list(self.places), "row_label": "layer",
                 "column_label": "position", "value_label": "indirect effect"},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        cells = [[layer, *row] for layer, row in zip(self.layers, self.mean.tolist(), strict=True)]
        formats = ["text", *["score"] * len(self.places)]
        return f"<p>{escape(self.summary)}</p>{table(['layer', *self.places], cells, formats)}"

    def __repr__(self) -> str:
        return f"Patching({len(self.pair)} pairs, {len(self.layers)} layers, {len(self.places)} positions)"
