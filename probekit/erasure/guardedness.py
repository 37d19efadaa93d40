"""Guardedness: what fresh probes still find after an erasure, of the concept and of its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.guard import PROBES, WHEN, guard
from probekit.erasure.guard_pictures import make_panels, sentence
from probekit.errors import DataError, ModelError
from probekit.glossary import Progress, layer_name, silent
from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import describe_interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

EXACT = "exact binomial over sentences, 95%: every unit was answered alike"
FLIPS = "; p: sign flips by sentence, two-sided"
MAJORITY = "majority"


class UnitsWithRows(Protocol):
    """What `Activations.units` gives: states of a layer [n, dim], labels [n], the sentence of each [n], by split."""

    def X(self, layer: int | str) -> Array: ...
    @property
    def y(self) -> Array: ...
    @property
    def cluster(self) -> Array: ...
    def select(self, split: str) -> Self: ...


@dataclass(frozen=True)
class Guardedness:
    """Rows, pictures and a sentence about one eraser: accuracy of fresh probes before and after, beside majority.

    ``concepts`` are the erased concept and, after it, its neighbours; ``correct`` holds for each (concept, probe,
    "before" or "after") the share of seeds right per test unit, float64 [n].
    """

    method: str
    layer: str
    concepts: tuple[str, ...]
    about: About
    rows: tuple[Measurement, ...] = field(repr=False)
    correct: Mapping[tuple[str, str, str], Array] = field(repr=False)

    @property
    def panels(self) -> list[Panel]:
        """Pictures: a sentence, accuracies before and after, a table; `pk.plot` draws them."""
        return make_panels(self.rows, self.method, self.layer, self.concepts, self.about)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        return sentence(self.rows, self.method, self.layer, self.concepts, self.about)

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        shown = next(panel for panel in self.panels if panel.kind == "table").labels
        return f"<p>{escape(self.summary)}</p>{table(shown['columns'], shown['rows'], shown['formats'])}"


def guardedness(
    eraser: Callable[[Any], Any],
    data: UnitsWithRows,
    layer: int | str,
    *,
    neighbours: Mapping[str, UnitsWithRows] | None = None,
    probes: Sequence[str] = PROBES,
    C: float = 1.0,
    seeds: Sequence[int] = (0,),
    concept: str = "",
    resamples: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> Guardedness:
    """Train probes before and after an erasure and test them on held-out units, paired, beside the majority.

    `data` are units with rows and splits (`Activations.units`): probes are fitted on train and scored on test, as
    the eraser must have been fitted on train alone. `neighbours`, by name, are other concepts over the same states,
    whose loss is collateral damage. Intervals resample sentences; p flips signs by sentence and is Holm-corrected over
    all differences. `concept` is the eraser's own name for it unless given.

    Raises DataError (a split is empty, one class only, numbers instead of labels, the wrong width), ModelError (an
    eraser bound to another layer), ConfigError (an unknown probe).

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(30, 5, 10), layers=[3])
    >>> data = acts.units(pk.load_task("upos"))
    >>> train = data.select("train")
    >>> eraser = pk.Leace(concept="upos").fit(train.X(3), train.y).eraser_
    >>> found = pk.guardedness(eraser, data, 3, probes=["linear"], resamples=100)
    >>> before, after = (found.correct["upos", "linear", when].mean() for when in ("before", "after"))
    >>> bool(before > 0.8), bool(after < 0.4)
    (True, True)
    """
    bound = getattr(eraser, "layer", "")
    if bound and bound != layer_name(layer):
        raise ModelError(f"this eraser is for layer {bound}, the states are of layer {layer_name(layer)}")
    name = concept or getattr(eraser, "concept", "") or "the concept"
    everyone = {name: data, **(neighbours or {})}
    if len(everyone) <= len(neighbours or {}):
        raise DataError(f"a neighbour is named {name!r} like the erased concept; give it another name")
    method = getattr(eraser, "method", "") or "eraser"
    maker = _Rows(method, layer_name(layer), about or _about(data), resamples)
    for done, (one, units) in enumerate(everyone.items()):
        progress("guardedness (concepts)", done, len(everyone))
        train, test = units.select("train"), units.select("test")
        for split, part in (("train", train), ("test", test)):
            if not len(part.y):
                raise DataError(f"{one}: no unit in {split}; probes are fitted on train and scored on test")
        predicted = guard(
            eraser, (train.X(layer), train.y), (test.X(layer), test.y), probes=probes, C=C, seeds=seeds
        )
        maker.take(one, train.y, test, predicted, seeds, getattr(units, "left_out", {}))
    progress("guardedness (concepts)", len(everyone), len(everyone))
    return Guardedness(
        method=method,
        layer=layer_name(layer),
        concepts=tuple(everyone),
        about=maker.about,
        rows=tuple(maker.rows()),
        correct=maker.correct,
    )


class _Rows:
    """Rows from what the probes predicted."""

    def __init__(self, method: str, layer: str, about: About, resamples: int) -> None:
        self.about, self.resamples = about, resamples
        self.base = Measurement(
            metric="accuracy",
            run=about.run,
            question=about.question,
            corpus=about.corpus,
            model=about.model,
            model_kind=about.model_kind,
            site=about.site,
            layer=layer,
            method=method,
        )
        self.correct: dict[tuple[str, str, str], Array] = {}
        self.test: dict[str, tuple[Array, Array, int]] = {}  # cluster, majority right, left out
        self.probes: dict[str, int] = {}

    def take(
        self,
        concept: str,
        seen: Array,
        test: UnitsWithRows,
        predicted: Mapping[tuple[str, str], Array],
        seeds: Sequence[int],
        left_out: Mapping[str, int],
    ) -> None:
        """What was predicted of one concept."""
        labels, counts = np.unique(seen, return_counts=True)
        common = (test.y == labels[counts.argmax()]).astype(np.float64)
        self.test[concept] = (np.asarray(test.cluster), common, sum(left_out.values()))
        for (probe, moment), answers in predicted.items():
            self.probes[probe] = len(answers)
            self.correct[concept, probe, moment] = (answers == test.y).mean(axis=0)

    def rows(self) -> Iterator[Measurement]:
        """Accuracies, the majority's, and the differences after - before and after - majority."""
        for concept in self.test:
            yield self._accuracy(concept, MAJORITY, self.test[concept][1])
            for probe in self.probes:
                for moment in WHEN:
                    yield self._accuracy(concept, f"{probe} {moment}", self.correct[concept, probe, moment])
        yield from self._differences()

    def _row(self, concept: str, probe: str, moment: str) -> Measurement:
        cluster, _, left_out = self.test[concept]
        control = MAJORITY if probe == MAJORITY else ""
        words = f"concept={concept}" + ("" if control else f" probe={probe} when={moment}")
        return replace(self.base, control=control, group=words, n=len(cluster), n_left_out=left_out)

    def _accuracy(self, concept: str, what: str, correct: Array) -> Measurement:
        probe, _, moment = what.partition(" ")
        cluster = self.test[concept][0]
        value = float(correct.mean())
        if value in (0.0, 1.0):
            bounds, how = all_or_none_interval(value, len(np.unique(cluster))), EXACT
        else:
            bounds, how = mean_interval(correct, cluster, resamples=self.resamples), self._how(cluster)
        row = self._row(concept, probe, moment)
        return replace(row, value=value, low=bounds.low, high=bounds.high, interval=how, reason="")

    def _differences(self) -> Iterator[Measurement]:
        """One family: every concept and probe, against before and against the majority."""
        pairs = []
        for concept, (cluster, common, _) in self.test.items():
            for probe in self.probes:
                after = self.correct[concept, probe, "after"]
                for reference, other in (
                    ("when=before", self.correct[concept, probe, "before"]),
                    (f"control={MAJORITY}", common),
                ):
                    pairs.append((concept, probe, reference, after - other, cluster))
        p = np.array([float(sign_flip_p(apart[None], cluster)[0]) for *_, apart, cluster in pairs])
        for (concept, probe, reference, apart, cluster), one, adjusted in zip(pairs, p, holm(p), strict=True):
            bounds = mean_interval(apart, cluster, resamples=self.resamples)
            yield replace(
                self._row(concept, probe, "after"),
                metric="accuracy_difference",
                reference=reference,
                value=bounds.value,
                low=bounds.low,
                high=bounds.high,
                interval=self._how(cluster) + FLIPS,
                p=float(one),
                p_adjusted=float(adjusted),
                family_size=int(np.isfinite(p).sum()),
                reason="",
            )

    def _how(self, cluster: Array) -> str:
        return describe_interval(self.resamples) if len(np.unique(cluster)) > 1 else ""


def _about(data: UnitsWithRows) -> About:
    """What stored activations say of themselves."""
    acts = getattr(data, "activations", None)
    if acts is None:
        return About()
    return About(
        corpus=acts.corpus.name if acts.corpus is not None else "",
        model=acts.model.get("name", ""),
        model_kind=acts.model.get("kind", "pretrained"),
        site=str(acts.recipe.get("site", "hidden")),
    )
