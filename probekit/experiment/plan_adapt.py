"""Adapting a model to a task by several strategies, as an experiment file asks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from probekit.data.strict import Strict
from probekit.errors import ConfigError, did_you_mean

Setting = str | bool | int | float | list[str] | list[int] | None


class AdaptPlan(Strict):
    """Strategies of adaptation side by side on one task: same splits, same budget of tuning, several seeds, the bill.

    `options` holds settings by strategy, such as ``{"lora": {"rank": 4, "epochs": 2}}``: settings of the estimator
    (epochs, rate, batch_size ...) and the strategy's own; what is set is not tuned. `seeds_of` is the number of seeds
    of strategies that get another one.
    """

    kind: Literal["adapt"]
    task: str
    strategies: list[str] = Field(min_length=1)
    seeds: int = Field(default=3, ge=1)
    seeds_of: dict[str, int] = Field(default={})
    budget: str = Field(default="trials=2", description="trials=N, seconds=S, steps=N or examples=N")
    fractions: list[float] = Field(default=[1.0], min_length=1, description="shares of the training part")
    least_steps: int = Field(
        default=100, ge=0, description="fine-tuning on a small share goes on for at least so many steps"
    )
    options: dict[str, dict[str, Setting]] = Field(default={})
    metric: Literal["accuracy", "macro_f1", "mcc", "spearman", "pearson", "r2"] | None = Field(
        default=None, description="what dev chooses by and the verdict is about; the task's own unless given"
    )
    save: bool = Field(default=False, description="whether the first seed's classifiers are kept")
    bootstrap: int = Field(default=1000, ge=100)

    def seeds_for(self, strategy: str) -> int:
        """How many seeds a strategy gets."""
        return self.seeds_of.get(strategy, self.seeds)

    @field_validator("strategies")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        from probekit.adaptation.strategy import find_strategy

        for name in names:
            try:
                find_strategy(name)
            except ConfigError as problem:
                raise ValueError(str(problem)) from None
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ValueError(f"{doubled!r} stands twice; name each strategy once")
        return names

    @field_validator("budget")
    @classmethod
    def _budget(cls, given: str) -> str:
        from probekit.adaptation.tuning_budget import TuningBudget

        try:
            return str(TuningBudget.read(given))
        except ConfigError as problem:
            raise ValueError(str(problem)) from None

    @field_validator("fractions")
    @classmethod
    def _shares(cls, given: list[float]) -> list[float]:
        if not all(math.isfinite(share) and 0 < share <= 1 for share in given):
            raise ValueError(f"fractions lie above 0 and at most at 1; got {given}")
        return sorted(set(given))

    @model_validator(mode="after")
    def _of_strategies_named(self) -> AdaptPlan:
        from probekit.adaptation.strategy import STRATEGIES

        tables: tuple[tuple[str, Mapping[str, Any]], ...] = (
            ("seeds_of", self.seeds_of),
            ("options", self.options),
        )
        for key, table in tables:
            for name in table:  # one that this file knows and a variant leaves out is no mistake
                if name not in STRATEGIES:
                    hint = did_you_mean(name, STRATEGIES)
                    raise ValueError(f"{key} names {name!r}, which is no strategy; {hint}")
        few = next((name for name, n in self.seeds_of.items() if n < 1), None)
        if few is not None:
            raise ValueError(f"seeds_of {few} must be 1 or more; got {self.seeds_of[few]}")
        return self
