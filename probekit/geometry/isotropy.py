"""Whether vectors point everywhere alike, and how much a word's vectors change with its context (Ethayarajh 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError
from probekit.geometry.isotropy_pictures import make_panels, make_rows, sentence
from probekit.geometry.stored import about_of, check_most, check_whole, chosen_layers, identical
from probekit.geometry.word_rows import LayerRows, WordRows
from probekit.glossary import Layer, Progress, silent
from probekit.maths.cosines import cosine_parts, cosines_by_kind
from probekit.maths.grouped_moments import sentence_groups
from probekit.maths.jackknife import describe_jackknife, jackknife_interval
from probekit.maths.resampling import Interval
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
METRICS = (
    "anisotropy", "self_similarity", "self_similarity_adjusted", "intra_sentence_similarity",
    "intra_sentence_similarity_adjusted", "max_explainable_variance", "max_explainable_variance_adjusted",
)  # fmt: skip
GROUPS = 20
MOST_OCCURRENCES = 100  # of a type, for its maximum explainable variance


@dataclass(frozen=True, eq=False, repr=False)
class Isotropy:
    """What `isotropy` found: of each layer the numbers of `METRICS` with intervals; of each word type its similarity.

    ``values[metric]`` holds an Interval per layer, NaN where not defined, and then ``reasons[layer, metric]`` says why.
    ``types``: the word types of enough sentences; ``by_type`` float64 [layers, types]: self-similarity less anisotropy.
    """

    layers: tuple[Layer, ...]
    values: Mapping[str, tuple[Interval, ...]]
    types: tuple[str, ...]
    by_type: Array
    contexts: Array
    n: int
    sentences: int
    min_sentences: int
    interval: str
    seed: int
    reasons: Mapping[tuple[Layer, str], str] = field(default_factory=dict)
    about: About = field(default_factory=About)
    copies: int = 0
    """Sentences beyond `sentences` whose text one of those has; they count with it."""

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """One row for every layer and metric."""
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
        """A sentence, curves over layers, and the word types that change most and least."""
        return make_panels(self)

    def __repr__(self) -> str:
        return f"<Isotropy: {self.summary}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        cells = [
            [
                layer,
                *(None if np.isnan(self.values[m][i].value) else self.values[m][i].value for m in METRICS),
            ]
            for i, layer in enumerate(self.layers)
        ]
        columns = ["layer", *(metric.replace("_", " ") for metric in METRICS)]
        return f"<p>{escape(self.summary)}</p>{table(columns, cells, ['text', *['score'] * len(METRICS)])}"


def isotropy(
    acts: Activations,
    *,
    layers: str | int | Iterable[int | str] = "all",
    min_sentences: int = 5,
    casefold: bool = True,
    max_rows: int | None = None,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> Isotropy:
    """How anisotropic each layer is, and, beside that, how much words keep their vectors from context to context.

    anisotropy : mean cosine of two words of different sentences, over all such pairs; what the next are compared with
    self_similarity : mean cosine of two occurrences of a type in different sentences, mean over the types that occur in
        at least `min_sentences` of them
    intra_sentence_similarity : mean cosine of a word with the mean vector of its sentence
    max_explainable_variance : share of the first principal component in the variance of a type's vectors (at most 100,
        each of another sentence), mean over types

    "adjusted" takes off what is found of words at random: the anisotropy, or the share of as many random vectors.
    Intervals leave out each of 20 groups of sentences; those of the variance resample types.

    ``casefold``: "The" and "the" are one type. ``max_rows``: whole sentences of at most so many words are drawn. Raises
    ConfigError where rows are no words or come without their corpus. Ethayarajh 2019.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(60, 1, 1), layers=[0, 6])
    >>> found = pk.isotropy(acts)
    >>> first, last = (one.value for one in found.values["self_similarity"])
    >>> bool(first > last)
    True
    """
    check_whole(0, seed=seed)
    check_most(max_rows)
    if min_sentences < 2:
        raise ConfigError(
            f"min_sentences must be at least 2, since occurrences are compared; got {min_sentences}"
        )
    words = WordRows.of(acts, max_rows, seed, casefold)
    names = chosen_layers(acts, layers)
    contexts = np.bincount(words.cell_kind, minlength=len(words.types))
    chosen = np.flatnonzero(contexts >= min_sentences)
    group = sentence_groups(np.arange(words.joined.sentences), GROUPS, seed)
    draws = _draws(words, chosen, seed)
    values: dict[str, list[Interval]] = {metric: [] for metric in METRICS}
    reasons: dict[tuple[Layer, str], str] = {}
    by_type = np.full((len(names), len(chosen)), np.nan)
    for number, layer in enumerate(names):
        progress("isotropy (layers)", number, len(names))
        try:
            rows = words.layer(layer)
            if len(rows.X) > 1 and identical(rows.X):
                raise DataError(
                    f"layer {layer}: all {len(rows.X)} rows are identical: there is nothing to compare"
                )
            found, by_type[number] = _of_layer(words, rows, chosen, group, draws)
        except DataError as problem:
            found = {metric: Interval(np.nan, np.nan, np.nan) for metric in METRICS}
            reasons |= {(layer, metric): str(problem) for metric in METRICS}
        for metric in METRICS:
            values[metric].append(found[metric])
            if np.isnan(found[metric].value) and (layer, metric) not in reasons:
                reasons[layer, metric] = _why(metric, words, len(chosen), min_sentences)
    progress("isotropy (layers)", len(names), len(names))
    return Isotropy(
        names, {metric: tuple(found) for metric, found in values.items()},
        tuple(words.types[k] for k in chosen), by_type, contexts[chosen], len(words.joined), words.joined.sentences,
        min_sentences, describe_jackknife(int(group.max()) + 1, "groups of sentences"), seed, reasons,
        about or about_of(acts), words.joined.copies,
    )  # fmt: skip


def _of_layer(
    words: WordRows, rows: LayerRows, chosen: Array, group: Array, draws: list[tuple[Array, Array]]
) -> tuple[dict[str, Interval], Array]:
    """The numbers of one layer, and each chosen type's adjusted self-similarity."""
    kept = np.isin(words.cell_kind, chosen)
    cell = (rows.cell_sums[kept], rows.cell_sizes[kept])
    kind, sentence_of = np.searchsorted(chosen, words.cell_kind[kept]), words.cell_sentence[kept]

    def numbers(without: int | None) -> tuple[Array, Array]:
        own = np.ones(len(group), bool) if without is None else group != without
        base = float(cosine_parts(rows.sentence_sums[own], rows.sentence_sizes[own]).sum())
        there = own[sentence_of]
        types = cosines_by_kind(cell[0][there], cell[1][there], kind[there], len(chosen))
        scored = types[np.isfinite(types)]
        own_type = float(scored.mean()) if len(scored) else np.nan
        size = rows.sentence_sizes[own].sum()
        inside = float(rows.to_mean[own].sum() / size) if size else np.nan
        base, own_type, inside = (float(one) for one in np.clip([base, own_type, inside], -1.0, 1.0))
        return np.array([base, own_type, own_type - base, inside, inside - base]), types - base

    found, by_type = numbers(None)
    without = np.array([numbers(g)[0] for g in range(int(group.max()) + 1)])
    intervals = {
        metric: jackknife_interval(float(value), without[:, k])
        for k, (metric, value) in enumerate(zip(METRICS, found, strict=False))
    }
    shares = np.array([[first_share(rows.X[own]), first_share(rows.X[random])] for own, random in draws])
    shares = shares.reshape(-1, 2)
    for metric, each in zip(METRICS[5:], (shares[:, 0], shares[:, 0] - shares[:, 1]), strict=True):
        intervals[metric] = _over_types(each[np.isfinite(each)])
    return intervals, by_type


def first_share(X: Array) -> float:
    """Share of the first principal component in the variance of rows X [n, dim]; NaN where they do not vary.

    >>> first_share(np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [1.0, -1.0]]))
    0.5
    """
    centred = X - X.mean(axis=0, dtype=np.float64)
    total = float((centred**2).sum())
    if not total > 1e-12 * float((X.astype(np.float64) ** 2).sum()):
        return float("nan")
    products = centred @ centred.T if len(X) <= X.shape[1] else centred.T @ centred
    return float(np.linalg.eigvalsh(products)[-1] / total)


def _over_types(values: Array) -> Interval:
    """The mean over types with an interval that resamples them."""
    from probekit.maths.resampling import mean_interval

    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    return mean_interval(values, np.arange(len(values)))


def _draws(words: WordRows, chosen: Array, seed: int) -> list[tuple[Array, Array]]:
    """For each chosen type positions of its occurrences, one a sentence, and as many random words' positions."""
    rng = np.random.default_rng([seed, 8])
    first = np.unique(words.cell, return_index=True)[1]
    found = []
    for kind in chosen:
        own = first[words.cell_kind == kind]
        if len(own) > MOST_OCCURRENCES:
            own = rng.choice(own, MOST_OCCURRENCES, replace=False)
        found.append((own, rng.choice(len(words.joined), len(own), replace=False)))
    return found


def _why(metric: str, words: WordRows, types: int, min_sentences: int) -> str:
    if metric.startswith(("self", "max")) and not types:
        return f"no word type occurs in {min_sentences} sentences of these {words.joined.sentences}"
    if words.joined.sentences < 2:
        return "one sentence only: there are no words of different sentences to compare"
    return "a type's vectors are all identical" if metric.startswith("max") else "not defined"
