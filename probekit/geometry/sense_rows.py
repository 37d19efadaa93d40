"""What a comparison of senses found: rows, a table, a picture and a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.geometry.occurrences import Occurrences, share_of
from probekit.geometry.stored import counted
from probekit.glossary import Layer
from probekit.maths.pairs import Apart, p_above
from probekit.maths.resampling import describe_interval, holm, percentile_interval
from probekit.results.formats import format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

PAIRS = ("all", "same form")
ALIKE = "all cosines are equal"


@dataclass(frozen=True)
class LayerSenses:
    """One layer of one model over one kind of pairs; all None or empty where `reason` says why.

    ``draws`` float64[resamples, 2]: separation and area of resampled items. ``nearest`` float64[items]: whether an
    item's nearest neighbour has its sense; ``any_neighbour``: the share of an item's possible neighbours that has it,
    mean over items. ``chance`` float64[permutations, 2]: senses dealt out anew.
    """

    layer: Layer
    pairs: str
    twin: int | None
    found: Apart | None = None
    within: float = np.nan
    between: float = np.nan
    draws: Array | None = None
    nearest: Array | None = None
    any_neighbour: float = np.nan
    chance: Array | None = None
    n: int = 0
    reason: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class SenseSeparation:
    """How far classes lie apart at every layer: of the model and of its random twins (`parts`), over all pairs and over
    pairs of one word form."""

    layers: tuple[Layer, ...]
    parts: tuple[LayerSenses, ...]
    words: Occurrences
    twin_seeds: tuple[int, ...]
    drawn_from: int
    seed: int
    resamples: int
    permutations: int
    about: About = field(default_factory=About)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Separation, area, mean cosines and nearest neighbours of every layer; each area less the permutation's, layer
        0's and the twins' with intervals; p of the permutations, Holm over layers."""
        found: list[Measurement] = []
        for part in self.parts:
            found += self._own(part)
        for pairs in PAIRS:
            found += self._differences(pairs)
        return tuple(found)

    def part(self, layer: Layer, pairs: str = "all", twin: int | None = None) -> LayerSenses:
        """What is known of one layer."""
        return next(p for p in self.parts if (p.layer, p.pairs, p.twin) == (layer, pairs, twin))

    def _row(self, part: LayerSenses, metric: str, value: float | None, **more: Any) -> Measurement:
        twin = {} if part.twin is None else {"control": "random-twin", "model_kind": "random"}
        seeds = (("data", self.seed), *(() if part.twin is None else (("twin", part.twin),)))
        bounded = more.get("low") is not None and np.isfinite(more["low"])
        group = f"pairs={part.pairs}" + (f", {more.pop('group')}" if "group" in more else "")
        rest: dict[str, Any] = vars(self.about) | twin | {
            "method": "cosine of occurrences in different sentences", "reason": part.reason, "n": len(self.words),
            "interval": describe_interval(self.resamples) if bounded else "",
        }  # fmt: skip
        return Measurement(
            metric=metric, value=value, layer=part.layer, split="", group=group, seeds=seeds, unit=self.words.unit,
            n_left_out=self.words.n_left_out, **(rest | more),
        )  # fmt: skip

    def _own(self, part: LayerSenses) -> Iterable[Measurement]:
        if part.found is None or part.draws is None or part.nearest is None:
            yield self._row(part, "sense_auc", None)
            return
        low, high = percentile_interval(part.draws)
        yield self._row(part, "sense_separation", part.found.difference, low=low[0], high=high[0])
        yield self._row(part, "sense_auc", part.found.area, low=low[1], high=high[1])
        yield self._row(part, "mean_cosine", part.within, group="senses=same")
        yield self._row(part, "mean_cosine", part.between, group="senses=different")
        own = np.isfinite(part.nearest)
        share = share_of(part.nearest[own], self.words.cluster[own], self.resamples)
        yield self._row(part, "nearest_same_sense", share.pop("value"), n=int(own.sum()), **share)
        if part.twin is None:
            yield self._row(
                part, "nearest_same_sense", part.any_neighbour, control="random-neighbour", n=int(own.sum())
            )

    def _differences(self, pairs: str) -> Iterable[Measurement]:
        own = [self.part(layer, pairs) for layer in self.layers]
        known = [p for p in own if p.found is not None and p.chance is not None]
        p = [p_above(p.found.area, p.chance[:, 1]) for p in known]  # type: ignore[union-attr,index]
        adjusted = holm(np.array(p))
        for part, raw, holmed in zip(known, p, adjusted, strict=True):
            assert part.found is not None
            assert part.draws is not None
            assert part.chance is not None
            less = float(np.nanmean(part.chance[:, 1]))
            low, high = percentile_interval(part.draws[:, 1] - less)
            yield self._row(
                part, "sense_auc_difference", part.found.area - less, low=low, high=high, reference="permutation",
                p=raw, p_adjusted=holmed, family_size=len(known),
                method=f"senses dealt out anew {self.permutations} times"
                + (" among occurrences of one form" if pairs != "all" else "") + ", one-sided",
            )  # fmt: skip
            others: list[tuple[str, LayerSenses]] = (
                [(f"layer={self.layers[0]}", own[0])] if part is not own[0] else []
            )
            others += [(f"random-twin {s}", self.part(part.layer, pairs, s)) for s in self.twin_seeds]
            for name, other in others:
                if other.found is None or other.draws is None:
                    continue
                low, high = percentile_interval(part.draws[:, 1] - other.draws[:, 1])
                yield self._row(
                    part, "sense_auc_difference", part.found.area - other.found.area, low=low, high=high,
                    reference=name,
                )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def best(self) -> LayerSenses | None:
        """The layer with the largest area over all pairs, read off the very items it is then told of."""
        known = [self.part(layer) for layer in self.layers if self.part(layer).found is not None]
        return max(known, key=lambda p: p.found.area if p.found else 0.0, default=None)

    @property
    def summary(self) -> str:
        """The layer at which senses lie furthest apart, beside layer 0, pairs of one form, and twins."""
        what = f"{counted(len(self.words), self.words.unit)} in {counted(self.words.n_classes, 'sense')}"
        best = self.best
        if best is None:
            return f"{what}: {ALIKE} at every layer, so no sense can be told from another."
        row = next(
            r for r in self.rows
            if (r.metric, r.layer, r.group, r.control) == ("sense_auc", best.layer, "pairs=all", "")
        )  # fmt: skip
        test = next(
            r for r in self.rows
            if (r.reference, r.layer, r.group) == ("permutation", best.layer, "pairs=all")
        )  # fmt: skip
        said = (
            f"{what}: two of one sense are nearer than two of different senses most often at layer {best.layer}, in "
            f"{format_score(row.value)} {format_interval(row.low, row.high)} of comparisons (one half by chance; "
            f"permutation p {format_p(test.p_adjusted)} over {counted(test.family_size or 1, 'layer')})"
        )
        beside = (
            [(f"layer {self.layers[0]}", self.part(self.layers[0]))] if best.layer != self.layers[0] else []
        )
        beside.append(("pairs of one word form", self.part(best.layer, "same form")))
        beside += [(f"random twin {s}", self.part(best.layer, "all", s)) for s in self.twin_seeds]
        shown = [f"{name} {format_score(p.found.area)}" for name, p in beside if p.found is not None]
        return f"{said}; {', '.join(shown)}." if shown else f"{said}."

    @property
    def panels(self) -> list[Panel]:
        """The summary, and the area over the layers."""
        name = slug("senses", self.about.model or "model", self.words.task)
        lines: list[tuple[str, str, str, int | None]] = [
            ("all pairs", "task", "all", None), ("pairs of one form", "control", "same form", None)
        ]  # fmt: skip
        lines += [(f"random twin {s}", "twin", "all", s) for s in self.twin_seeds]
        bounds = np.full((3, len(lines), len(self.layers)), np.nan)
        for i, (_, _, pairs, twin) in enumerate(lines):
            for j, layer in enumerate(self.layers):
                part = self.part(layer, pairs, twin)
                if part.found is not None and part.draws is not None:
                    low, high = percentile_interval(part.draws[:, 1])
                    bounds[:, i, j] = part.found.area, low, high
        text = (
            "How often two occurrences of one sense have the higher cosine than two of different senses; both in "
            f"different sentences. {counted(len(self.words), self.words.unit)}; bands: 95 % bootstrap over sentences."
        )
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "layer-curve", f"{name}-curve", f"Separation of {self.words.task} by layer", text,
                dict(zip(("value", "low", "high"), bounds, strict=True)),
                {"layers": list(self.layers), "x_label": "layer", "y_label": "AUC, same sense nearer",
                 "series": [{"name": name, "style": style} for name, style, *_ in lines],
                 "reference": {"value": 0.5, "name": "chance"}},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        n, k = len(self.words), self.words.n_classes
        return f"<SenseSeparation: {n:,} occurrences, {counted(k, 'sense')}, {counted(len(self.layers), 'layer')}>"
