"""What a comparison of strategies will cost, said before it starts: rough, from sizes and this machine's rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from probekit.experiment.estimate import PIECES_PER_WORD, Rates
from probekit.experiment.plan_adapt import AdaptPlan

PASSES: Mapping[str, float] = {
    "full": 3.0,
    "reinit": 3.0,
    "continued": 7.0,
    "gradual": 2.4,
    "top-k": 2.0,
    "head-only": 1.0,
}
"""Forward passes that one step is worth: a backward pass is two, of which one is for weights that stay."""
LITTLE = 2.2
"""The same for strategies that train little and send gradients through all of the model."""
HEAD_SECONDS: Mapping[str, float] = {
    "centroid": 0.1, "knn": 0.5, "frozen-linear": 1.0, "frozen-mlp": 2.5, "scalar-mix": 4.0, "all-layers": 4.0,
    "bilstm": 30.0, "attention-pooling": 12.0,
}  # fmt: skip
"""Seconds of a head on 1,000 texts with states of 384 numbers at 8 GFLOP/s, measured."""
STARTING = 1.0
"""Seconds that a process of its own takes to be forked, to load the model and to count its arithmetic."""


BATCH = 32
"""Examples of a step."""


@dataclass(frozen=True)
class AdaptCost:
    """CPU seconds of fits that have the machine to themselves, and of those that may run side by side."""

    alone: float = 0.0
    beside: float = 0.0

    @property
    def seconds(self) -> float:
        """All of them."""
        return self.alone + self.beside

    def wall(self, jobs: int) -> float:
        """Seconds by the clock with so many side by side on as many cores."""
        return self.alone + self.beside / max(jobs, 1)

    def __add__(self, other: AdaptCost) -> AdaptCost:
        return AdaptCost(self.alone + other.alone, self.beside + other.beside)


@dataclass(frozen=True)
class Size:
    """What is adapted, and to how much: texts and words of a split, and the model's weights, layers and width."""

    texts: Mapping[str, int]
    words: Mapping[str, int]
    block_parameters: int
    layers: int
    dim: int

    def pieces(self, split: str) -> float:
        """About how many pieces the model reads."""
        return self.words.get(split, 0) * PIECES_PER_WORD + 2 * self.texts.get(split, 0)

    def forward(self, pieces: float, rates: Rates) -> float:
        """Seconds of a forward pass."""
        return pieces * self.block_parameters / (rates.forward * 1e9)


def fit_seconds(strategy: str, family: str, epochs: float, share: float, size: Size, rates: Rates) -> float:
    """CPU seconds of one fit on a share of the training part, with its predictions for dev and test."""
    if family == "feature-extraction":
        texts = share * size.texts.get("train", 0) / 1000
        return HEAD_SECONDS.get(strategy, 5.0) * texts * size.dim / 384 * 8.0 / rates.solve + 0.5
    train = share * size.pieces("train") * epochs * PASSES.get(strategy, LITTLE)
    dev = size.pieces("dev") * max(epochs, 1)  # read after each epoch
    return size.forward(train + dev + size.pieces("test"), rates)


def adapt_cost(
    plan: AdaptPlan, size: Size, rates: Rates, *, trials: Mapping[str, int]
) -> dict[str, AdaptCost]:
    """Strategy -> what its fits cost; "reading" is what the frozen strategies read of the model, once.

    `trials` is how many settings of each strategy are tried, on the largest share or on as many examples as the budget
    names;
    one is none, since there is nothing to choose. The first run with most data is alone on the machine.
    """
    from probekit.adaptation.strategy import find_strategy
    from probekit.adaptation.tuning_budget import TuningBudget

    n_train = max(1, size.texts.get("train", 1))
    tried_on = min(max(plan.fractions), (TuningBudget.read(plan.budget).examples or n_train) / n_train)
    found: dict[str, AdaptCost] = {}
    for name in plan.strategies:
        strategy = find_strategy(name)
        own = plan.options.get(name, {})
        given = own.get("epochs", strategy.defaults.get("epochs", 1))
        epochs = float(given) if isinstance(given, int | float) else 1.0
        fewest = 0 if "epochs" in own else plan.least_steps

        def once(
            share: float,
            name: str = name,
            family: str = strategy.family,
            epochs: float = epochs,
            fewest: int = fewest,
        ) -> float:
            least = BATCH * fewest / (share * n_train)
            return fit_seconds(name, family, max(epochs, least), share, size, rates)

        runs, most = plan.seeds_for(name), max(plan.fractions)
        cost = AdaptCost(once(most) + STARTING, (runs - 1) * once(most))
        cost += AdaptCost(0.0, sum(runs * once(share) for share in plan.fractions if share < most))
        tried = trials.get(name, 1)
        found[name] = cost + AdaptCost(0.0, tried * once(tried_on) if tried > 1 else 0.0)
    if any(find_strategy(name).family == "feature-extraction" for name in plan.strategies):
        pieces = sum(size.pieces(split) for split in size.texts)
        found["reading"] = AdaptCost(size.forward(pieces, rates) + STARTING)
    return found


def spoken_minutes(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> spoken_minutes(42), spoken_minutes(4000)
    ('42 s', '67 min')
    """
    return f"{seconds:,.0f} s" if seconds < 180 else f"{seconds / 60:,.0f} min"


def describe_adaptation(costs: Mapping[str, AdaptCost]) -> list[str]:
    """The costs as lines for a person."""
    total = sum(costs.values(), AdaptCost())
    lines = [
        f"  {name}: about {spoken_minutes(cost.seconds)}, of which {spoken_minutes(cost.alone)} alone on the machine"
        for name, cost in costs.items()
    ]
    told = (
        f"  in all about {spoken_minutes(total.seconds)} of CPU; by the clock {spoken_minutes(total.wall(1))} with "
        f"--jobs 1, {spoken_minutes(total.wall(2))} with --jobs 2. Rough: a factor of two either way; "
        "`probekit doctor --measure` makes it less so"
    )
    return [*lines, told]
