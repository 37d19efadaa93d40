"""From runs to rows: scores, spread over seeds, labels, calibration, failures, costs, differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from probekit.adaptation.comparison_costs import cost_rows
from probekit.adaptation.comparison_judged import BINS, Judged
from probekit.adaptation.comparison_pairs import MAJORITY, Difference
from probekit.adaptation.comparison_runs import Arm, Ground
from probekit.adaptation.comparison_scores import BY_LABEL, Scores
from probekit.maths.exact import share_interval
from probekit.maths.resampling import Interval, describe_interval
from probekit.results.measurement import About, Measurement

CONSTANT = "not defined: the same answer for every {unit}"
ONE_SEED = "one seed: how much seeds differ is not known"
SWAPS = "; p: answers exchanged by sentence, two-sided"
BOTH = "sentences and seeds"
EXACT = "exact binomial over sentences, 95%: every unit was answered alike"
OVER_RUNS = "exact binomial (Clopper-Pearson) over runs, 95%"


class Rows:
    """The rows of one comparison."""

    def __init__(
        self, judged: Sequence[Judged], ground: Ground, about: About, constant: Scores, resamples: int
    ) -> None:
        self.judged, self.ground, self.constant, self.resamples = judged, ground, constant, resamples
        self.whole = max((one.arm.fraction for one in judged), default=1.0)
        self.base = Measurement(
            metric=ground.metric, run=about.run, question=about.question, corpus=about.corpus, model=about.model,
            model_kind=about.model_kind, group=f"task={ground.task}", n=len(ground.gold["test"]), unit=ground.unit,
            n_left_out=ground.n_left_out,
        )  # fmt: skip
        self.how = describe_interval(resamples)
        self.how_both = self.how.replace("over sentences", "over sentences and over seeds crosswise")

    def all(self, pairs: Sequence[Difference], majority: Sequence[Difference]) -> Iterator[Measurement]:
        """Every row; the scores of the strategies come first."""
        for one in self.judged:
            yield from self.scores(one)
        yield from self.of_majority()
        for difference in (*pairs, *majority):
            yield from self.difference(difference)
        for one in self.judged:
            row = self.row_of(one.arm)
            yield from self.failures(one, row)
            yield from cost_rows(one, row)
            if one.test is not None and one.arm.fraction == self.whole:
                yield from self.by_label(one.test, row)
                yield from self.calibration(one, row)

    def row_of(self, arm: Arm) -> Measurement:
        """What the rows of one strategy share; a share of the data is named where there are several."""
        several = any(one.arm.fraction != self.whole for one in self.judged)
        group = f"{self.base.group}, fraction={arm.fraction:g}" if several else self.base.group
        return replace(self.base, method=arm.strategy, group=group)

    def scores(self, one: Judged) -> Iterator[Measurement]:
        """Mean over seeds with both intervals, the score of each seed, their deviation; test, dev, without overlap."""
        row = self.row_of(one.arm)
        if one.test is None or one.dev is None:
            yield replace(row, reason=why_none(one.arm))
            return
        for metric in in_order(one.test.metrics, self.ground.metric):
            own = replace(row, metric=metric)
            yield self.bounded(own, one.test.interval(metric))
            yield self.both(own, one.test, metric)
            sd = one.test.sd(metric)
            yield replace(own, metric=f"{metric}_sd_over_seeds", value=sd, n=len(one.arm.done), unit="run",
                          reason="" if sd is not None else ONE_SEED)  # fmt: skip
            if metric == self.ground.metric:
                for run, value in zip(one.arm.done, one.test.per_seed(metric), strict=True):
                    told = f"{row.group}, seed={run.seed}"
                    yield replace(
                        own, group=told, value=float(value), seeds=(("adapt", run.seed),), reason=""
                    )
        yield self.bounded(
            replace(row, split="dev", n=len(self.ground.gold["dev"])), one.dev.interval(self.ground.metric)
        )
        for told, value, chosen in one.trials:
            mark = "yes" if chosen else "no"
            yield replace(row, split="dev", n=len(self.ground.gold["dev"]), value=value,
                          group=f"{row.group}, setting={told}, chosen={mark}",
                          reason="" if np.isfinite(value) else "the trial failed")  # fmt: skip
        if one.apart is not None:
            gone = int(self.ground.overlap["test"].sum())
            apart = replace(row, group=f"{row.group}, text-overlap=excluded", n=row.n - gone,
                            n_left_out=row.n_left_out + gone)  # fmt: skip
            yield self.bounded(apart, one.apart.interval(self.ground.metric))

    def of_majority(self) -> Iterator[Measurement]:
        """The answer that needs no text."""
        for metric in in_order(self.constant.metrics, self.ground.metric):
            row = replace(self.base, metric=metric, method=MAJORITY, control=MAJORITY)
            yield self.bounded(row, self.constant.interval(metric))

    def difference(self, one: Difference) -> Iterator[Measurement]:
        """A difference with its interval over sentences and its p; then over sentences and seeds."""
        other = f"control={MAJORITY}" if one.b == MAJORITY else f"strategy={one.b}"
        row = replace(self.base, metric=f"{one.metric}_difference", method=one.a, reference=other)
        if any(arm.arm.fraction != self.whole for arm in self.judged):
            row = replace(row, group=f"{row.group}, fraction={one.fraction:g}")
        tested = self.bounded(row, one.items)
        if np.isfinite(one.p):
            made = f"paired {self.how}" if np.isfinite(one.items.low) else ""
            tested = replace(tested, p=one.p, p_adjusted=one.p_adjusted, family_size=one.family,
                             interval=made + SWAPS)  # fmt: skip
        yield tested
        if np.isfinite(one.value):
            yield self.over_both(row, one.total, f"paired {self.how_both}")

    def failures(self, one: Judged, row: Measurement) -> Iterator[Measurement]:
        """The shares of runs that failed, and that learned nothing, with exact intervals."""
        n = len(one.arm.runs)
        for metric, count in (
            ("share_failed", len(one.arm.failed)),
            ("share_degenerate", len(one.arm.degenerate)),
        ):
            value, low, high = share_interval(count, n)
            yield replace(row, metric=metric, value=value, low=low, high=high, interval=OVER_RUNS, n=n,
                          n_left_out=0, unit="run", split="all", reason="")  # fmt: skip

    def by_label(self, scores: Scores, row: Measurement) -> Iterator[Measurement]:
        """Precision, recall and F1 of every label that test has; n counts its gold units."""
        if not scores.n_labels:
            return
        support = np.bincount(scores.gold, minlength=scores.n_labels)
        for which in BY_LABEL:
            value, low, high = scores.by_label(which)
            for code in np.flatnonzero(support):
                label = self.ground.labels[code]
                unseen = " (unseen in train)" if code >= self.ground.n_train_labels else ""
                own = replace(
                    row, metric=which, group=f"{row.group}, label={label}{unseen}", n=int(support[code])
                )
                if np.isnan(value[code]):
                    yield replace(own, reason="not defined: the label was never predicted")
                else:
                    yield self.bounded(own, Interval(*(float(x[code]) for x in (value, low, high))))

    def calibration(self, one: Judged, row: Measurement) -> Iterator[Measurement]:
        """The calibration error, and beside it what calibrated answers of the same confidences show by chance.

        It has no bootstrap interval: every resample adds noise, which the error counts as miscalibration.
        """
        for found in one.calibration:
            own = replace(row, metric="ece", group=f"{row.group}, bins={BINS} {found.binning}", reason="")
            yield replace(own, value=found.error)
            yield replace(own, control="calibrated", value=found.calibrated, low=found.low, high=found.high,
                          interval="2.5 to 97.5 percentile of answers drawn with the confidences claimed")  # fmt: skip

    def bounded(self, row: Measurement, bounds: Interval) -> Measurement:
        """The row with a value between bounds over sentences."""
        if np.isnan(bounds.value):
            return replace(row, value=None, reason=CONSTANT.format(unit=self.ground.unit))
        made = self.how if np.isfinite(bounds.low) else ""
        if made and row.metric == "accuracy" and bounds.value in (0.0, 1.0):
            made = EXACT
        return replace(row, value=bounds.value, low=bounds.low, high=bounds.high, interval=made, reason="")

    def both(self, row: Measurement, scores: Scores, metric: str) -> Measurement:
        """The row with bounds over sentences and seeds."""
        bounds = scores.total(metric)
        exact = metric == "accuracy" and bounds.value in (0.0, 1.0)
        return self.over_both(row, bounds, EXACT if exact else self.how_both)

    def over_both(self, row: Measurement, bounds: Interval, how: str) -> Measurement:
        """A row that says that seeds were resampled too; without bounds where there is one seed."""
        own = replace(row, group=f"{row.group}, resampled={BOTH}", value=bounds.value)
        if np.isfinite(bounds.low):
            return replace(own, low=bounds.low, high=bounds.high, interval=how, reason="")
        if np.isnan(bounds.value):
            return replace(own, value=None, reason=CONSTANT.format(unit=self.ground.unit))
        return replace(own, reason=ONE_SEED)


def in_order(metrics: Sequence[str], first: str) -> list[str]:
    """The metrics with the task's own one first."""
    return sorted(metrics, key=lambda metric: metric != first)


def why_none(arm: Arm) -> str:
    """Why a strategy has no score."""
    reasons = list(dict.fromkeys(run.failed for run in arm.failed))
    n = len(arm.failed)
    return f"{'its run' if n == 1 else f'all {n} runs'} failed: {'; '.join(reasons)}"
