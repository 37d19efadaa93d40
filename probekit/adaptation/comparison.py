"""`Comparison`: strategies side by side on the same units: scores, costs, differences, and what may be said of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from probekit.adaptation.cell import CellResult
from probekit.adaptation.comparison_costs import cost_tables
from probekit.adaptation.comparison_judged import Judged, constant_scores, judge_arms
from probekit.adaptation.comparison_pairs import Difference, against_majority, differences
from probekit.adaptation.comparison_rows import Rows
from probekit.adaptation.comparison_runs import Arm, Ground, arms_of, check_runs
from probekit.adaptation.comparison_said import best_on_dev, summary_of, verdict_of
from probekit.adaptation.comparison_scores import Scores
from probekit.adaptation.pictures import (
    confusion_panel,
    difference_forest,
    label_map,
    metric_table,
    score_table,
    strip,
    tried_table,
)
from probekit.adaptation.pictures_cost import learning_curve, pareto_panels, training_curves
from probekit.adaptation.problem import AdaptProblem
from probekit.errors import ConfigError, did_you_mean
from probekit.results.formats import slug
from probekit.results.fragment import Fragment
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel, distinct

if TYPE_CHECKING:
    import pandas


class Comparison:
    """What came out of the runs of several strategies on one problem, with one model.

    Scores are means over seeds, with an interval over test sentences and one over sentences and seeds. A difference
    between two strategies is called shown where p, by exchanging their answers sentence by sentence and corrected after
    Holm for all pairs, is below 0.05, and 0 lies outside the interval over sentences and seeds.

    Attributes
    ----------
    arms : the runs of each strategy on each share of the training data
    differences : every pair of strategies, in every metric; those of the largest share of the data first

    Raises DataError where there are no runs, where two have one seed, and where they answer different problems.

    >>> from probekit.adaptation.cell import CellResult
    >>> from probekit.adaptation.problem import AdaptProblem
    >>> texts = [f"{a} {b}" for a in ("a dog", "dogs", "a cat", "cats") for b in ("here", "there", "again")]
    >>> problem = AdaptProblem.of_examples(texts, ["sg" if text[0] == "a" else "pl" for text in texts],
    ...                                    ["train", "dev", "test"] * 4)
    >>> gold = [problem.gold[problem.units_of(split)] for split in ("dev", "test")]
    >>> right, wrong = (np.log(np.eye(2, dtype=np.float32)[side] * 0.8 + 0.1) for side in (gold[0], 1 - gold[0]))
    >>> cells = [CellResult(name=name, strategy=name, family="fine-tuning", purpose="run", settings={}, trial=0, seed=0,
    ...                     fraction=1.0, model="m", dev=out, test=out, gold_dev=gold[0], gold_test=gold[1])
    ...          for name, out in (("full", right), ("lora", wrong))]
    >>> found = Comparison(cells, problem)
    >>> found.rows[0].value, found.differences[0].value
    (1.0, 1.0)
    """

    def __init__(
        self,
        results: Iterable[CellResult],
        problem: AdaptProblem,
        about: About | None = None,
        *,
        resamples: int = 1000,
        swaps: int = 9999,
    ) -> None:
        self.ground = Ground.of(problem)
        self.arms: list[Arm] = arms_of(results, self.ground.metric)
        check_runs(self.arms, self.ground)
        first = self.arms[0].runs[0]
        self.about = about or About(corpus=problem.corpus, model=first.model, model_kind=first.model_kind)
        self.resamples, self.swaps = resamples, swaps
        self.fraction = max(arm.fraction for arm in self.arms)

    @cached_property
    def _judged(self) -> list[Judged]:
        return judge_arms(self.arms, self.ground, self.resamples)

    @cached_property
    def _constant(self) -> Scores:
        return constant_scores(self.ground, self.resamples)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every pair of strategies on each share of the data, in every metric."""
        return tuple(differences(self._judged, self._constant.metrics, swaps=self.swaps))

    @cached_property
    def above_majority(self) -> tuple[Difference, ...]:
        """Every strategy minus the answer that needs no text, in every metric."""
        found = against_majority(self._judged, self._constant, self._constant.metrics, swaps=self.swaps)
        return tuple(found)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Every number with its interval."""
        rows = Rows(self._judged, self.ground, self.about, self._constant, self.resamples)
        return tuple(rows.all(self.differences, self.above_majority))

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def best(self) -> str:
        """The strategy that is best on dev with all the data; "" where none has a score."""
        found = best_on_dev(self._whole, self.ground.metric)
        return "" if found is None else found.name

    @cached_property
    def verdict(self) -> str:
        """What may be said, in one line; "no difference shown" where none is."""
        return verdict_of(self._whole, self._of(self.differences), self._of(self.above_majority), self.ground)

    @cached_property
    def lines(self) -> list[str]:
        """The verdict, then lines on baseline, seeds, cost, failures, text overlap and smaller shares of the data."""

        def of(fraction: float) -> list[Difference]:
            return [one for one in self.differences if one.fraction == fraction]

        return [self.verdict, *summary_of(self._judged, self._constant, self.ground, of)]

    @property
    def summary(self) -> str:
        """The lines in one paragraph, the verdict first."""
        return " ".join(self.lines)

    @cached_property
    def panels(self) -> list[Panel]:
        """The summary, then tables and pictures of scores, runs, differences, costs, fronts, curves and confusions."""
        ground, whole, constant, name = self.ground, self._whole, self._constant, self._name
        summary = Panel("sentence", f"{name}-summary", "In a few sentences", labels={"text": self.summary})
        found = [
            score_table(whole, constant, ground, name),
            strip(whole, constant, ground, name),
            difference_forest(whole, self._of(self.differences), ground, name),
            *cost_tables(whole, name, ground.task),
            *pareto_panels(whole, constant, ground, name),
            learning_curve(self._judged, ground, name),
            metric_table(whole, ground, name),
            label_map(whole, ground, name),
            *training_curves(whole, ground, name),
            *(confusion_panel(arm, ground, name) for arm in self._pictured()),
            tried_table(whole, ground, name),
        ]
        return distinct([summary, *(panel for panel in found if panel is not None)])

    def confusion(self, strategy: str) -> Panel:
        """What a strategy takes each label for, all its runs added up.

        Raises ConfigError for a strategy that is not compared, or has no matrix: numbers, too many labels, no run.
        """
        arms = {one.arm.strategy: one.arm for one in self._whole}
        if strategy not in arms:
            raise ConfigError(f"no strategy {strategy!r} was compared; {did_you_mean(strategy, arms)}")
        panel = confusion_panel(arms[strategy], self.ground, self._name)
        if panel is None:
            raise ConfigError(
                f"{strategy!r} has no confusion matrix: classes, 20 at most, and a run that ended are needed"
            )
        return panel

    @property
    def _name(self) -> str:
        return slug(self.about.model or "model", self.ground.task, "strategies")

    @property
    def _whole(self) -> list[Judged]:
        return [one for one in self._judged if one.arm.fraction == self.fraction]

    def _of(self, found: Iterable[Difference]) -> list[Difference]:
        """Those of the task's metric on the largest share of the data."""
        return [one for one in found if one.metric == self.ground.metric and one.fraction == self.fraction]

    def _pictured(self) -> list[Arm]:
        """Whose confusions are drawn: up to four strategies all, else the best of each family on dev."""
        if len(self._whole) <= 4:
            return [one.arm for one in self._whole]
        families = dict.fromkeys(one.arm.family for one in self._whole)
        best = [
            best_on_dev([one for one in self._whole if one.arm.family == family], self.ground.metric)
            for family in families
        ]
        return [one.arm for one in best if one is not None]

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        labels = score_table(self._whole, self._constant, self.ground, self._name).labels
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.lines)
        return Fragment(f"{lines}{table(labels['columns'], labels['rows'], labels['formats'])}").html
