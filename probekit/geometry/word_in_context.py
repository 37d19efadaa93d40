"""Whether a word means the same in two texts, told from the cosine of its two vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.read_wic import WordPairs
from probekit.errors import DataError, StoreError
from probekit.geometry.occurrences import about_of, layers_of, rows_of, share_of
from probekit.geometry.stored import check_whole, counted
from probekit.glossary import Layer, Progress, silent
from probekit.maths.pairs import apart_draws
from probekit.maths.ranks import auc, auc_interval
from probekit.maths.resampling import describe_interval, holm, mean_interval, percentile_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.formats import format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.activations import Activations

Array = NDArray[Any]

STAGE = "word in context (layers)"
PLACES = 6
ALIKE = "all cosines are equal"
FEWEST = 10
"""Target words from which on intervals resample them."""
METHOD = "cosine at least a threshold of train, layer of dev"


def best_threshold(values: Array, same: Array) -> float:
    """The threshold t for which "same where value >= t" is right most often; between two values, the lowest such one.

    >>> best_threshold(np.array([0.2, 0.4, 0.9]), np.array([False, True, True]))
    0.30000000000000004
    """
    order = np.argsort(values, kind="stable")
    sorted_values, gold = values[order], same[order]
    # right if everything from place i on is called the same
    right = np.concatenate([[0], np.cumsum(~gold)]) + np.concatenate([np.cumsum(gold[::-1])[::-1], [0]])
    may = np.concatenate([[True], np.diff(sorted_values) > 0, [True]])  # no cut between equal values
    cut = int(np.where(may, right, -1).argmax())
    if cut == 0:
        return float(sorted_values[0] - 1.0)
    if cut == len(values):
        return float(sorted_values[-1] + 1.0)
    return float((sorted_values[cut - 1] + sorted_values[cut]) / 2)


@dataclass(frozen=True)
class Decisions:
    """One model: cosines float64[layers, pairs], thresholds [layers] and the place of the layer that dev chose."""

    twin: int | None
    cosines: Array
    thresholds: Array
    chosen: int

    def right(self, same: Array, layer: int) -> Array:
        """Which pairs are told rightly at a layer, float64[pairs]."""
        found: Array = ((self.cosines[layer] >= self.thresholds[layer]) == same).astype(float)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class WordInContext:
    """Decisions of a model and its random twins about pairs of texts; `pairs` are those with two vectors."""

    layers: tuple[Layer, ...]
    pairs: WordPairs
    models: tuple[Decisions, ...]
    n_left_out: int
    seed: int = 0
    resamples: int = 1000
    about: About = field(default_factory=About)

    @property
    def layer(self) -> Layer | None:
        """The layer that dev chose; None where there was nothing to choose on."""
        return self.layers[self.models[0].chosen] if self.models[0].chosen >= 0 else None

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Accuracy on test per layer beside majority, equal forms, layer 0 and twins, with parts of the test; the area
        over the pairs of all splits."""
        found = [row for model in self.models for row in self._areas(model)]
        if self._test.sum() < 2 or self.models[0].chosen < 0:
            why = "needs pairs of both answers in train and dev, and two in test"
            return (*found, self._row("accuracy", None, reason=why))
        for model in self.models:
            found += [self._accuracy(model, i) for i in range(len(self.layers))]
        for name, mask in self._parts().items():
            for i in dict.fromkeys((0, self.models[0].chosen)):
                found.append(self._accuracy(self.models[0], i, mask, name))
        majority, by_form = self._majority(), (self.pairs.same_form == self.pairs.same).astype(float)
        found.append(self._score(majority, control="majority", method="the more frequent answer of train"))
        found.append(
            self._score(by_form, control="same-form", method="the same where both are written alike")
        )
        found += self._differences(majority)
        return tuple(found)

    @cached_property
    def _test(self) -> Array:
        found: Array = np.array(self.pairs.split) == "test"
        return found

    @cached_property
    def _cluster(self) -> Array:
        return np.unique(self.pairs.target, return_inverse=True)[1].reshape(-1)

    def _parts(self) -> dict[str, Array]:
        pos, form = np.array(self.pairs.pos), self.pairs.same_form
        parts = {f"pos={p}": pos == p for p in dict.fromkeys(self.pairs.pos)}
        parts |= {"form=same": form, "form=different": ~form, "text-overlap=excluded": ~self.pairs.overlap}
        return {name: mask & self._test for name, mask in parts.items() if (mask & self._test).any()}

    def _majority(self) -> Array:
        train = np.array(self.pairs.split) == "train"
        told: Array = (self.pairs.same == (self.pairs.same[train].mean() > 0.5)).astype(float)
        return told

    def _row(self, metric: str, value: float | None, **more: Any) -> Measurement:
        bounded = more.get("low") is not None and np.isfinite(more["low"])
        interval = describe_interval(self.resamples).replace("sentences", "target words") if bounded else ""
        rest = vars(self.about) | {"method": METHOD, "split": "test", "interval": interval}
        return Measurement(
            metric=metric, value=value, unit="pair", n_left_out=self.n_left_out, **(rest | more)
        )

    def _score(self, right: Array, mask: Array | None = None, **more: Any) -> Measurement:
        kept = self._test if mask is None else mask
        found = share_of(right[kept], self._cluster[kept], self.resamples, "target words")
        return self._row("accuracy", found.pop("value"), n=int(kept.sum()), **(found | more))

    def _accuracy(self, model: Decisions, i: int, mask: Array | None = None, group: str = "") -> Measurement:
        own: dict[str, Any] = {"layer": self.layers[i], "group": group} | _twin(model)
        if np.isnan(model.cosines[i]).any() or np.ptp(model.cosines[i]) == 0:
            return self._row("accuracy", None, reason=ALIKE, **own)
        return self._score(model.right(self.pairs.same, i), mask, **own)

    def _areas(self, model: Decisions) -> Iterable[Measurement]:
        for i, layer in enumerate(self.layers):
            own: dict[str, Any] = {
                "layer": layer,
                "split": "",
                "method": "cosine, pairs of all splits",
            } | _twin(model)
            if np.isnan(model.cosines[i]).any() or np.ptp(model.cosines[i]) == 0:
                yield self._row("same_meaning_auc", None, reason=ALIKE, **own)
                continue
            if model.twin is not None:
                yield self._row(
                    "same_meaning_auc",
                    auc(model.cosines[i], self.pairs.same.astype(int)),
                    n=len(self.pairs),
                    **own,
                )
                continue
            yield self._area(model.cosines[i], own)

    def _area(self, cosines: Array, own: dict[str, Any]) -> Measurement:
        """The area with its interval over target words; over texts where there are too few words to resample."""
        if len(set(self.pairs.target)) >= FEWEST:
            bounds = auc_interval(
                cosines, self.pairs.same.astype(int), self._cluster, resamples=self.resamples
            )
            return self._row(
                "same_meaning_auc", bounds.value, low=bounds.low, high=bounds.high, n=len(self.pairs), **own
            )
        texts = np.unique(self.pairs.sentence, return_inverse=True)[1].reshape(-1, 2)
        first, second = texts.T
        apart_texts = first != second
        draws = apart_draws(
            cosines[apart_texts], self.pairs.same[apart_texts], first[apart_texts], second[apart_texts],
            np.arange(int(texts.max()) + 1), resamples=self.resamples, seed=self.seed,
        )  # fmt: skip
        low, high = percentile_interval(draws[:, 1])
        value = auc(cosines, self.pairs.same.astype(int))
        own["interval"] = describe_interval(self.resamples).replace("sentences", "texts")
        return self._row(
            "same_meaning_auc", value, low=float(low), high=float(high), n=len(self.pairs), **own
        )

    def _differences(self, majority: Array) -> Iterable[Measurement]:
        """The chosen layer less majority, layer 0 and the twins (each at its own chosen layer), on test."""
        model, same, kept = self.models[0], self.pairs.same, self._test
        own = model.right(same, model.chosen)
        others = [("majority", majority), *(
            (f"random-twin {one.twin}", one.right(same, one.chosen)) for one in self.models[1:] if one.chosen >= 0
        )]  # fmt: skip
        if model.chosen > 0:
            others.insert(1, (f"layer={self.layers[0]}", model.right(same, 0)))
        apart = np.array([(own - other)[kept] for _, other in others])
        p = sign_flip_p(apart, self._cluster[kept], seed=self.seed)
        for (name, _), values, raw, adjusted in zip(others, apart, p, holm(p), strict=True):
            bounds = mean_interval(values, self._cluster[kept], resamples=self.resamples)
            yield self._row(
                "accuracy_difference", bounds.value, low=bounds.low, high=bounds.high, n=int(kept.sum()),
                layer=self.layers[model.chosen], reference=name, p=raw, p_adjusted=adjusted, family_size=len(others),
            )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """Accuracy on test at the layer that dev chose, beside the majority and layer 0; else the best area."""

        def first(**wanted: Any) -> Measurement | None:
            return next((r for r in self.rows if all(getattr(r, k) == v for k, v in wanted.items())), None)

        row = (
            first(metric="accuracy", layer=self.layer, control="", group="")
            if self.layer is not None
            else None
        )
        if row is None or row.value is None:
            known = [
                r
                for r in self.rows
                if r.metric == "same_meaning_auc" and not r.control and r.value is not None
            ]
            if not known:
                return f"{counted(len(self.pairs), 'pair')}: {ALIKE} at every layer."
            best = max(known, key=lambda r: r.value or 0.0)
            return (
                f"{counted(len(self.pairs), 'pair')}: two of one meaning have the higher cosine in "
                f"{format_score(best.value)} {format_interval(best.low, best.high)} of comparisons at layer "
                f"{best.layer}, the best of {len(known)} on these very pairs (one half by chance)."
            )
        less = first(metric="accuracy_difference", reference="majority")
        zero = first(metric="accuracy", layer=self.layers[0], control="", group="")
        said = (
            f"At layer {self.layer}, chosen on dev, the cosine tells whether a word means the same in two texts for "
            f"{format_score(row.value)} {format_interval(row.low, row.high)} of {counted(row.n, 'test pair')}"
        )
        majority = first(control="majority")
        beside = [f"majority {format_score(majority.value)}"] if majority else []
        if zero is not None and self.layer != self.layers[0]:
            beside.append(f"layer {self.layers[0]} {format_score(zero.value)}")
        if less is not None:
            beside.append(f"p against the majority {format_p(less.p_adjusted)}")
        return f"{said}; {', '.join(beside)}."

    @property
    def panels(self) -> list[Panel]:
        """The summary, and accuracy on test (or the area, where there is no test) over the layers."""
        metric = "accuracy" if self.layer is not None else "same_meaning_auc"
        series = [{"name": "model" if m.twin is None else f"random twin {m.twin}",
                   "style": "task" if m.twin is None else "twin"} for m in self.models]  # fmt: skip
        values = np.full((3, len(self.models), len(self.layers)), np.nan)
        for row in self.rows:
            if row.metric != metric or row.group or row.control not in ("", "random-twin") or not row.layer:
                continue
            seed = dict(row.seeds).get("twin")
            i = next(n for n, m in enumerate(self.models) if m.twin == seed)
            if row.value is not None:
                values[:, i, self.layers.index(row.layer)] = [
                    row.value, np.nan if row.low is None else row.low, np.nan if row.high is None else row.high
                ]  # fmt: skip
        name = slug("word-in-context", self.about.model or "model", self.about.corpus)
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "layer-curve", f"{name}-curve", "The same meaning, told from the cosine",
                "Threshold of each layer from train; bands: 95 % bootstrap over target words.",
                dict(zip(("value", "low", "high"), values, strict=True)),
                {"layers": list(self.layers), "x_label": "layer", "y_label": metric.replace("_", " "),
                 "series": series, "reference": {"value": 0.5, "name": "chance"}},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        return f"<WordInContext: {len(self.pairs):,} pairs, {len(self.layers)} layers>"


def word_in_context(
    acts: Activations,
    pairs: WordPairs,
    *,
    twins: Sequence[Activations] = (),
    layers: str | int | Iterable[int | str] = "all",
    resamples: int = 1000,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> WordInContext:
    """Tell from the cosine of a word's two vectors whether it means the same, as in WiC.

    `acts` are one row per word of ``pairs.corpus``. Each layer's threshold is the one most often right on train, the
    layer is the one most often right on dev, and accuracy is reported on test, beside the majority, the rule "written
    alike means the same", layer 0, and `twins` (activations of random twins, which choose for themselves in the same
    way). Intervals and p resample target words. The area over the pairs of all splits needs no choice, and is all there
    is where a split is missing (as for the pairs of one word: ``pairs.about("play")``).

    Raises DataError (one pair only, all of one answer), StoreError (activations of another corpus).

    >>> from probekit.data.read_wic import WordPairs
    >>> corpus = pk.generate_corpus(4, 1, 1)
    >>> place, twice = np.array([[0, 1], [1, 2], [2, 3]]), np.zeros((3, 2), dtype=int)
    >>> pairs = WordPairs(corpus, place, twice, np.array([True, False, True]), ("x",) * 3, ("N",) * 3, ("train",) * 3,
    ...                   ("1", "2", "3"))
    >>> pk.word_in_context(pk.extract(pk.load_model("demo:minilm"), corpus), pairs).layer is None
    True
    """
    check_whole(0, seed=seed)
    check_whole(1, resamples=resamples)
    chosen = layers_of(acts, layers)
    for one in (acts, *twins):
        if (
            one.corpus is None
            or one.corpus.text_hash != pairs.corpus.text_hash
            or one.recipe["unit"] != "word"
        ):
            raise StoreError(
                "the activations are not one row per word of the pairs' corpus; extract pairs.corpus"
            )
    rows = np.stack([np.stack([rows_of(one, *side) for side in zip(pairs.sentence.T, pairs.word.T, strict=True)])
                     for one in (acts, *twins)])  # fmt: skip
    kept = np.flatnonzero((rows >= 0).all(axis=(0, 1)))
    found = pairs.take(kept)
    if len(found) < 2 or found.same.all() or not found.same.any():
        what = "of one answer" if len(found) > 1 else "with two vectors"
        raise DataError(f"{counted(len(found), 'pair')}, all {what}; pairs of both answers are needed")
    models = []
    for number, one in enumerate((acts, *twins)):
        progress(STAGE, number, 1 + len(twins))
        cosines = np.array([_cosine(one, layer, rows[number][:, kept]) for layer in chosen])
        name, _, draw = str(one.model["name"]).rpartition("#twin-")
        twin = None if not number else int(draw) if name and draw.isdecimal() else number
        models.append(_decide(twin, cosines, found))
    progress(STAGE, 1 + len(twins), 1 + len(twins))
    return WordInContext(
        layers=chosen, pairs=found, models=tuple(models), n_left_out=len(pairs) - len(found), seed=seed,
        resamples=resamples, about=about or about_of(acts, "does the word mean the same in both texts"),
    )  # fmt: skip


def _cosine(acts: Activations, layer: Layer, rows: Array) -> Array:
    left, right = (acts.gather(layer, side).astype(np.float64) for side in rows)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.round((left * right).sum(axis=1) / norms, PLACES)
    return found


def _decide(twin: int | None, cosines: Array, pairs: WordPairs) -> Decisions:
    """Thresholds from train, the layer from dev; no choice where one of them lacks an answer."""
    split = np.array(pairs.split)
    train, dev = split == "train", split == "dev"
    if any(len(set(pairs.same[part])) < 2 for part in (train, dev)):
        return Decisions(twin, cosines, np.full(len(cosines), np.nan), -1)
    known = np.array([np.isfinite(row).all() and np.ptp(row) > 0 for row in cosines])
    if not known.any():
        return Decisions(twin, cosines, np.full(len(cosines), np.nan), -1)
    thresholds = np.array([best_threshold(row[train], pairs.same[train]) if ok else np.nan
                           for row, ok in zip(cosines, known, strict=True)])  # fmt: skip
    on_dev = ((cosines >= thresholds[:, None]) == pairs.same)[:, dev].mean(axis=1)
    return Decisions(twin, cosines, thresholds, int(np.where(known, on_dev, -1.0).argmax()))


def _twin(model: Decisions) -> dict[str, Any]:
    if model.twin is None:
        return {}
    return {"control": "random-twin", "model_kind": "random", "seeds": (("twin", model.twin),)}
