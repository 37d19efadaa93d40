"""What a comparison is said to cost: more where more is done, and by hand where it can be counted."""

from __future__ import annotations

import pytest

from probekit.experiment.adapt_estimate import (
    STARTING,
    AdaptCost,
    Size,
    adapt_cost,
    describe_adaptation,
    fit_seconds,
)
from probekit.experiment.estimate import Rates
from probekit.experiment.plan_adapt import AdaptPlan

SIZE = Size(
    {"train": 1000, "dev": 100, "test": 100}, {"train": 10_000, "dev": 1000, "test": 1000}, 10_000_000, 6, 384
)
RATES = Rates(forward=10.0, solve=8.0)


def plan(**given: object) -> AdaptPlan:
    table = {"kind": "adapt", "task": "trec", "strategies": ["full"], "seeds": 1, "least_steps": 0, **given}
    return AdaptPlan.model_validate(table)


def test_a_full_fit_is_three_passes_over_train_and_one_over_what_is_predicted() -> None:
    pieces = {"train": 10_000 * 1.35 + 2000, "held": 1000 * 1.35 + 200}
    wanted = (2 * 3 * pieces["train"] + 2 * pieces["held"] + pieces["held"]) * 10e6 / 10e9
    assert fit_seconds("full", "fine-tuning", 2, 1.0, SIZE, RATES) == pytest.approx(wanted)
    assert fit_seconds("bitfit", "fine-tuning", 2, 1.0, SIZE, RATES) < wanted
    assert fit_seconds("centroid", "feature-extraction", 1, 1.0, SIZE, RATES) == pytest.approx(0.6)


def test_one_run_of_each_strategy_is_alone_and_trials_are_counted() -> None:
    once = fit_seconds("full", "fine-tuning", 3, 1.0, SIZE, RATES)
    found = adapt_cost(plan(seeds=3), SIZE, RATES, trials={"full": 1})
    assert set(found) == {"full"}, "nothing is read once where nothing is frozen"
    assert found["full"].alone == pytest.approx(once + STARTING)
    assert found["full"].beside == pytest.approx(2 * once)
    tried = adapt_cost(plan(seeds=3), SIZE, RATES, trials={"full": 2})
    assert tried["full"].beside == pytest.approx(4 * once)
    few = adapt_cost(plan(seeds=3, budget="examples=100"), SIZE, RATES, trials={"full": 2})
    assert few["full"].beside == pytest.approx(
        2 * once + 2 * fit_seconds("full", "fine-tuning", 3, 0.1, SIZE, RATES)
    )
    assert tried["full"].wall(2) == pytest.approx(once + STARTING + 2 * once)


def test_shares_cost_their_part_but_for_the_least_number_of_steps() -> None:
    small = adapt_cost(plan(fractions=[0.01]), SIZE, RATES, trials={})["full"].seconds
    least = adapt_cost(plan(fractions=[0.01], least_steps=100), SIZE, RATES, trials={})["full"].seconds
    whole = adapt_cost(plan(), SIZE, RATES, trials={})["full"].seconds
    assert small < least
    assert small < whole
    both = adapt_cost(plan(fractions=[0.01, 1.0]), SIZE, RATES, trials={})["full"]
    assert both.seconds == pytest.approx(small - STARTING + whole)
    assert both.alone == pytest.approx(whole), "only the run with most data is billed"
    longer = adapt_cost(plan(options={"full": {"epochs": 6}}), SIZE, RATES, trials={})["full"].seconds
    assert longer > 1.8 * (whole - STARTING)


def test_the_reading_of_the_frozen_strategies_is_told_apart() -> None:
    both = adapt_cost(plan(strategies=["frozen-linear", "full"]), SIZE, RATES, trials={})
    assert set(both) == {"frozen-linear", "full", "reading"}
    lines = describe_adaptation({"full": AdaptCost(60.0, 600.0)})
    assert lines[0] == "  full: about 11 min, of which 60 s alone on the machine"
    assert "in all about 11 min of CPU; by the clock 11 min with --jobs 1, 6 min with --jobs 2" in lines[1]
