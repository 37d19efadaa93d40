"""How many dimensions the vectors of each layer fill: locally (two nearest neighbours), and by their variance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    format_ends,
    identical,
)
from probekit.glossary import Layer, Progress, silent
from probekit.maths.grouped_moments import GroupedRows, sentence_groups
from probekit.maths.intrinsic import (
    DISCARD,
    distances_of,
    distinct_rows,
    neighbour_ratios,
    participation_ratio,
    slope_of,
)
from probekit.maths.jackknife import describe_jackknife, jackknife_interval
from probekit.maths.resampling import Interval
from probekit.results.formats import slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
METHODS = {
    "two_nn": "TwoNN: slope over the two nearest neighbours",
    "two_nn_half": "TwoNN on half of the sentences",
    "two_nn_quarter": "TwoNN on a quarter of the sentences",
    "participation_ratio": "participation ratio of the covariance",
}
PARTS = {"two_nn": 1, "two_nn_half": 2, "two_nn_quarter": 4}
MOST_ROWS = 3000
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False, repr=False)
class IntrinsicDimension:
    """What `intrinsic_dimension` found: of each method (`METHODS`) an Interval per layer; NaN has a reason.

    ``copies``: of each layer the number of rows that are identical to another and were left out of TwoNN.
    """

    layers: tuple[Layer, ...]
    values: Mapping[str, tuple[Interval, ...]]
    copies: tuple[int, ...]
    dim: int
    n: int
    sentences: int
    unit: str
    interval: str
    seed: int
    reasons: Mapping[tuple[Layer, str], str] = field(default_factory=dict)
    about: About = field(default_factory=About)
    copied: int = 0
    """Sentences beyond `sentences` whose text one of those has; they count with it."""

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """One row for every layer and method."""
        about, found = self.about, []
        for metric, values in self.values.items():
            for i, (layer, (value, low, high)) in enumerate(zip(self.layers, values, strict=True)):
                row = Measurement(
                    run=about.run, question=about.question, corpus=about.corpus, model=about.model,
                    model_kind=about.model_kind, site=about.site, layer=layer, method=METHODS[metric],
                    metric=metric, value=number(value), low=number(low), high=number(high), split="all",
                    interval=self.interval if np.isfinite(low) else "", n=self.n // PARTS.get(metric, 1),
                    n_left_out=self.copies[i] if metric == "two_nn" else 0, unit=self.unit,
                    seeds=(("data", self.seed),), reason=self.reasons.get((layer, metric), ""),
                )  # fmt: skip
                found.append(row)
        return tuple(found)

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        of = f"{basis(self.n, self.unit, self.sentences, self.copied)}, {self.about.model}"
        said = []
        for metric, words in (("two_nn", "TwoNN"), ("participation_ratio", "the participation ratio")):
            known = [(one.value, k) for k, one in zip(self.layers, self.values[metric], strict=True)]
            known = sorted(pair for pair in known if np.isfinite(pair[0]))
            if known:
                said.append(f"{format_ends(known[0], known[-1], 1)} by {words}")
        if not said:
            return f"Intrinsic dimension of {of}: not defined ({next(iter(self.reasons.values()))})."
        return f"Of {self.dim} dimensions, {of} fill {' and '.join(said)}."

    @property
    def panels(self) -> list[Panel]:
        """A sentence and the curves over layers."""
        name = slug("dimension", self.about.model)
        values = np.array([[tuple(one) for one in values] for values in self.values.values()], dtype=float)
        values[1:3, :, 1:] = np.nan  # bands of parts of the rows would hide those of all; `rows` holds them
        styles = ("task", "control", "control", "baseline")
        names = ("TwoNN", "TwoNN, half of the sentences", "TwoNN, a quarter", "participation ratio")
        curves = Panel(
            "layer-curve", f"{name}-curves", f"Intrinsic dimension: {self.about.model}",
            f"{basis(self.n, self.unit, self.sentences, self.copied)}, {self.dim} dimensions. "
            f"An estimate that rises with the number of rows is a lower bound. Bands (all rows): {self.interval}.",
            dict(zip(("value", "low", "high"), np.moveaxis(values, 2, 0), strict=True)),
            {"layers": list(self.layers), "x_label": "layer", "y_label": "dimensions",
             "series": [{"name": one, "style": style} for one, style in zip(names, styles, strict=True)]},
        )  # fmt: skip
        return [Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}), curves]

    def __repr__(self) -> str:
        return f"<IntrinsicDimension: {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        cells = [
            [layer, *(number(self.values[metric][i].value) for metric in METHODS)]
            for i, layer in enumerate(self.layers)
        ]
        columns = ["layer", "TwoNN", "half", "quarter", "participation ratio"]
        return f"<p>{escape(self.summary)}</p>{table(columns, cells, ['text', *['score'] * len(METHODS)])}"


def intrinsic_dimension(
    acts: Activations,
    *,
    layers: str | int | Iterable[int | str] = "all",
    max_rows: int | None = MOST_ROWS,
    discard: float = DISCARD,
    groups: int = 10,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> IntrinsicDimension:
    """How many dimensions the rows of each layer fill, by TwoNN and by the participation ratio, with intervals.

    TwoNN (Facco et al. 2017) is local and compares all pairs of rows, so whole sentences of at most `max_rows` rows are
    drawn; it is repeated on half and a quarter of the sentences, because what it says holds at one scale: where it
    rises with the rows it is a lower bound. Identical rows are counted once. The participation ratio, (sum of
    variances)^2 / sum of squares, is of the cloud as a whole, and a few large dimensions make it small.

    Intervals leave out each of `groups` groups of sentences; they say how much another sample would differ, not how far
    the estimate is from the truth. Raises ConfigError for unknown layers and options out of range.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(40, 1, 1), layers=[0, 6])
    >>> found = pk.intrinsic_dimension(acts)
    >>> [bool(3 < one.value < 384) for one in found.values["two_nn"]]
    [True, True]
    """
    check_whole(0, seed=seed, groups=groups)
    check_most(max_rows)
    if not 0 <= discard < 1:
        raise ConfigError(f"discard must be a share from 0 to below 1; got {discard!r}")
    if groups < 5:
        raise ConfigError(f"groups must be at least 5 for an interval; got {groups}")
    joined = join_rows(acts).sample(max_rows, seed)
    names = chosen_layers(acts, layers)
    group = sentence_groups(joined.sentence, groups, seed)
    part = sentence_groups(joined.sentence, 4, seed + 1)
    values: dict[str, list[Interval]] = {metric: [] for metric in METHODS}
    reasons: dict[tuple[Layer, str], str] = {}
    copies = []
    for done, layer in enumerate(names):
        progress("intrinsic dimension (layers)", done, len(names))
        X = finite_rows(acts, layer, joined.a)
        distinct, places = distinct_rows(X)
        copies.append(len(X) - len(distinct))
        distances = distances_of(distinct)
        for metric in METHODS:
            try:
                if metric == "participation_ratio":
                    found = _by_variance(X, group)
                else:
                    kept = part[places] < 4 // PARTS[metric]
                    found = _local(distances, kept, group[places], discard)
            except DataError as problem:
                found, reasons[layer, metric] = NOTHING, f"layer {layer}: {problem}"
            values[metric].append(found)
    progress("intrinsic dimension (layers)", len(names), len(names))
    return IntrinsicDimension(
        names, {metric: tuple(found) for metric, found in values.items()}, tuple(copies), acts.dim, len(joined),
        joined.sentences, joined.unit,
        describe_jackknife(int(group.max()) + 1, "groups of sentences", "a log scale"), seed, reasons,
        about or about_of(acts), joined.copies,
    )  # fmt: skip


def _local(distances: Array, kept: Array, group: Array, discard: float) -> Interval:
    def estimate(rows: Array) -> float:
        return slope_of(neighbour_ratios(distances if rows.all() else distances[np.ix_(rows, rows)]), discard)

    return _without_groups(
        lambda without: estimate(kept if without is None else kept & (group != without)), group
    )


def _by_variance(X: Array, group: Array) -> Interval:
    if identical(X):
        raise DataError(f"all {len(X)} rows are identical: they have no dimension")
    rows = GroupedRows(X, group)
    return _without_groups(lambda without: participation_ratio(rows.covariance(rows, without)), group)


def _without_groups(estimate: Callable[[int | None], float], group: Array) -> Interval:
    """An estimate of all rows, and its interval from those without each group, on a log scale."""
    value = estimate(None)
    without = []
    groups = int(group.max()) + 1
    for one in range(groups if groups > 1 else 0):  # without the only group there is nothing
        try:
            without.append(np.log(estimate(one)))
        except DataError:
            without.append(np.nan)
    found = jackknife_interval(np.log(value), np.array(without), fisher=False)
    return Interval(value, *(float(np.exp(bound)) for bound in found[1:]))
