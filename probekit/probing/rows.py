"""From what the probes predicted to rows: scores, controls, intervals, differences, corrected for their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.curves import center_of_gravity_interval
from probekit.maths.resampling import Interval, dense_clusters, describe_interval, holm
from probekit.maths.scores import count, f1
from probekit.maths.sign_flips import sign_flip_p
from probekit.probing.layer import LayerResult
from probekit.probing.problem import ProbeProblem
from probekit.probing.scoring import Scored, difference_of, interval_of, scored
from probekit.results.measurement import About, Measurement

Array = NDArray[Any]

P_VALUE = "; p: sign flips by sentence of how well each unit was answered, two-sided"
EXACT = "exact binomial over sentences, 95%: every unit was answered alike"
NOT_DEFINED = (
    "not defined: a test sentence's text does not occur in train, so its control label cannot be learned"
)


@dataclass(frozen=True)
class Scores:
    """The test scores that rows and pictures are made from, layer by layer.

    task, controls : layer -> Scored; controls by name. baselines : name -> Scored (the same at every layer).
    best : the layer with the highest dev score.
    """

    task: Mapping[str, Scored]
    dev: Mapping[str, Scored]
    controls: Mapping[str, Mapping[str, Scored]]
    baselines: Mapping[str, Scored]
    best: str


def score_all(problem: ProbeProblem, results: Sequence[LayerResult]) -> Scores:
    """Score every probe of every layer on the split it belongs to."""
    test, dev = problem.of("test"), problem.of("dev")
    n_labels = len(problem.labels)

    def on(where: Array, gold: Array, predicted: Array) -> Scored:
        return scored(problem.metric, gold, predicted, problem.cluster[where], n_labels)

    gold = problem.gold[test]
    controls: dict[str, dict[str, Scored]] = {}
    for result in results:
        answers = {
            "word-type": (problem.word_type[:, test], result.word_type),
            "shuffled": (gold, result.shuffled),
            "random-twin": (gold, result.twin),
        }
        for name, (true, predicted) in answers.items():
            if len(predicted):
                controls.setdefault(name, {})[result.layer] = on(test, true, predicted)
    baselines = {
        name: on(test, gold, predictions[test][None])
        for name, predictions in (("majority", problem.majority), ("word-identity", problem.word_identity))
        if predictions is not None
    }
    on_dev = {result.layer: on(dev, problem.gold[dev], result.dev) for result in results}
    best = max(on_dev, key=lambda layer: np.nan_to_num(on_dev[layer].value, nan=-np.inf))
    task = {result.layer: on(test, gold, result.test) for result in results}
    return Scores(task, on_dev, controls, baselines, best)


def make_rows(
    problem: ProbeProblem,
    results: Sequence[LayerResult],
    scores: Scores,
    about: About,
    *,
    resamples: int = 1000,
) -> list[Measurement]:
    """Every row of a sweep: see docs/reading-results.md for what each says. Test rows unless `split` says dev."""
    maker = _Rows(problem, {r.layer: r for r in results}, scores, about, resamples)
    return [
        *maker.scores_by_layer(),
        *maker.baselines(),
        *maker.against_controls(),
        *maker.between_layers(),
        *maker.without_overlap(),
        *maker.by_label(),
        *maker.of_the_curve(),
    ]


class _Rows:
    """The row makers of one sweep, over what they share."""

    def __init__(
        self,
        problem: ProbeProblem,
        results: Mapping[str, LayerResult],
        scores: Scores,
        about: About,
        resamples: int,
    ) -> None:
        self.problem, self.results, self.scores, self.resamples = problem, results, scores, resamples
        self.base = Measurement(
            metric=problem.metric,
            run=about.run,
            question=about.question,
            corpus=about.corpus,
            model=about.model,
            model_kind=about.model_kind,
            site=about.site,
            unit=problem.unit,
            group=f"task={problem.task}",
            n=len(problem.of("test")),
            n_left_out=sum(problem.left_out.values()),
        )
        self.how = describe_interval(resamples)

    def method(self, layer: str) -> str:
        result = self.results[layer]
        return result.probe if result.strength is None else f"{result.probe}({result.strength:g})"

    def _with_interval(self, row: Measurement, bounds: Interval) -> Measurement:
        made = self.how if np.isfinite(bounds.low) else ""
        if made and row.metric == "accuracy" and bounds.value in (0.0, 1.0):
            made = EXACT
        return replace(row, value=bounds.value, low=bounds.low, high=bounds.high, interval=made, reason="")

    def _seeds(self, row: Measurement, one: Scored, name: str, seeds: Sequence[int]) -> Iterator[Measurement]:
        """The score of each seed, and how much seeds differ: kept apart from sampling."""
        if one.sd is None:
            return
        for seed, value in zip(seeds, one.per_seed, strict=True):
            yield replace(
                row, value=float(value), seeds=((name, int(seed)),), group=row.group + " seed", reason=""
            )
        yield replace(row, metric=f"{row.metric}_sd_over_seeds", value=one.sd, reason="")

    def scores_by_layer(self) -> Iterator[Measurement]:
        for layer, result in self.results.items():
            row = replace(self.base, layer=layer, method=self.method(layer))
            task = self.scores.task[layer]
            yield replace(
                self._with_interval(row, interval_of(task, resamples=self.resamples)), seconds=result.seconds
            )
            yield from self._seeds(row, task, "probe", range(len(task.per_seed)))
            dev = replace(row, split="dev", n=len(self.problem.of("dev")))
            yield self._with_interval(dev, interval_of(self.scores.dev[layer], resamples=self.resamples))
            for strength, value in result.dev_scores.items():
                if len(result.dev_scores) > 1:
                    group = f"{dev.group} strength={strength}"
                    yield replace(dev, method=result.probe, group=group, value=value, reason="")
            for control, by_layer in self.scores.controls.items():
                one = by_layer[layer]
                kind = "random" if control == "random-twin" else row.model_kind
                control_row = replace(row, control=control, model_kind=kind)
                yield self._with_interval(control_row, interval_of(one, resamples=self.resamples))
                if control == "random-twin":
                    yield from self._seeds(control_row, one, "twin", range(len(one.per_seed)))
                else:
                    yield from self._seeds(control_row, one, "control", self.problem.control_seeds)

    def baselines(self) -> Iterator[Measurement]:
        for control, one in self.scores.baselines.items():
            row = replace(self.base, control=control, method=control)
            yield self._with_interval(row, interval_of(one, resamples=self.resamples))
        for control in ("word-type", "shuffled", "random-twin"):
            if control not in self.scores.controls:
                why = (
                    "no random twin was given" if control == "random-twin" else "the task does not ask for it"
                )
                yield replace(self.base, control=control, value=None, reason=why)

    def against_controls(self) -> Iterator[Measurement]:
        """The task minus each control at each layer; the word-type one is the selectivity (Hewitt & Liang 2019)."""
        pairs = [
            (layer, control, self._control(control, layer))
            for layer in self.results
            for control in (*self.scores.controls, *self.scores.baselines)
        ]
        compared = [(layer, control, one) for layer, control, one in pairs if self._defined(control)]
        p = self._p([(self.scores.task[layer], one) for layer, _, one in compared])
        adjusted = dict(
            zip(
                [(layer, control) for layer, control, _ in compared],
                zip(p, holm(p), strict=True),
                strict=True,
            )
        )
        for layer, control, one in pairs:
            metric = "selectivity" if control == "word-type" else f"{self.problem.metric}_difference"
            row = replace(
                self.base,
                layer=layer,
                method=self.method(layer),
                metric=metric,
                reference=f"control={control}",
            )
            if not self._defined(control):
                yield replace(row, value=None, reason=NOT_DEFINED)
                continue
            bounds = difference_of(self.scores.task[layer], one, resamples=self.resamples)
            one_p, one_adjusted = adjusted[layer, control]
            yield self._tested(self._with_interval(row, bounds), one_p, one_adjusted, len(compared))

    def between_layers(self) -> Iterator[Measurement]:
        """Every pair of layers on the same units, corrected over all pairs."""
        pairs = list(combinations(self.results, 2))
        p = self._p([(self.scores.task[b], self.scores.task[a]) for a, b in pairs])
        for (a, b), one_p, one_adjusted in zip(pairs, p, holm(p), strict=True):
            row = replace(
                self.base,
                layer=b,
                method=self.method(b),
                metric=f"{self.problem.metric}_difference",
                reference=f"layer={a}",
            )
            bounds = difference_of(self.scores.task[b], self.scores.task[a], resamples=self.resamples)
            yield self._tested(self._with_interval(row, bounds), one_p, one_adjusted, len(pairs))

    def without_overlap(self) -> Iterator[Measurement]:
        """The test score without units whose sentence text stands in train too, where there are any."""
        test = self.problem.of("test")
        apart = ~self.problem.overlap[test]
        if apart.all() or not apart.any():
            return
        for layer, result in self.results.items():
            one = scored(
                self.problem.metric,
                self.problem.gold[test][apart],
                result.test[:, apart],
                self.problem.cluster[test][apart],
                len(self.problem.labels),
            )
            row = replace(
                self.base,
                layer=layer,
                method=self.method(layer),
                group=f"{self.base.group} text-overlap=excluded",
                n=int(apart.sum()),
                n_left_out=self.base.n_left_out + int((~apart).sum()),
            )
            yield self._with_interval(row, interval_of(one, resamples=self.resamples))

    def by_label(self) -> Iterator[Measurement]:
        """F1 of each label that occurs in test (mean over probe seeds); n counts its gold units."""
        if self.problem.is_numeric:
            return
        for layer in self.results:
            values, support = label_f1(self.problem, self.results[layer])
            for code, label in enumerate(self.problem.labels):
                if not support[code]:
                    continue
                unseen = code >= self.problem.n_train_labels
                yield replace(
                    self.base,
                    layer=layer,
                    method=self.method(layer),
                    metric="f1",
                    group=f"{self.base.group} label={label}" + (" (unseen in train)" if unseen else ""),
                    value=float(values[code]),
                    n=int(support[code]),
                    reason="",
                )

    def of_the_curve(self) -> Iterator[Measurement]:
        """The layer that dev chose, at its test score, and the centre of gravity of the dev curve."""
        best = self.scores.best
        row = replace(
            self.base,
            layer=best,
            method=self.method(best),
            group=f"{self.base.group} best layer, chosen on dev",
        )
        yield self._with_interval(row, interval_of(self.scores.task[best], resamples=self.resamples))
        numbered = [layer for layer in self.results if layer.isdigit()]
        whole = numbered == [str(i) for i in range(len(numbered))] and len(numbered) > 2
        centre = replace(
            self.base,
            metric="center_of_gravity",
            split="dev",
            n=len(self.problem.of("dev")),
            method=self.method(best),
        )
        if self.problem.metric != "accuracy" or not whole:
            why = "needs accuracy" if whole else "needs every layer from 0 on"
            yield replace(centre, value=None, reason=why)
            return
        dev = [self.scores.dev[layer] for layer in numbered]
        codes, n = dense_clusters(dev[0].cluster)
        sums = np.stack([np.bincount(codes, weights=one.unit, minlength=n) for one in dev])
        bounds = center_of_gravity_interval(sums, np.bincount(codes, minlength=n), resamples=self.resamples)
        if np.isnan(bounds.value):
            yield replace(centre, value=None, reason="no layer exceeds layer 0")
        else:
            yield self._with_interval(centre, bounds)

    def _control(self, control: str, layer: str) -> Scored:
        by_layer = self.scores.controls.get(control)
        return by_layer[layer] if by_layer is not None else self.scores.baselines[control]

    def _defined(self, control: str) -> bool:
        return control != "word-type" or self.problem.unit == "word"

    def _p(self, pairs: Sequence[tuple[Scored, Scored]]) -> Array:
        if not pairs:
            return np.zeros(0)
        differences = np.stack([a.unit - b.unit for a, b in pairs])
        flips = max(9999, 2000 * len(pairs) - 1)  # fine enough that a corrected p can fall below 0.001
        return sign_flip_p(differences, pairs[0][0].cluster, flips=flips)

    def _tested(self, row: Measurement, p: float, adjusted: float, family: int) -> Measurement:
        return replace(
            row, p=float(p), p_adjusted=float(adjusted), family_size=family, interval=row.interval + P_VALUE
        )


def label_f1(problem: ProbeProblem, result: LayerResult) -> tuple[Array, Array]:
    """F1 (mean over probe seeds) and number of gold units of each label on test: float64 and int64 (labels,)."""
    gold = problem.gold[problem.of("test")]
    n_labels = len(problem.labels)
    values = np.mean([f1(count(gold, predicted, n_labels)) for predicted in result.test], axis=0)
    return values, np.bincount(gold, minlength=n_labels)
