"""Labelled units of a corpus with the place of their vectors: what projections and sense scores look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.units import Units
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Layer
from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import describe_interval, mean_interval
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.activations.activations import Activations, UnitData
    from probekit.data.task import Task

Array = NDArray[Any]

QUANTILES = 5
EXACT = "exact binomial over {what}, 95%: every unit was answered alike"


@dataclass(frozen=True, eq=False, repr=False)
class Occurrences:
    """n units with a vector and a class each.

    ``codes`` int64[n]: the class; ``classes`` their names. ``text`` int64[n]: a number for the text of the unit's
    sentence (equal texts, equal numbers); it is also what intervals resample (``cluster``). ``form`` int64[n]: a number
    for the word as written, in lower case.
    """

    data: UnitData
    codes: Array
    classes: tuple[str, ...]
    text: Array
    form: Array
    task: str

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def cluster(self) -> Array:
        """What intervals resample: sentences, those of equal text together."""
        return self.text

    @property
    def n_classes(self) -> int:
        """How many classes have a unit."""
        return len(self.classes)

    @property
    def unit(self) -> str:
        """word or sentence."""
        return self.data.units.unit

    @property
    def ids(self) -> tuple[str, ...]:
        """Sentence id and word number (from 1) of each unit."""
        return self.data.ids

    @property
    def types(self) -> tuple[str, ...]:
        """The word of each unit as written, or its sentence's text."""
        return self.data.units.types

    @property
    def names(self) -> tuple[str, ...]:
        """What each point is called: the word with what is around it."""
        if self.unit != "word" or self.data.activations.corpus is None:
            return self.types
        corpus = self.data.activations.corpus
        return tuple(
            in_context(corpus.sentences[s].words, w, around=4)
            for s, w in zip(self.data.units.sentence, self.data.units.word, strict=True)
        )

    @property
    def n_left_out(self) -> int:
        """Units without a label or a vector."""
        return sum(self.data.left_out.values())

    def vectors(self, layer: Layer) -> Array:
        """float32[n, dim]."""
        return self.data.X(layer)

    def take(self, places: Array) -> Occurrences:
        """The units at these places; classes without a unit are gone."""
        units = self.data.units.take(places)
        data = replace(self.data, units=units, rows=self.data.rows[places])
        kept, codes = np.unique(self.codes[places], return_inverse=True)
        return replace(
            self, data=data, codes=codes.reshape(-1), classes=tuple(self.classes[i] for i in kept),
            text=self.text[places], form=self.form[places],
        )  # fmt: skip

    def draw(self, points: int, *, seed: int, always: Sequence[int] = ()) -> Occurrences:
        """At most so many units by a seed, in the order of the corpus; `always` are among them."""
        if len(self) <= points:
            return self
        order = np.random.default_rng([seed, 11]).permutation(len(self))
        first = np.array(sorted(set(always)), dtype=np.int64)
        rest = order[~np.isin(order, first)]
        chosen = np.concatenate([first, rest])[: max(points, len(first))]
        return self.take(np.sort(chosen))

    def find(self, ids: Sequence[str]) -> list[int]:
        """The places of units by id. Raises ConfigError for one that is not there."""
        if isinstance(ids, str):
            raise ConfigError(f"units are named in a list; got {ids!r}")
        place = {name: i for i, name in enumerate(self.ids)}
        for name in ids:
            if name not in place:
                near = did_you_mean(str(name), place) if len(place) < 2000 else f"e.g. {self.ids[0]!r}"
                raise ConfigError(f"no unit {name!r} of {self.task!r} has a vector; {near}")
        return [place[name] for name in ids]


def occurrences(acts: Activations, task: Task | Units, *, split: str | None = None) -> Occurrences:
    """The units that a task labels and that have a vector; numbers become classes at their quintiles."""
    data = acts.units(task, split=split)
    units = data.units
    name = "the labels" if isinstance(task, Units) else task.name
    labels = _classes_of_numbers(units.labels) if units.numeric else units.labels.astype(str)
    found, codes = np.unique(labels, return_inverse=True)
    corpus = acts.corpus
    assert corpus is not None  # `Activations.units` refuses activations without their corpus
    _, text = np.unique([corpus.sentences[s].text for s in units.sentence], return_inverse=True)
    _, form = np.unique([word.lower() for word in units.types], return_inverse=True)
    return Occurrences(
        data=data, codes=codes.reshape(-1), classes=tuple(map(str, found)), text=text.reshape(-1),
        form=form.reshape(-1), task=name,
    )  # fmt: skip


def _classes_of_numbers(values: Array) -> Array:
    """The fifth in which each number lies, named by its range, so that names stand in order."""
    if not len(values):
        return values.astype(str)
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, QUANTILES + 1)[1:-1]))
    which = np.searchsorted(cuts, values, side="left")
    names = {}
    for number in np.unique(which):
        own = values[which == number]
        low, high = own.min(), own.max()
        names[number] = f"{number + 1}: {low:g}" + (f" to {high:g}" if high > low else "")
    return np.array([names[number] for number in which])


def layers_of(acts: Activations, layers: str | int | Iterable[int | str]) -> tuple[Layer, ...]:
    """The stored layers asked for, from low to high. Raises ConfigError for one that is not stored."""
    if layers == "all":
        return acts.layers
    asked = [str(one) for one in ([layers] if isinstance(layers, str | int) else layers)]
    for one in asked:
        if one not in acts.layers:
            raise ConfigError(f"layer {one!r} is not stored here; {did_you_mean(one, acts.layers)}")
    if not asked:
        raise ConfigError(f"no layer was asked for; stored are {', '.join(acts.layers)}")
    return tuple(layer for layer in acts.layers if layer in asked)


def rows_of(acts: Activations, sentence: Array, word: Array) -> Array:
    """The row of each word, by number of its sentence and number in it, int64; -1 where it has none."""
    index = acts.index
    start = np.concatenate([[0], np.cumsum(index.words, dtype=np.int64)])
    table = np.full(int(start[-1]), -1, dtype=np.int64)
    table[start[index.sentence] + index.number] = np.arange(acts.n_rows)
    rows: Array = table[start[sentence] + word]
    return rows


def about_of(acts: Activations, question: str) -> About:
    """What every row about these activations says alike."""
    return About(
        question=question, corpus=acts.corpus.name if acts.corpus is not None else "", model=acts.model["name"],
        model_kind=acts.model["kind"], site=acts.recipe["site"],
    )  # fmt: skip


def share_of(values: Array, cluster: Array, resamples: int, what: str = "sentences") -> dict[str, Any]:
    """Value, bounds and interval of a share float64[n], ready for a row: clusters are resampled; a share of exactly 0
    or 1, which resampling can only repeat, gets exact binomial bounds.

    >>> round(share_of(np.ones(350), np.arange(350), 100)["low"], 2)
    0.99
    """
    bounds = mean_interval(values, cluster, resamples=resamples)
    interval = describe_interval(resamples).replace("sentences", what)
    if np.isfinite(bounds.low) and bounds.value in (0.0, 1.0):
        bounds = all_or_none_interval(bounds.value, len(np.unique(cluster)))
        interval = EXACT.format(what=what)
    known = bool(np.isfinite(bounds.low))
    return {
        "value": bounds.value,
        "low": bounds.low,
        "high": bounds.high,
        "interval": interval if known else "",
    }


def in_context(
    words: Sequence[str], place: int, *, around: int = 0, marks: tuple[str, str] = ("[", "]")
) -> str:
    """The words of a sentence with one of them marked; with `around` only so many on each side.

    >>> in_context(["Rain", "stopped", "play", "early"], 2, around=1)
    '… stopped [play] early'
    """
    start, stop = (max(0, place - around), place + around + 1) if around else (0, len(words))
    shown = [f"{marks[0]}{w}{marks[1]}" if i == place else w for i, w in enumerate(words)][start:stop]
    return " ".join((["…"] if start > 0 else []) + shown + (["…"] if stop < len(words) else []))
