"""How alike every two layers are: of one model, or of two over the same words."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, did_you_mean
from probekit.geometry.compared_layers import compare_cells, shuffles
from probekit.geometry.joined_rows import join_rows
from probekit.geometry.similarity_measures import (
    MEASURES,
    MOST_ROWS,
    SYMMETRIC,
    MeasureName,
    Options,
    check_measure,
    make_measure,
)
from probekit.geometry.similarity_pictures import make_panels, make_rows, sentence
from probekit.geometry.stored import about_of, check_most, check_whole, chosen_layers
from probekit.glossary import Layer, Progress, silent
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
Layers = str | int | Iterable[int | str]


@dataclass(frozen=True, eq=False, repr=False)
class LayerSimilarity:
    """How alike the layers of one side (rows) and of the other (columns) are.

    ``value``, ``low``, ``high`` float64 [layers, other layers]: NaN where not defined, and then `reasons` says why.
    ``null`` float64 [permutations, layers, other layers]: values when sentences of the other side are shuffled.
    ``p`` and ``p_adjusted``: "no more alike than shuffled", the second corrected for the maximum over all pairs.
    Procrustes is a distance (0 the same); all others are similarities (1 the same).
    """

    measure: str
    method: str
    interval: str
    model: str
    other: str
    layers: tuple[Layer, ...]
    other_layers: tuple[Layer, ...]
    value: Array
    low: Array
    high: Array
    null: Array
    p: Array
    p_adjusted: Array
    n: int
    sentences: int
    left_out: int
    of: int
    unit: str
    one_model: bool
    seed: int = 0
    reasons: Mapping[tuple[Layer, Layer], str] = field(default_factory=dict)
    about: About = field(default_factory=About)
    copies: int = 0
    """Sentences beyond `sentences` whose text one of those has."""

    @property
    def distance(self) -> bool:
        """Whether 0 means the same."""
        return self.measure == "procrustes"

    @property
    def null_mean(self) -> Array:
        """What shuffled sentences give on average, float64 [layers, other layers]."""
        if not len(self.null):
            return np.full(self.value.shape, np.nan)
        return np.asarray(self.null.mean(axis=0))  # NaN for a layer with itself

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """One row for every pair, and for every pair what shuffled sentences give."""
        return tuple(make_rows(self))

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        return sentence(self)

    @property
    def panels(self) -> list[Panel]:
        """A sentence, the map of all pairs, and a curve with intervals: `pk.plot` draws them."""
        return make_panels(self)

    def __repr__(self) -> str:
        return f"<LayerSimilarity: {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        cells = [
            [name, *(None if np.isnan(x) else float(x) for x in line)]
            for name, line in zip(self.layers, self.value, strict=True)
        ]
        formats = ["text", *["score"] * len(self.other_layers)]
        return f"<p>{escape(self.summary)}</p>{table(['layer', *self.other_layers], cells, formats)}"


def similarity(
    acts: Activations,
    other: Activations | None = None,
    measure: MeasureName = "cka",
    *,
    layers: Layers = "all",
    other_layers: Layers | None = None,
    max_rows: int | None = 0,
    permutations: int = 20,
    interval: bool = True,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
    **options: Any,
) -> LayerSimilarity:
    """How alike every two layers are, of one model or of two, each with an interval and beside shuffled sentences.

    Rows of two models are joined by sentence id and word. Sentences of equal text count as
    one. As many layers are in memory as fit into 256 MB, and two at least.

    Parameters
    ----------
    measure : "cka", "cka-kernel" (Kornblith et al. 2019), "svcca" (Raghu et al. 2017), "pwcca" (Morcos et al. 2018),
        "rsa" (Kriegeskorte et al. 2008) or "procrustes" (Ding et al. 2021; a distance)
    layers, other_layers : which; the second as the first where not given, or all of another model's
    max_rows : whole sentences of at most so many rows are drawn; None takes all; 0 stands for 5,000, of which "rsa"
        takes 1,000 and "cka-kernel" 1,500, since they compare all pairs of rows
    permutations : how often the sentences of the other side are shuffled; 0 leaves it out
    interval : leave out each sentence once (CKA), or each of 10 random groups of sentences (the others)
    options : estimator ("clustered", "debiased", "biased": CKA), bandwidth (kernel CKA), kept (share of variance, SVCCA
        and PWCCA), dissimilarity ("cosine", "correlation", "euclidean": RSA), groups

    For all but clustered CKA, sentences that lie together on both sides count as alike against shuffled ones.
    A pair that cannot be compared has the value NaN here, None in `rows`, and a reason. Raises ConfigError for unknown
    names and options, DataError where nothing is shared.

    >>> corpus = pk.generate_corpus(20, 1, 1)
    >>> acts = pk.extract(pk.load_model("demo:minilm"), corpus, layers=[0, 3, 6])
    >>> found = pk.similarity(acts, permutations=5)
    >>> found.value.round(1).diagonal().tolist()
    [1.0, 1.0, 1.0]
    >>> bool(found.low[0, 1] < found.value[0, 1] < found.high[0, 1])
    True
    """
    for side in (acts, other):
        check_side(side)
    told = check_asked(measure, max_rows, permutations, seed, options)
    joined = join_rows(acts, other)
    joined = joined.sample(MOST_ROWS[measure] if max_rows == 0 else max_rows, seed)
    second = acts if other is None else other
    names = chosen_layers(acts, layers)
    other_names = (
        (names if other is None else second.layers)
        if other_layers is None
        else chosen_layers(second, other_layers)
    )
    ways = make_measure(measure, joined.sentence, told)
    one_model = second.path == acts.path
    sources: dict[Hashable, tuple[Activations, Array, Layer]] = {(0, k): (acts, joined.a, k) for k in names}
    which = 0 if one_model else 1
    sources |= {(which, k): (second, joined.b, k) for k in other_names}
    half = one_model and names == other_names and measure in SYMMETRIC
    shape = (len(names), len(other_names))
    places = [(i, j) for i in range(shape[0]) for j in range(shape[1]) if not half or i <= j]
    cells = [((0, names[i]), (which, other_names[j])) for i, j in places]
    orders = shuffles(joined, permutations, seed)
    found = compare_cells(ways, sources, cells, orders, interval=interval, progress=progress)

    def full(values: Array) -> Array:
        filled = np.full((*values.shape[:-1], *shape), np.nan)
        at = tuple(np.array(places).T)
        filled[(..., *at)] = values
        if half:
            filled[(..., *at[::-1])] = values
        return filled

    p, adjusted = found.p(distance=measure == "procrustes")
    reasons = {(names[places[k][0]], other_names[places[k][1]]): why for k, why in found.reasons.items()}
    if half:
        reasons |= {(j, i): why for (i, j), why in reasons.items()}
    return LayerSimilarity(
        measure, ways.words, ways.interval, acts.model["name"], second.model["name"], names, other_names,
        full(found.value), full(found.low), full(found.high), full(found.null), full(p), full(adjusted),
        len(joined), joined.sentences, joined.left_out, joined.of, joined.unit, one_model, seed, reasons,
        about or about_of(acts), joined.copies,
    )  # fmt: skip


def check_side(side: Any) -> None:
    """Raises ConfigError for what is no extraction, such as a measure in the place of the other model."""
    if side is None or (hasattr(side, "layers") and hasattr(side, "index")):
        return
    if isinstance(side, str) and side in MEASURES:
        raise ConfigError(
            f"the second argument is the other model's activations; name the measure: measure={side!r}"
        )
    raise ConfigError(f"similarity compares activations (of pk.extract); got {side!r:.60}")


def check_asked(
    measure: str, max_rows: int | None, permutations: int, seed: int, options: Mapping[str, Any]
) -> Options:
    """What a measure is told by name. Raises ConfigError for unknown names and for numbers out of range."""
    check_whole(0, permutations=permutations, seed=seed)
    if max_rows != 0 or isinstance(max_rows, bool):
        check_most(max_rows)
    told = measure_options(seed, options)
    check_measure(measure)
    return told


def measure_options(seed: int, options: Mapping[str, Any]) -> Options:
    """What a measure is told by name. Raises ConfigError for an option that none has."""
    known = [name for name in Options.__dataclass_fields__ if name != "seed"]
    for name in options:
        if name not in known:
            raise ConfigError(f"similarity has no option {name!r}; {did_you_mean(name, known)}")
    return Options(seed=seed, **cast(dict[str, Any], options))
