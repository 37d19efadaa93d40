"""Analyses that look inside a model: what its heads attend to, and how its states lie in space."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from probekit.data.strict import Strict
from probekit.errors import did_you_mean
from probekit.experiment.plan_suites import SuitePlan, as_tables

STATISTICS = (
    "entropy", "to_special", "to_punctuation", "to_previous", "to_self", "to_next", "to_same_word", "to_same_type",
    "distance", "confidence", "by_distance",
)  # fmt: skip
"""Statistics of heads that have a map of their own on the page."""
PLACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([+-][0-9]+)?")
NEURON = re.compile(r"[A-Za-z0-9.]+:[0-9]+")


class AttendSeedPlan(Strict):
    """The first seed of the heads drawn at random, of the permutations and of the twins."""

    heads: int = Field(default=0, ge=0)
    permutation: int = Field(default=0, ge=0)
    twin: int = Field(default=0, ge=0)


class AttendPlan(Strict):
    """What heads attend to, against relations with baselines, and what behaviour loses without the heads found."""

    kind: Literal["attend"]
    relations: Literal["frequent"] | list[str] = "frequent"
    directions: list[Literal["dependent", "head"]] = Field(default=["dependent", "head"], min_length=1)
    links: dict[str, list[str]] = Field(
        default={},
        description="name -> the attributes of a sentence that number the word that looks and its aim",
    )
    layers: Literal["all"] | list[int | str] = "all"
    offsets: int = Field(default=10, ge=1, description="fixed offsets compared with reach so far either way")
    min_arcs: int = Field(default=50, ge=1)
    permutations: int = Field(
        default=999, ge=20, description="with fewer than 20 no p is below 0.05, so nothing can be shown"
    )
    statistics: bool | list[str] = Field(default=True, description="whether, or which have a map on the page")
    distances: bool = False
    trees: bool = False
    parser: bool = False
    views: list[str] = Field(default=[])
    page: Literal["head", "model", "neuron"] = Field(default="head", description="which view of them is kept")
    suites: list[str | SuitePlan] = Field(default=[])
    heads: int = Field(default=1, ge=1, description="heads ablated for each relation or link and direction")
    ablate: Literal["mean", "zero", "resample"] = "mean"
    random_draws: int = Field(default=5, ge=1)
    bos: Literal["auto", "with", "without"] = "auto"
    pll: Literal["within_word_l2r", "original"] = "within_word_l2r"
    seeds: AttendSeedPlan = AttendSeedPlan()
    bootstrap: int = Field(default=1000, ge=100)

    @property
    def chosen(self) -> list[SuitePlan]:
        """Every suite as a table."""
        return as_tables(self.suites)

    @model_validator(mode="after")
    def _something_to_do(self) -> AttendPlan:
        if not self.layers:
            raise ValueError("layers is empty; write 'all', or a list such as [1, 3]")
        if any(not text.strip() for text in self.views):
            raise ValueError("a view needs a text, and one of them is empty")
        for name, places in self.links.items():
            if len(places) != 2 or not all(PLACE.fullmatch(place) for place in places):
                known = "two attributes that number words, such as ['target-1', 'subject']"
                raise ValueError(f"link {name!r} needs {known}; got {places}")
        if self.suites and not self.relations and not self.links:
            raise ValueError(
                "suites are judged again without the heads found; name relations or links to find them by"
            )
        if isinstance(self.statistics, list):
            for name in self.statistics:
                if name not in STATISTICS:
                    raise ValueError(f"no statistic {name!r}; {did_you_mean(name, STATISTICS)}")
        asked = (
            self.relations,
            self.links,
            self.statistics,
            self.distances,
            self.trees,
            self.parser,
            self.views,
        )
        if not any(asked):
            raise ValueError("nothing is asked; name relations, links or views, or set statistics = true")
        return self


class LookSeedPlan(Strict):
    """Seeds of the projection, of the drawing of rows, and of the first twin."""

    projection: int = Field(default=0, ge=0)
    sample: int = Field(default=0, ge=0)
    twin: int = Field(default=0, ge=0)


class LookPlan(Strict):
    """How states lie in space: pictures, similarity of layers and models, neighbours of a word, single neurons.

    Pictures, senses, activity and shaded texts read `split`, in which the occurrence of a word in `neighbours` is
    looked for too. Statistics, similarity and neighbours read the words of all splits; `selective` chooses on dev and
    reports on test.
    """

    kind: Literal["look"]
    tasks: list[str] = Field(default=[], description="colours of the pictures, and what neurons select")
    methods: list[Literal["pca", "tsne", "opentsne"]] = Field(default=["pca"], min_length=1)
    layers: Literal["all"] | list[int | str] = "all"
    site: Literal["hidden", "attention_output", "mlp"] = "hidden"
    pool: Literal["first", "last", "mean", "max"] = "mean"
    split: Literal["train", "dev", "test"] | None = Field(
        default=None, description="of pictures, senses, activity and texts; test where there is one"
    )
    measures: list[Literal["cka", "cka-kernel", "svcca", "pwcca", "rsa", "procrustes"]] = Field(
        default=["cka"]
    )
    similar_to: list[str] = Field(
        default=[], description="'self', 'twin', a model of the file or another model"
    )
    rows: int = Field(
        default=0, ge=0, description="words that layers are compared over; 0: as the measure has it"
    )
    permutations: int = Field(default=20, ge=0)
    statistics: bool | list[Literal["isotropy", "dimension", "outliers"]] = True
    senses: list[str] = Field(default=[], description="tasks whose labels may lie apart, such as sense")
    neighbours: list[str] = Field(default=[])
    activity: bool = False
    neurons: list[str] = Field(default=[], description="LAYER:UNIT, of neuron_site")
    neuron_site: Literal["mlp", "hidden", "attention_output"] = "mlp"
    selective: bool = False
    texts: int = Field(default=10, ge=1, description="sentences of the corpus that a neuron is shown over")
    sample: int = Field(default=1000, ge=10, description="words of a picture")
    seeds: LookSeedPlan = LookSeedPlan()
    bootstrap: int = Field(default=1000, ge=100)

    @property
    def described(self) -> list[str]:
        """Which statistics of each layer are taken."""
        known = ["isotropy", "dimension", "outliers"]
        if isinstance(self.statistics, bool):
            return known if self.statistics else []
        return [name for name in known if name in self.statistics]

    @model_validator(mode="after")
    def _something_to_do(self) -> LookPlan:
        if not self.layers:
            raise ValueError("layers is empty; write 'all', or a list such as [0, 3]")
        for neuron in self.neurons:
            if not NEURON.fullmatch(neuron):
                raise ValueError(f"neuron {neuron!r} is no LAYER:UNIT, such as '3:17'")
        if self.selective and not self.tasks:
            raise ValueError("selective = true needs tasks whose labels neurons may select")
        named = [*self.tasks, *self.similar_to, *self.senses, *self.neighbours, *self.neurons]
        if not (named or self.statistics or self.activity):
            raise ValueError(
                "nothing is asked; name tasks, similar_to, neighbours or neurons, or set statistics = true"
            )
        return self
