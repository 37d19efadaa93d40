"""What adapting a model changed in it, as an experiment file asks for it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from probekit.data.strict import Strict
from probekit.errors import ConfigError
from probekit.experiment.plan_corpus import CorpusPlan
from probekit.experiment.plan_suites import SuitePlan, as_tables

Setting = str | bool | int | float | list[str] | list[int] | None


class ChangePlan(Strict):
    """A model before and after it is fine-tuned on a task, over the same sentences of the experiment's corpus.

    The model is adapted with `strategy` to `task` of the corpus `on` (the experiment's own where not given), once for
    each seed, and with `control` once more on shuffled labels.
    """

    kind: Literal["change"]
    strategy: str = Field(default="full", description="a strategy of fine-tuning")
    on: CorpusPlan | None = Field(default=None, description="the corpus of the adaptation")
    task: str = Field(description="the task of the adaptation")
    options: dict[str, Setting] = Field(
        default={}, description="settings of the adaptation: epochs, rate, and the strategy's own"
    )
    seeds: list[int] = Field(default=[0], min_length=1)
    control: bool = Field(
        default=True, description="whether the model is also adapted to shuffled labels, as often"
    )
    tasks: list[str] = Field(default=[], description="what is probed before and after")
    layers: Literal["all"] | list[int | str] = "all"
    pool: Literal["first", "last", "mean", "max"] = "mean"
    strengths: list[float] = Field(default=[0.01, 0.1, 1.0], min_length=1)
    relations: list[str] = Field(default=[], description="dependency relations that heads are held against")
    directions: list[Literal["dependent", "head"]] = Field(default=["dependent", "head"], min_length=1)
    suites: list[str | SuitePlan] = Field(default=[])
    perplexity: int = Field(
        default=200, ge=0, description="test sentences for perplexity, where a head predicts pieces; 0: none"
    )
    sentences: int = Field(
        default=0, ge=0, description="sentences of each split that are read at most; 0: all of them"
    )
    rows: int = Field(default=0, ge=0, description="words that CKA is taken over at most; 0: 5,000")
    bos: Literal["auto", "with", "without"] = "auto"
    pll: Literal["within_word_l2r", "original"] = "within_word_l2r"
    bootstrap: int = Field(default=1000, ge=100)

    @property
    def chosen(self) -> list[SuitePlan]:
        """Every suite as a table."""
        return as_tables(self.suites)

    @field_validator("strategy")
    @classmethod
    def _fine_tuning(cls, name: str) -> str:
        from probekit.adaptation.strategy import find_strategy

        try:
            found = find_strategy(name)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        if found.family != "fine-tuning":
            raise ValueError(
                f"{name!r} leaves the model as it is, so nothing changes; name one that trains it"
            )
        return name

    @model_validator(mode="after")
    def _sound(self) -> ChangePlan:
        if not self.layers:
            raise ValueError("layers is empty; write 'all', or a list such as [0, 3, 'final']")
        if any(not 0 < strength < math.inf for strength in self.strengths):
            raise ValueError("strengths must be finite numbers above 0")
        doubled = next((seed for seed in self.seeds if self.seeds.count(seed) > 1), None)
        if doubled is not None:
            raise ValueError(f"seed {doubled} stands twice; name each seed once")
        if "seed" in self.options:
            raise ValueError("options has a seed; seeds = [0, 1] names them")
        return self
