"""The best neuron for each question: how it is chosen and reported, and the result of `neuron_selectivity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Layer, Progress
from probekit.maths.rank_effects import (
    Target,
    drawn_interval,
    maximum_p,
    paired_interval,
    rank_correlation_interval,
    rank_effects,
)
from probekit.maths.ranks import auc, auc_draws
from probekit.maths.resampling import Interval, describe_interval
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
STAGE = "neurons (layers)"
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Best:
    """The neuron chosen for a label or number: `chosen` is its value where it was chosen, `reported` where it was not.

    For a label the value is the AUC of the activation (``direction`` 1) or of minus the activation (-1); for a number
    the correlation with its sign. ``reason`` says why there is none.
    """

    label: str
    layer: Layer = ""
    neuron: int = -1
    direction: int = 1
    chosen: float | None = None
    n_chosen: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    reported: Interval | None = None
    n_reported: int = 0
    reason: str = ""
    draws: Array = field(default_factory=lambda: np.zeros(0), repr=False)

    @property
    def name(self) -> str:
        """Layer and number, as "3.17"."""
        return f"{self.layer}.{self.neuron}" if self.layer else ""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was found where neurons are chosen: effects by layer [questions, units], the best of each question."""

    names: tuple[str, ...]
    area: tuple[bool, ...]
    layers: tuple[Layer, ...]
    effects: Mapping[Layer, Array]
    best: tuple[Best, ...]
    """Of every question asked, those that could not be scored too."""


def choose_best(
    acts: Activations,
    rows: Array,
    asked: Mapping[str, Target | str],
    cluster: Array,
    permutations: int,
    seed: int,
    progress: Progress,
) -> Choice:
    """The unit with the largest effect on each question, over all layers, and p of that maximum by permutations.

    Raises DataError where nothing can be scored.
    """
    scored = {name: target for name, target in asked.items() if isinstance(target, Target)}
    if not scored:
        raise DataError(
            f"nothing can be scored: {'; '.join(f'{name}: {why}' for name, why in asked.items())}"
        )
    if len(np.unique(cluster)) < 2:
        raise DataError("all units stand in one sentence; neurons are judged over many: give more text")
    names, targets = tuple(scored), list(scored.values())
    effects: dict[Layer, Array] = {}
    largest = np.zeros((permutations, len(targets)))
    z = np.zeros((len(targets), 0))
    for done, layer in enumerate(acts.layers):
        progress(STAGE, done, len(acts.layers))
        found = rank_effects(acts.gather(layer, rows), targets, cluster, permutations=permutations, seed=seed)
        effects[layer] = found.effect
        largest = np.maximum(largest, found.largest)
        z = np.concatenate([z, np.abs(found.z)], axis=1)
    progress(STAGE, len(acts.layers), len(acts.layers))
    width = z.shape[1] // len(acts.layers)
    at = z.argmax(axis=1)
    own, joint = maximum_p(z.max(axis=1), largest)
    best = {}
    for i, (name, target) in enumerate(scored.items()):
        layer, unit = acts.layers[int(at[i]) // width], int(at[i]) % width
        effect = float(effects[layer][i, unit])
        area = target.kind == "area"
        direction = 1 if effect >= (0.5 if area else 0.0) else -1
        best[name] = Best(
            label=name, layer=layer, neuron=unit, direction=direction,
            chosen=1.0 - effect if area and direction < 0 else effect, n_chosen=len(rows),
            p=float(own[i]) if permutations else None, p_adjusted=float(joint[i]) if permutations else None,
            reason="" if z[i].max() > 0 else "no neuron varies with it",
        )  # fmt: skip
    every = tuple(best.get(name) or Best(label=name, reason=str(why)) for name, why in asked.items())
    area_of = tuple(target.kind == "area" for target in targets)
    return Choice(names, area_of, acts.layers, effects, every)


def report_on(
    acts: Activations,
    choice: Choice,
    rows: Array,
    asked: Mapping[str, Target | str],
    cluster: Array,
    resamples: int,
    seed: int,
) -> tuple[Best, ...]:
    """The chosen neurons on units that had no say in the choice."""
    found = {}
    for layer in sorted({one.layer for one in choice.best if one.layer}):
        own = [one for one in choice.best if one.layer == layer and not one.reason]
        values = acts.gather(layer, rows)[:, [one.neuron for one in own]].astype(np.float64)
        for one, column in zip(own, values.T, strict=True):
            target = asked.get(one.label, "it is not there")
            if isinstance(target, str):
                found[one.label] = replace(one, reason=target)
                continue
            if target.kind == "area":
                score, ones = column * one.direction, target.values.astype(np.int64)
                draws = auc_draws(score, ones, cluster, resamples=resamples, seed=seed)
                interval = drawn_interval(auc(score, ones), draws, cluster)
            else:
                interval, draws = rank_correlation_interval(
                    column, target, cluster, resamples=resamples, seed=seed
                )
            fine = np.isfinite(interval.value)
            found[one.label] = replace(
                one, reported=interval if fine else None, n_reported=len(rows), draws=draws,
                reason="" if fine else "the neuron does not vary here",
            )  # fmt: skip
    return tuple(found.get(one.label, one) for one in choice.best)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class NeuronSelectivity:
    """What `neuron_selectivity` found: ``best`` for each label or number, the same of every random twin.

    ``scores``: by label the effects of all units where neurons are chosen, float64 [layers, units] (AUC - 1/2, or the
    correlation).
    """

    task: str
    numeric: bool
    best: tuple[Best, ...]
    twins: tuple[tuple[Best, ...], ...]
    scores: Mapping[str, Array]
    layers: tuple[Layer, ...]
    width: int
    splits: tuple[str, str]
    n: tuple[int, int]
    unit: str
    permutations: int
    resamples: int
    corpus: str = ""
    model: str = ""
    model_kind: str = "pretrained"
    site: str = "mlp"
    left_out: Mapping[str, int] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()

    @property
    def n_neurons(self) -> int:
        """How many the best was chosen of."""
        return len(self.layers) * self.width

    @property
    def metric(self) -> str:
        """What effects are: "auc" for labels, "spearman" for numbers."""
        return "spearman" if self.numeric else "auc"

    def ranking(self, k: int = 10, label: str | None = None) -> dict[Layer, list[int]]:
        """The k neurons with the largest effects, the best first of each layer: for `pk.ablate_neurons`.

        Of one label, or of any label where none is named. Where they are chosen: a part of the model taken out by this
        ranking should be judged on other text. Raises ConfigError.
        """
        if label is not None and label not in self.scores:
            raise ConfigError(f"{label!r} was not scored; {did_you_mean(label, self.scores)}")
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= self.n_neurons:
            raise ConfigError(f"k must be a whole number from 1 to {self.n_neurons}; got {k!r}")
        tables = [np.abs(self.scores[name]) for name in ([label] if label is not None else self.scores)]
        flat = np.max(tables, axis=0).reshape(-1)
        found: dict[Layer, list[int]] = {}
        for at in np.argsort(-flat, kind="stable")[:k]:
            found.setdefault(self.layers[int(at) // self.width], []).append(int(at) % self.width)
        return found

    def of(self, label: str) -> Best:
        """The neuron chosen for a label. Raises ConfigError."""
        for one in self.best:
            if one.label == label:
                return one
        raise ConfigError(f"no label {label!r}; {did_you_mean(label, [one.label for one in self.best])}")

    def twin_value(self, label: str) -> float | None:
        """The mean over the random twins of what the neuron chosen of each reaches on other text.

        Correlations count in the direction of the twin's choice.
        """
        values = [
            t.reported.value * (t.direction if self.numeric else 1)
            for twin in self.twins
            for t in twin
            if t.label == label and t.reported
        ]
        return float(np.mean(values)) if values else None

    def difference(self, label: str) -> Interval | None:
        """The value's size less that of the first twin's own best neuron, with its interval: the same resamples."""
        here = self.of(label)
        there = next((t for t in self.twins[0] if t.label == label), None) if self.twins else None
        if here.reported is None or there is None or there.reported is None or not len(there.draws):
            return None
        signs = (here.direction, there.direction) if self.numeric else (1, 1)
        values = [
            one.reported.value * sign for one, sign in zip((here, there), signs, strict=True) if one.reported
        ]
        draws = [one.draws * sign for one, sign in zip((here, there), signs, strict=True)]
        return paired_interval(values[0], values[1], draws[0], draws[1])

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Of every label the chosen neuron where it was chosen (with p) and where it is reported; the twins' too."""
        found = []
        for number, every in enumerate((self.best, *self.twins)):
            for one in every:
                found += self._rows(one, number)
        for one in self.best:
            apart = self.difference(one.label)
            if apart is not None:
                found.append(
                    Measurement(
                        metric=f"{self._metric(one)}_difference", value=apart.value, low=apart.low, high=apart.high,
                        reference="random-twin", **self._base(one, 0, self.splits[1], one.n_reported, True),
                    )
                )  # fmt: skip
        return tuple(found)

    def _metric(self, one: Best) -> str:
        return f"partial_{self.metric}" if " given " in one.label and self.numeric else self.metric

    def _base(self, one: Best, number: int, split: str, n: int, interval: bool) -> dict[str, Any]:
        what = "number" if self.numeric else "label"
        group = f"{what}={one.label}" + (
            f", neuron={one.neuron}, direction={_direction(one)}" if one.layer else ""
        )
        return {
            "question": self.task, "corpus": self.corpus, "model": self.model, "site": self.site,
            "model_kind": "random" if number else self.model_kind, "layer": one.layer, "split": split,
            "method": f"best of {self.n_neurons:,} neurons, chosen on {self.splits[0]}", "group": group,
            "control": "random-twin" if number else "", "n": n, "unit": self.unit,
            "n_left_out": sum(self.left_out.values()),
            "seeds": {"twin": self.seeds[number - 1]} if number and len(self.seeds) >= number else {},
            "interval": describe_interval(self.resamples) if interval else "",
        }  # fmt: skip

    def _rows(self, one: Best, number: int) -> list[Measurement]:
        metric = self._metric(one)
        first = Measurement(
            metric=metric, value=one.chosen, p=one.p, p_adjusted=one.p_adjusted,
            family_size=len(self.scores) if one.p is not None else None,
            reference=f"permuted maximum over neurons, {self.permutations} permutations" if one.p is not None else "",
            reason=one.reason if one.chosen is None else "",
            **self._base(one, number, self.splits[0], one.n_chosen, False),
        )  # fmt: skip
        if one.chosen is None:
            return [first]
        value, low, high = one.reported or (None, None, None)
        second = Measurement(
            metric=metric, value=value, low=low, high=high, reason=one.reason,
            **self._base(one, number, self.splits[1], one.n_reported, True),
        )  # fmt: skip
        return [first, second]

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """How many labels have a neuron that beats the permuted maximum, and the strongest."""
        known = [one for one in self.best if one.reported is not None]
        name = self.model.rstrip("/").rpartition("/")[2]
        if not known:
            return f"No label of {self.task} could be scored on {' and '.join(self.splits)}."
        middle = 0.0 if self.numeric else 0.5
        first = max(known, key=lambda one: abs(one.reported.value - middle) if one.reported else 0.0)
        assert first.reported is not None
        twin = self.twin_value(first.label)
        beside = "" if twin is None else f"; the best neuron of a random twin {format_score(twin)}"
        p = "" if first.p_adjusted is None else f", p of the maximum {format_p(first.p_adjusted)}"
        what = "correlation" if self.numeric else "AUC"
        text = (
            f"Of {self.n_neurons:,} neurons of {name} ({self.site}) the one that "
            f"{'follows' if self.numeric else 'tells'} {first.label} best is {first.name} ({_direction(first)}): "
            f"{what} {format_score(first.reported.value)} "
            f"{format_interval(first.reported.low, first.reported.high)} over {first.n_reported:,} {self.unit}s of "
            f"{self.splits[1]}, chosen on {self.splits[0]}{p}{beside}."
        )
        tested = [one for one in self.best if one.p_adjusted is not None]
        if len(tested) > 1:
            if 1 / (self.permutations + 1) >= LEVEL:
                least = format_p(1 / (self.permutations + 1))
                counted = f"{self.permutations} permutation{'s' if self.permutations != 1 else ''}"
                return f"{text} p cannot fall below {least} with {counted}; take more."
            beat = sum((one.p_adjusted or 0.0) < LEVEL for one in tested)
            text += f" {beat} of {len(tested)} have a neuron beyond the permuted maximum (p below {LEVEL})."
        return text

    @cached_property
    def panels(self) -> list[Panel]:
        """The summary; every label's best neuron beside the twin's; the table."""
        from probekit.geometry.selectivity_pictures import selectivity_panels

        return selectivity_panels(self)

    def __repr__(self) -> str:
        return f"<NeuronSelectivity {self.model} {self.site}, {self.task}: {len(self.best)} labels>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        labels = self.panels[-1].labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def _direction(one: Best) -> str:
    return "high" if one.direction > 0 else "low"
