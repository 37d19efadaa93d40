"""From what is asked of a comparison to its cells: trials, the choice on dev, and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.dev_score import METRICS
from probekit.adaptation.problem import AdaptProblem
from probekit.adaptation.strategy import find_strategy
from probekit.adaptation.tuning_budget import Choice, TuningBudget, choose
from probekit.errors import ConfigError, did_you_mean
from probekit.models.ref import ModelRef
from probekit.results.bundle import bundle_paths
from probekit.results.files import checksum, read_json, tagged_hash
from probekit.results.formats import slug

LEAST_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class ComparePlan:
    """Which strategies are compared on a problem that lies at the stem `problem`, and how.

    ``seeds`` numbers the seeds of each strategy from 0, ``seeds_of`` those of strategies that get another number.
    ``options`` are settings by strategy that are not tuned. ``fractions`` are shares of the training examples; settings
    are chosen with the largest, and share f of seed s is the same for every strategy. A fine-tuning run makes at least
    ``least_steps`` steps, however few its examples, unless its epochs are among the options.
    Cells are written into ``folder``; the first seed's classifiers
    into ``keep``, where it is given. Raises ConfigError for what cannot be.
    """

    problem: str
    folder: str
    model: ModelRef
    strategies: Sequence[str]
    seeds: int = 3
    seeds_of: Mapping[str, int] = field(default_factory=dict)
    budget: TuningBudget = field(default_factory=lambda: TuningBudget("trials", 2))
    fractions: Sequence[float] = (1.0,)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metric: str = ""
    store: str = ""
    least_steps: int = LEAST_STEPS
    keep: str = ""

    def __post_init__(self) -> None:
        if not self.strategies:
            raise ConfigError("no strategies to compare; name at least one")
        for name in self.strategies:
            find_strategy(name)
        for what, names in (("seeds_of", self.seeds_of), ("options", self.options)):
            unknown = next((name for name in names if name not in self.strategies), None)
            if unknown is not None:
                hint = did_you_mean(unknown, self.strategies)
                raise ConfigError(f"{what} names {unknown!r}, which is not compared; {hint}")
        if len(set(self.strategies)) < len(self.strategies):
            raise ConfigError(f"a strategy stands twice in {list(self.strategies)}; name each once")
        if min([self.seeds, *self.seeds_of.values()]) < 1:
            raise ConfigError("each strategy needs one seed at least")
        if not self.fractions or not all(0 < share <= 1 for share in self.fractions):
            raise ConfigError(f"fractions lie above 0 and are at most 1; got {list(self.fractions)}")

    @cached_property
    def _words(self) -> dict[str, Any]:
        return dict(read_json(bundle_paths(self.problem)[1]))

    @cached_property
    def _identity(self) -> str:
        """What results depend on besides a cell's own settings: the problem and the model, of a folder its files."""
        found: dict[str, Any] = {"words": self._words, "model": self.model.to_dict()}
        folder = Path(self.model.name)
        if folder.is_dir():  # a model that is trained anew lies under the same name
            files = sorted(file for file in folder.iterdir() if file.is_file())
            found["files"] = {file.name: checksum(file) for file in files}
        return tagged_hash("adapt-problem", found)

    def settings_of(self, strategy: str) -> list[dict[str, Any]]:
        """The settings that may be tried of a strategy, each different from the others; the first is its default."""
        own = self.options.get(strategy, {})
        found: list[dict[str, Any]] = []
        for trial in find_strategy(strategy).trials:
            settings = {**trial, **own}
            if settings not in found:
                found.append(settings)
        return [dict(one) for one in self.budget.tried(found)]

    def trials(self, results: Sequence[CellResult] = ()) -> list[AdaptCell]:
        """The trials to do now, given the results of those done; none once the budget of every strategy is spent."""
        cells = []
        for strategy in self.strategies:
            settings = self.settings_of(strategy)
            if len(settings) < 2:
                continue
            spent = [_seconds(result) for result in _trials_of(strategy, results)]
            cells += [
                self._cell(strategy, settings[number], trial=number, purpose="trial",
                           fraction=max(self.fractions), steps=self.budget.steps, examples=self.budget.examples)
                for number in self.budget.at_once(len(settings), spent)
            ]  # fmt: skip
        return cells

    def choices(self, results: Sequence[CellResult], problem: AdaptProblem) -> dict[str, Choice]:
        """The setting of each strategy, chosen on dev among its trials; its first where there was none."""
        metric = self.metric or problem.metric
        return {
            strategy: choose(metric, _trials_of(strategy, results), len(problem.labels))
            for strategy in self.strategies
        }

    def runs(self, choices: Mapping[str, Choice]) -> list[AdaptCell]:
        """The runs at the chosen settings: every share and seed. The first seed with most data is billed, and last."""
        cells: list[AdaptCell] = []
        billed: list[AdaptCell] = []
        for strategy in self.strategies:
            trial = choices[strategy].trial
            settings = self.settings_of(strategy)[trial]
            for fraction in sorted(set(self.fractions), reverse=True):
                for seed in range(self.seeds_of.get(strategy, self.seeds)):
                    first = seed == 0 and fraction == max(self.fractions)
                    cell = self._cell(
                        strategy, settings, trial=trial, seed=seed, fraction=fraction, billed=first
                    )
                    (billed if first else cells).append(cell)
        return cells + billed

    def _chooses_epochs(self, strategy: str) -> str:
        """The metric that chooses an epoch on dev: the task's own, where it is one of classes; "": the estimator's."""
        metric = self.metric or self._words["metric"]
        own = metric in METRICS and metric not in ("accuracy", "r2")
        return metric if own and find_strategy(strategy).family == "fine-tuning" else ""

    def _cell(self, strategy: str, settings: Mapping[str, Any], **given: Any) -> AdaptCell:
        share = given.get("fraction", 1.0)
        seed = given.get("seed", 0)
        what = "trial" if given.get("purpose") == "trial" else "seed"
        number = given["trial"] + 1 if what == "trial" else seed
        name = f"{strategy}, {what} {number}" + (f", {100 * share:g} % of the data" if share < 1 else "")
        cell = AdaptCell(
            name=name,
            stem="",
            problem=self.problem,
            model=self.model.to_dict(),
            strategy=strategy,
            settings=dict(settings),
            data_seed=seed,
            least_steps=self.least_steps,
            metric=self._chooses_epochs(strategy),
            store=self.store,
            keep=str(Path(self.keep) / slug(strategy)) if self.keep and given.get("billed") else "",
            **given,
        )
        described = cell.to_dict()
        for place in ("name", "stem", "problem", "store", "keep"):
            described.pop(place)
        if not described["metric"]:
            described.pop("metric")
        mark = tagged_hash("adapt-cell", {"cell": described, "of": self._identity})[:8]
        return AdaptCell(**{**cell.to_dict(), "stem": str(Path(self.folder) / f"{slug(name)}-{mark}")})


def _trials_of(strategy: str, results: Sequence[CellResult]) -> list[CellResult]:
    own = [one for one in results if one.strategy == strategy and one.purpose == "trial"]
    return sorted(own, key=lambda one: one.trial)


def _seconds(result: CellResult) -> float:
    bill = result.bill
    return 0.0 if bill is None else (bill.cpu_train or 0.0) + (bill.cpu_read_train or 0.0)
