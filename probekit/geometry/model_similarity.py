"""How alike several models are, layer by layer: seeds of one training, checkpoints, a model before and after tuning."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, did_you_mean
from probekit.geometry.compared_layers import Compared, compare_cells, shuffles
from probekit.geometry.joined_rows import JoinedRows, join_rows
from probekit.geometry.layer_similarity import check_asked, check_side
from probekit.geometry.similarity_measures import MOST_ROWS, MeasureName, make_measure
from probekit.geometry.similarity_pictures import TITLES, limits, number
from probekit.geometry.stored import about_of, basis, chosen_layers, counted
from probekit.glossary import Layer, Progress, silent
from probekit.results.formats import begin_large, format_interval, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class ModelSimilarity:
    """How alike the same layer is in each pair of models.

    ``value``, ``low``, ``high``, ``null`` (mean of shuffled sentences), ``p``, ``p_adjusted`` (over layers of a pair)
    float64 [pairs, layers]; NaN where not defined, and then ``reasons[pair, layer]`` says why.
    """

    measure: str
    method: str
    interval: str
    pairs: tuple[tuple[str, str], ...]
    layers: tuple[Layer, ...]
    value: Array
    low: Array
    high: Array
    null: Array
    p: Array
    p_adjusted: Array
    n: tuple[int, ...]
    sentences: tuple[int, ...]
    left_out: tuple[int, ...]
    unit: str
    permutations: int
    seed: int
    reasons: Mapping[tuple[tuple[str, str], Layer], str] = field(default_factory=dict)
    about: About = field(default_factory=About)
    copies: int = 0
    """Sentences whose text another of the same pair of models has: the most of any pair."""

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """For every pair and layer the value, and what shuffled sentences give."""
        about, found = self.about, []
        for i, (one, other) in enumerate(self.pairs):
            base: dict[str, Any] = {
                "run": about.run, "question": about.question, "corpus": about.corpus, "model": one, "site": about.site,
                "model_kind": about.model_kind, "metric": self.measure, "method": self.method, "split": "all",
                "group": f"other_model={other}", "n": self.n[i], "n_left_out": self.left_out[i], "unit": self.unit,
                "seeds": (("data", self.seed),),
            }  # fmt: skip
            for j, layer in enumerate(self.layers):
                why = self.reasons.get((self.pairs[i], layer), "")
                row = Measurement(
                    layer=layer, value=number(self.value[i, j]), low=number(self.low[i, j]),
                    high=number(self.high[i, j]), interval=self.interval if np.isfinite(self.low[i, j]) else "",
                    p=number(self.p[i, j]), p_adjusted=number(self.p_adjusted[i, j]), reason=why,
                    reference=f"{self.permutations} permutations of sentences" if self.permutations else "",
                    family_size=int(np.isfinite(self.p[i]).sum()) if self.permutations else None, **base,
                )  # fmt: skip
                found.append(row)
                if self.permutations:
                    null = number(self.null[i, j])
                    found.append(
                        Measurement(layer=layer, value=null, control="permutation", reason=why, **base)
                    )
        return tuple(found)

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        scored = [
            (float(self.value[i, j]), i, j)
            for i, j in np.ndindex(*self.value.shape)
            if np.isfinite(self.value[i, j])
        ]
        start = f"{begin_large(self.method)}, the same layer of {counted(len(self.pairs), 'pair')} of models"
        if not scored:
            return f"{start}: not defined ({next(iter(self.reasons.values()), 'no reason known')})."
        said = []
        ends = (
            (("lowest ", min(scored)), ("highest ", max(scored))) if len(scored) > 1 else (("", scored[0]),)
        )
        for word, (value, i, j) in ends:
            interval = format_interval(number(self.low[i, j]), number(self.high[i, j]))
            place = f"{' and '.join(self.pairs[i])} at layer {self.layers[j]}"
            said.append(f"{word}{format_score(value)}{' ' * bool(interval)}{interval} ({place})")
        of = basis(max(self.n), self.unit, max(self.sentences), self.copies)
        return f"{start} over {of}: {', '.join(said)}."

    @property
    def panels(self) -> list[Panel]:
        """A sentence, a map of pairs and layers, and, for up to six pairs, curves with intervals."""
        name, title = slug("models", self.measure, *self.pairs[0])[:80], TITLES[self.measure]
        names = [f"{one} – {other}" for one, other in self.pairs]
        of = f"{self.method}; {basis(max(self.n), self.unit, max(self.sentences), self.copies)}."
        panels = [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "heatmap", f"{name}-map", f"{title}: the same layer of two models", of, {"value": self.value},
                {"rows": names, "columns": list(self.layers), "row_label": "models", "column_label": "layer",
                 "value_label": title, "range": limits(self.measure, self.value)},
            ),
        ]  # fmt: skip
        if len(self.pairs) <= 6:
            series = [{"name": one, "style": "task"} for one in names]
            arrays = {"value": self.value, "low": self.low, "high": self.high}
            if self.permutations:
                nothing = np.full((1, len(self.layers)), np.nan)
                mean = self.null.mean(axis=0, keepdims=True)
                series.append({"name": "sentences shuffled, mean", "style": "control"})
                arrays = {
                    key: np.concatenate([values, mean if key == "value" else nothing])
                    for key, values in arrays.items()
                }
            words = {"layers": list(self.layers), "x_label": "layer", "y_label": title, "series": series}
            panels.append(
                Panel(
                    "layer-curve", f"{name}-curves", f"{title}: the same layer of two models",
                    f"{of} Bands: {self.interval}.", arrays, words,
                )
            )  # fmt: skip
        return panels

    def __repr__(self) -> str:
        return f"<ModelSimilarity: {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        cells = [
            [" – ".join(pair), *map(number, line)] for pair, line in zip(self.pairs, self.value, strict=True)
        ]
        formats = ["text", *["score"] * len(self.layers)]
        return f"<p>{escape(self.summary)}</p>{table(['models', *self.layers], cells, formats)}"


def model_similarity(
    models: Mapping[str, Activations],
    measure: MeasureName = "cka",
    *,
    reference: str | None = None,
    layers: str | int | Iterable[int | str] = "all",
    max_rows: int | None = 0,
    permutations: int = 20,
    interval: bool = True,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
    **options: Any,
) -> ModelSimilarity:
    """How alike the same layer is in several models, by name: every two, or each with `reference`.

    For seeds of one training, for checkpoints (`reference` the last one) and for a model before and after it is tuned.
    The rest is as in `similarity`. Raises ConfigError for fewer than two models and for layers that one lacks.

    >>> corpus = pk.generate_corpus(20, 1, 1)
    >>> model = pk.load_model("demo:minilm")
    >>> twins = {twin.name: pk.extract(twin, corpus, layers=[0, 6]) for twin in pk.random_twins(model, 2, 1)}
    >>> found = pk.model_similarity(twins, permutations=0)
    >>> found.pairs, found.value.shape
    ((('demo:minilm#twin-1', 'demo:minilm#twin-2'),), (1, 2))
    """
    told = check_asked(measure, max_rows, permutations, seed, options)
    if not isinstance(models, Mapping):
        raise ConfigError(f"give models by name, {{name: activations}}; got {type(models).__name__}")
    names = list(models)
    for side in models.values():
        check_side(side)
    if len(names) < 2:
        raise ConfigError(f"give at least two models by name, {{name: activations}}; got {names}")
    if reference is not None and reference not in models:
        raise ConfigError(f"no model {reference!r} to compare with; {did_you_mean(reference, names)}")
    chosen = chosen_layers(models[reference or names[0]], layers)
    for acts in models.values():
        chosen_layers(acts, chosen)
    pairs = [
        (a, b)
        for k, a in enumerate(names)
        for b in names[k + 1 :]
        if reference is None or reference in (a, b)
    ]
    found: list[Compared] = []
    rows: list[JoinedRows] = []
    for one, other in pairs:
        joined = join_rows(models[one], models[other])
        joined = joined.sample(MOST_ROWS[measure] if max_rows == 0 else max_rows, seed)
        ways = make_measure(measure, joined.sentence, told)
        sources: dict[Hashable, tuple[Activations, Array, Layer]] = {}
        for which, acts, at in ((0, models[one], joined.a), (1, models[other], joined.b)):
            sources |= {(which, layer): (acts, at, layer) for layer in chosen}
        cells = [((0, layer), (1, layer)) for layer in chosen]
        orders = shuffles(joined, permutations, seed)
        found.append(compare_cells(ways, sources, cells, orders, interval=interval, progress=progress))
        rows.append(joined)
    p = [one.p(distance=measure == "procrustes") for one in found]
    null = [one.null.mean(axis=0) if len(one.null) else np.full(len(chosen), np.nan) for one in found]
    reasons = {(pairs[i], chosen[j]): why for i, one in enumerate(found) for j, why in one.reasons.items()}
    return ModelSimilarity(
        measure, ways.words, ways.interval, tuple(pairs), chosen, np.stack([one.value for one in found]),
        np.stack([one.low for one in found]), np.stack([one.high for one in found]), np.stack(null),
        np.stack([one[0] for one in p]), np.stack([one[1] for one in p]), tuple(map(len, rows)),
        tuple(one.sentences for one in rows), tuple(one.left_out for one in rows), rows[0].unit, permutations, seed,
        reasons, about or about_of(models[names[0]]), max(one.copies for one in rows),
    )  # fmt: skip
