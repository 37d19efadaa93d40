"""Single dimensions that tower above all others in mean or spread, and how much of the cosine they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError
from probekit.geometry.joined_rows import join_rows
from probekit.geometry.similarity_pictures import number
from probekit.geometry.stored import (
    about_of,
    basis,
    check_most,
    check_whole,
    chosen_layers,
    finite_rows,
    identical,
    rows_that,
)
from probekit.glossary import Layer, Progress, silent
from probekit.maths.cosines import cosine_parts, sums_by, unit_rows
from probekit.maths.grouped_moments import sentence_groups
from probekit.maths.jackknife import describe_jackknife, jackknife_interval
from probekit.maths.resampling import Interval
from probekit.results.formats import begin_large, format_percent, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
GROUPS = 20
SMALLEST = 0.01
"""A mean cosine nearer to 0 than this is not shared out: shares of nothing mean nothing."""


@dataclass(frozen=True, eq=False, repr=False)
class LayerOutliers:
    """One layer: mean and standard deviation of every dimension, and what each adds to the mean cosine, float64 [dim].

    ``outliers``: dimensions whose mean or standard deviation lies beyond the bound, those first that add most to the
    cosine. ``cosine``: mean cosine of two rows of different sentences, as it is, without the `top` dimensions that add
    most, and of standardised dimensions. ``share``: what those `top` add to it; NaN with a reason where it is near 0.
    Of identical vectors nothing is known: no ``top``, and `known` is False.
    """

    layer: Layer
    mean: Array
    deviation: Array
    part: Array
    outliers: tuple[int, ...]
    top: tuple[int, ...]
    cosine: Interval
    cosine_without_top: float
    cosine_standardised: float
    share: Interval
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether the vectors differ, so that dimensions can be told apart."""
        return bool(self.top)


@dataclass(frozen=True, eq=False, repr=False)
class OutlierDimensions:
    """What `outlier_dimensions` found, layer by layer (`LayerOutliers`)."""

    layers: tuple[LayerOutliers, ...]
    n: int
    sentences: int
    unit: str
    bound: float
    interval: str
    about: About = field(default_factory=About)
    copies: int = 0
    """Sentences beyond `sentences` whose text one of those has; they count with it."""

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Of each layer: mean cosine, the share of the top dimensions, and each outlier's share."""
        return tuple(row for one in self.layers for row in self._rows(one))

    def _rows(self, one: LayerOutliers) -> Iterable[Measurement]:
        about = self.about
        base: Mapping[str, Any] = {
            "run": about.run, "question": about.question, "corpus": about.corpus, "model": about.model,
            "model_kind": about.model_kind, "site": about.site, "layer": one.layer, "split": "all", "n": self.n,
            "unit": self.unit, "method": f"outliers beyond {self.bound:g} standard deviations over dimensions",
        }  # fmt: skip
        why, top = one.reason, ",".join(map(str, one.top))
        if not one.known:
            for metric in ("mean_cosine", "share_of_cosine", "outlier_dimensions"):
                yield Measurement(metric=metric, value=None, reason=why, **base)
            return
        for metric, (value, low, high), group in (
            ("mean_cosine", one.cosine, ""),
            ("mean_cosine", (one.cosine_without_top, np.nan, np.nan), f"without={top}"),
            ("mean_cosine", (one.cosine_standardised, np.nan, np.nan), "dimensions=standardised"),
            ("share_of_cosine", one.share, f"dimensions={top}"),
        ):
            yield Measurement(
                metric=metric, group=group, value=number(value), low=number(low), high=number(high),
                interval=self.interval if np.isfinite(low) else "", reason=why if np.isnan(value) else "", **base,
            )  # fmt: skip
        yield Measurement(metric="outlier_dimensions", value=float(len(one.outliers)), **base)
        for k in one.outliers:
            share = one.part[k] / one.cosine.value if np.isfinite(one.share.value) else np.nan
            yield Measurement(
                metric="share_of_cosine", group=f"dimension={k}", value=number(share),
                reason=why if np.isnan(share) else "", **base,
            )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        of = f"{basis(self.n, self.unit, self.sentences, self.copies)}, {self.about.model}"
        if not any(one.known for one in self.layers):
            return f"Outlier dimensions of {of}: not defined ({self.layers[0].reason})."
        known = [one for one in self.layers if np.isfinite(one.share.value)]
        counts = [len(one.outliers) for one in self.layers if one.known]
        many = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(counts[0])
        what = "dimension" if max(counts) == 1 else "dimensions"
        start = f"{many} outlier {what} {'a' if len(self.layers) > 1 else 'at the'} layer ({of})"
        if not known:
            why = next(one.reason for one in self.layers if one.known)
            return f"{start}; no share of the cosine is defined ({why})."
        most = max(known, key=lambda one: one.share.value)
        return (
            f"{start}; at layer {most.layer} {_named(most.top)} "
            f"{format_percent(most.share.value)} of the mean cosine of {format_score(most.cosine.value)}."
        )

    @property
    def panels(self) -> list[Panel]:
        """A sentence, the mean cosine over layers with and without the top dimensions, and a table of outliers."""
        name = slug("outliers", self.about.model)
        nothing = np.full(len(self.layers), np.nan)
        lines = [
            np.array([tuple(one.cosine) for one in self.layers]).T,
            np.stack([[one.cosine_without_top for one in self.layers], nothing, nothing]),
            np.stack([[one.cosine_standardised for one in self.layers], nothing, nothing]),
        ]
        series = [
            {"name": "all dimensions", "style": "task"},
            {
                "name": f"without the {max(len(one.top) for one in self.layers)} that add most",
                "style": "control",
            },
            {"name": "standardised dimensions", "style": "baseline"},
        ]
        curve = Panel(
            "layer-curve", f"{name}-cosine", f"Mean cosine and single dimensions: {self.about.model}",
            f"Two rows of different sentences; {basis(self.n, self.unit, self.sentences, self.copies)}. "
            f"Band: {self.interval}.{self._gone()}",
            dict(zip(("value", "low", "high"), np.moveaxis(np.stack(lines), 1, 0), strict=True)),
            {"layers": [one.layer for one in self.layers], "x_label": "layer", "y_label": "mean cosine",
             "series": series},
        )  # fmt: skip
        cells = [
            [one.layer, len(one.outliers) if one.known else None, ", ".join(map(str, one.top)), number(one.share.value),
             number(one.cosine.value), number(one.cosine_without_top)]
            for one in self.layers
        ]  # fmt: skip
        table = Panel(
            "table", f"{name}-table", f"Dimensions that dominate: {self.about.model}",
            f"Outliers: mean or standard deviation beyond {self.bound:g} standard deviations over dimensions."
            f"{self._gone()}",
            labels={"columns": ["layer", "outliers", "add most", "share", "mean cosine", "without them"],
                    "rows": cells, "formats": ["text", "int", "text", "score", "score", "score"]},
        )  # fmt: skip
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            curve,
            table,
        ]

    def _gone(self) -> str:
        """Which layers nothing is known of, and why, for a caption."""
        return "".join(f" {begin_large(one.reason)}." for one in self.layers if not one.known)

    def __repr__(self) -> str:
        return f"<OutlierDimensions: {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        labels = self.panels[-1].labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def outlier_dimensions(
    acts: Activations,
    *,
    layers: str | int | Iterable[int | str] = "all",
    bound: float = 3.0,
    top: int = 3,
    max_rows: int | None = None,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> OutlierDimensions:
    """Which dimensions dominate a layer, and how much of the mean cosine of two rows they make.

    An outlier's mean, or standard deviation, lies more than `bound` standard deviations (over dimensions) from the
    average dimension's (Kovaleva et al. 2021 do so for weights). A dimension's share of the cosine is its part of the
    products of unit vectors, over all pairs of rows of different sentences; `top` dimensions that add most are taken
    together, and the cosine is given without them and with standardised dimensions beside it (Timkey & van Schijndel
    2021). Intervals leave out each of 20 groups of sentences; the top dimensions stay those of all rows.

    Raises ConfigError for options out of range, DataError where a row is 0 or not finite.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(40, 1, 1), layers=[0, 3])
    >>> found = pk.outlier_dimensions(acts).layers[1]
    >>> bool(0 < found.share.value < 1), len(found.top)
    (True, 3)
    """
    check_whole(0, seed=seed, top=top)
    check_most(max_rows)
    if not bound > 0 or not 1 <= top < acts.dim:
        raise ConfigError(
            f"bound must be above 0 and top from 1 to {acts.dim - 1}; got bound={bound!r}, top={top!r}"
        )
    joined = join_rows(acts).sample(max_rows, seed)
    names = chosen_layers(acts, layers)
    group = sentence_groups(np.arange(joined.sentences), GROUPS, seed)
    found = []
    for done, layer in enumerate(names):
        progress("outlier dimensions (layers)", done, len(names))
        X = finite_rows(acts, layer, joined.a)
        found.append(_of_layer(layer, X, joined.sentence, group, bound, top, acts.model["name"]))
    progress("outlier dimensions (layers)", len(names), len(names))
    interval = describe_jackknife(int(group.max()) + 1, "groups of sentences")
    return OutlierDimensions(
        tuple(found),
        len(joined),
        joined.sentences,
        joined.unit,
        bound,
        interval,
        about or about_of(acts),
        joined.copies,
    )


def _of_layer(
    layer: Layer, X: Array, sentence: Array, group: Array, bound: float, top: int, model: str
) -> LayerOutliers:
    units, some = unit_rows(X)
    if not some.all():
        gone = rows_that(int((~some).sum()), "is 0 and has", "are 0 and have")
        raise DataError(f"layer {layer} of {model}: {gone} no direction")
    if len(X) > 1 and identical(X):
        return _nothing(layer, X, f"layer {layer}: all {len(X)} rows are identical: no dimension stands out")
    sizes = np.bincount(sentence)
    sums = sums_by(units, sentence, len(sizes))
    part = cosine_parts(sums, sizes)
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    far = np.zeros(len(mean), bool)
    for numbers in (mean, deviation):
        far |= np.abs(numbers - numbers.mean()) > bound * numbers.std()
    order = np.argsort(-np.nan_to_num(part), kind="stable")
    chosen = order[:top]
    groups = [group != one for one in range(int(group.max()) + 1)]
    without = np.stack([cosine_parts(sums[own], sizes[own]) for own in groups])
    cosine = jackknife_interval(*(np.clip(one, -1.0, 1.0) for one in (part.sum(), without.sum(axis=1))))
    share, reason = Interval(np.nan, np.nan, np.nan), ""
    if np.isnan(cosine.value):
        reason = "one sentence only: there are no rows of different sentences to compare"
    elif abs(cosine.value) < SMALLEST:
        reason = f"the mean cosine is {cosine.value:.4f}, too near to 0 to be shared out"
    else:
        shares = without[:, chosen].sum(axis=1) / without.sum(axis=1)
        share = jackknife_interval(float(part[chosen].sum() / part.sum()), shares, fisher=False)
    scale = np.where(deviation > 0, deviation, 1.0)
    others, standardised = (
        float(np.clip(cosine_parts(sums_by(unit_rows(Y)[0], sentence, len(sizes)), sizes).sum(), -1.0, 1.0))
        for Y in (np.delete(X, chosen, axis=1), ((X - mean) / scale).astype(np.float32))
    )
    return LayerOutliers(
        layer, mean, deviation, part, tuple(int(k) for k in order if far[k]), tuple(int(k) for k in chosen), cosine,
        others, standardised, share, reason,
    )  # fmt: skip


def _nothing(layer: Layer, X: Array, reason: str) -> LayerOutliers:
    """Of vectors that are all one: their mean."""
    none = np.full(X.shape[1], np.nan)
    unknown = Interval(np.nan, np.nan, np.nan)
    return LayerOutliers(
        layer, X.mean(axis=0, dtype=np.float64), np.zeros(X.shape[1]), none, (), (), unknown, np.nan, np.nan,
        unknown, reason,
    )  # fmt: skip


def _named(top: tuple[int, ...]) -> str:
    """Some dimensions and the verb that follows."""
    if len(top) == 1:
        return f"dimension {top[0]} makes"
    return f"the {len(top)} dimensions {', '.join(map(str, top))} make"
