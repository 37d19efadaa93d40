"""How far the senses of a word (or any classes of words) lie apart in context, layer by layer, and beyond what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.read_contexts import SENSE
from probekit.errors import DataError, StoreError
from probekit.geometry.occurrences import Occurrences, about_of, counted, layers_of, occurrences
from probekit.glossary import Layer, Progress, silent
from probekit.maths.pairs import Apart, apart, apart_by_chance, apart_draws, p_above
from probekit.maths.resampling import describe_interval, holm, mean_interval, percentile_interval
from probekit.results.formats import format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.activations import Activations
    from probekit.data.task import Task
    from probekit.data.units import Units

Array = NDArray[Any]

STAGE = "senses (layers)"
PAIRS = ("all", "same form")
ALIKE = "all cosines are equal"
PLACES = 6
"""Cosines are rounded to so many places, so that equal vectors stay equal after rounding in storage."""


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
        share = mean_interval(part.nearest[own], self.words.cluster[own], resamples=self.resamples)
        yield self._row(
            part, "nearest_same_sense", share.value, low=share.low, high=share.high, n=int(own.sum())
        )
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
            f"permutation p {format_p(test.p_adjusted)} over {test.family_size} layers)"
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
        return f"<SenseSeparation: {n:,} occurrences, {k} senses, {len(self.layers)} layers>"


def sense_separation(
    acts: Activations,
    task: Task | Units = SENSE,
    *,
    twins: Sequence[Activations] = (),
    layers: str | int | Iterable[int | str] = "all",
    split: str | None = None,
    items: int = 600,
    permutations: int = 999,
    resamples: int = 1000,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> SenseSeparation:
    """Whether occurrences of one sense (label) have higher cosines than occurrences of different ones, per layer.

    ``sense_separation`` is the mean cosine of pairs within a sense less that of pairs between senses; ``sense_auc`` how
    often a pair within has the higher cosine (0.5 by chance), which does not depend on how narrow the cone is in
    which a layer's vectors lie; ``nearest_same_sense`` how often the nearest neighbour has the same sense. Pairs in
    sentences of equal text are left out. All of it again over pairs of one word form ("play" with "play"), since forms
    differ between senses and a form is known without context. `twins` are activations of random twins for the same
    corpus. Of more than `items` units so many are drawn by `seed`. Intervals resample sentences; p deals the senses out
    anew among items (among items of one form for pairs of one form), Holm over layers. Layers whose cosines are all
    equal (identical vectors) are not scored, with the reason.

    Raises DataError (one sense only, one occurrence only, no two of one sense), ConfigError (a layer), StoreError (a
    twin of another corpus).

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(10, 5, 5), layers=[0, 3])
    >>> found = pk.sense_separation(acts, pk.load_task("upos"), items=50, permutations=99, resamples=99)
    >>> found.part("3").found.area > 0.6
    True
    """
    chosen = layers_of(acts, layers)
    every = occurrences(acts, task, split=split)
    words = every.draw(items, seed=seed)
    _check(words)
    sources: list[tuple[int | None, Activations]] = [(None, acts)]
    for twin in twins:
        if twin.recipe["corpus"] != acts.recipe["corpus"]:
            raise StoreError("the activations of a twin are of another corpus; extract the same one")
        sources.append((_twin_seed(twin, len(sources)), twin))
    parts: list[LayerSenses] = []
    matrices: dict[tuple[int | None, Layer], Array | None] = {}
    total = len(chosen) * len(sources)
    for number, twin in sources:
        data = words if number is None else _of(words, twin)
        for layer in chosen:
            progress(STAGE, len(matrices), total)
            matrices[number, layer] = _cosines(data.vectors(layer))
    for pairs in PAIRS:
        parts += _score(matrices, words, pairs, permutations, resamples, seed)
    progress(STAGE, total, total)
    return SenseSeparation(
        layers=chosen, parts=tuple(parts), words=words, twin_seeds=tuple(n for n, _ in sources if n is not None),
        drawn_from=len(every), seed=seed, resamples=resamples, permutations=permutations,
        about=about or about_of(acts, f"how far apart {words.task} is in context"),
    )  # fmt: skip


def _check(words: Occurrences) -> None:
    """Raise DataError where nothing can be compared."""
    if len(words) < 2:
        raise DataError(
            f"{counted(len(words), 'occurrence')} of {words.task!r}: there is nothing to compare it with; give two or "
            "more of each sense"
        )
    if words.n_classes < 2:
        raise DataError(
            f"all {len(words)} occurrences have one label ({words.classes[0]!r}); separation needs two or more"
        )
    first, second = _pairs(words, "all")
    within = words.codes[first] == words.codes[second]
    if not within.any() or within.all():
        what = "of one label" if not within.any() else "of different labels"
        raise DataError(f"no two occurrences {what} stand in different sentences; give two or more of each")


def _pairs(words: Occurrences, pairs: str) -> tuple[Array, Array]:
    """The two items of every pair in different sentence texts; of one word form where asked."""
    first, second = np.triu_indices(len(words), 1)
    kept = words.text[first] != words.text[second]
    if pairs != "all":
        kept &= words.form[first] == words.form[second]
    return first[kept], second[kept]


def _score(
    matrices: dict[tuple[int | None, Layer], Array | None], words: Occurrences, pairs: str, permutations: int,
    resamples: int, seed: int,
) -> Iterable[LayerSenses]:  # fmt: skip
    first, second = _pairs(words, pairs)
    within = words.codes[first] == words.codes[second]
    if not within.any() or within.all():
        reason = f"no pairs of {'one sense' if not within.any() else 'different senses'} in {pairs} pairs"
        return [LayerSenses(layer, pairs, twin, reason=reason) for twin, layer in matrices]
    reasons = {
        key: "a vector is 0" if matrix is None else ALIKE if np.ptp(matrix[first, second]) == 0 else ""
        for key, matrix in matrices.items()
    }
    scored = [key for key, reason in reasons.items() if not reason]
    strata = words.form if pairs != "all" else np.zeros(len(words), dtype=np.int64)
    values = np.array([matrices[key][first, second] for key in scored]).reshape(len(scored), len(first))  # type: ignore[index]
    chance = apart_by_chance(values, words.codes, first, second, strata, permutations=permutations, seed=seed)
    partners = np.bincount(np.concatenate([first, second]), minlength=len(words))
    alike = np.bincount(np.concatenate([first[within], second[within]]), minlength=len(words))
    any_neighbour = float((alike[partners > 0] / partners[partners > 0]).mean())
    found = []
    for key, reason in reasons.items():
        twin, layer = key
        if reason:
            found.append(LayerSenses(layer, pairs, twin, reason=reason))
            continue
        i = scored.index(key)
        draws = apart_draws(values[i], within, first, second, words.cluster, resamples=resamples, seed=seed)
        matrix = matrices[key]
        assert matrix is not None
        found.append(
            LayerSenses(
                layer, pairs, twin, found=apart(values[i], within), within=float(values[i][within].mean()),
                between=float(values[i][~within].mean()), draws=draws, chance=chance[:, i],
                nearest=_nearest(matrix, words, first, second), any_neighbour=any_neighbour, n=len(first),
            )
        )  # fmt: skip
    return found


def _nearest(matrix: Array, words: Occurrences, first: Array, second: Array) -> Array:
    """Whether the nearest item that may be paired with an item has its sense, float64[items]; NaN where none may."""
    near = np.full(matrix.shape, -np.inf)
    near[first, second] = near[second, first] = matrix[first, second]
    same: Array = (words.codes[near.argmax(axis=1)] == words.codes).astype(float)
    same[np.isneginf(near).all(axis=1)] = np.nan
    return same


def _cosines(X: Array) -> Array | None:
    """float64[n, n]; None where a vector is 0."""
    X = np.asarray(X, dtype=np.float64)
    length = np.linalg.norm(X, axis=1, keepdims=True)
    if not length.all():
        return None
    X = X / length
    cosines: Array = np.round(X @ X.T, PLACES)
    return cosines


def _of(words: Occurrences, twin: Activations) -> Occurrences:
    """The same units with the vectors of a twin."""
    from dataclasses import replace

    data = twin.units(words.data.units)
    if data.ids != words.ids:
        raise StoreError("a twin has no vector for some of the occurrences; extract both in the same way")
    return replace(words, data=data)


def _twin_seed(twin: Activations, number: int) -> int:
    name, _, seed = str(twin.model["name"]).rpartition("#twin-")
    return int(seed) if name and seed.isdecimal() else number
