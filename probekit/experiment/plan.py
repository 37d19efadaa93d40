"""An experiment file becomes a frozen plan: read, checked to the last key, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from probekit.data.strict import Strict, check_table, read_toml, set_key
from probekit.errors import ConfigError, did_you_mean
from probekit.experiment.plan_adapt import AdaptPlan
from probekit.experiment.plan_change import ChangePlan
from probekit.experiment.plan_corpus import CORPUS_SOURCES
from probekit.experiment.plan_corpus import AgreementPlan as AgreementPlan
from probekit.experiment.plan_corpus import CorpusPlan as CorpusPlan
from probekit.experiment.plan_inside import AttendPlan, LookPlan
from probekit.experiment.plan_paths import resolve_paths
from probekit.experiment.plan_suites import SuitePlan, as_tables
from probekit.experiment.plan_variants import parted, take_variant
from probekit.results.measurement import Measurement

PROBES = ("linear", "mlp")
CONTROL_METHODS = ("pca", "random", "random-norm")
"""Erasures of the same size as the concept's that do not know the concept."""


class Question(Strict):
    """What is asked, and what is expected, written before the run."""

    ask: str = ""
    expect: str = ""


class ModelPlan(Strict):
    """A model and the number of its random twins.

    With `train`, a training configuration, the model is trained first, and `name` is what it is called.
    """

    name: str
    label: str = Field(default="", description="what it is called in results")
    train: str | None = None
    revision: str | None = None
    twins: int = Field(default=3, ge=0)
    device: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    allow_bin: bool = False
    trust_remote_code: bool = False


class SeedPlan(Strict):
    """How many seeds of each kind; a convex probe has no probe seed."""

    control: int = Field(default=5, ge=1)
    probe: int = Field(default=3, ge=1)
    twin: int = Field(default=0, ge=0, description="the first twin's seed")


class ProbePlan(Strict):
    """Probe tasks over layers, with every control."""

    kind: Literal["probe"]
    tasks: list[str] = Field(min_length=1)
    at: Literal["word", "prediction"] = "word"
    layers: Literal["all"] | list[int | str] = "all"
    site: Literal["hidden", "attention_output", "mlp", "heads"] = "hidden"
    probes: list[Literal["linear", "mlp"]] = Field(default=["linear"])
    strengths: list[float] = Field(default=[0.01, 0.1, 1.0, 10.0])
    pool: Literal["first", "last", "mean", "max", "cls"] = "mean"
    seeds: SeedPlan = SeedPlan()
    bootstrap: int = Field(default=1000, ge=100)

    @model_validator(mode="after")
    def _positive(self) -> ProbePlan:
        if not self.strengths or any(not 0 < s < math.inf for s in self.strengths):
            raise ValueError("strengths must be finite numbers above 0")
        if not self.layers:
            raise ValueError("layers is empty; write 'all', or a list such as [0, 3, 'final']")
        return self


class JudgePlan(Strict):
    """Judge models on behavioural suites, beside unigram, n-gram, majority number and random twins."""

    kind: Literal["judge"]
    suites: list[str | SuitePlan] = Field(min_length=1)
    bos: Literal["auto", "with", "without"] = "auto"
    pll: Literal["within_word_l2r", "original"] = "within_word_l2r"
    baseline_text: str | list[str] | None = None
    ngram_order: int = Field(default=5, ge=1, le=9)
    layers: Literal["all"] | list[int | str] | None = None
    lens: Literal["logit", "tuned"] = "logit"
    checkpoints: bool = False
    bootstrap: int = Field(default=1000, ge=100)

    @property
    def chosen(self) -> list[SuitePlan]:
        """Every suite as a table."""
        return as_tables(self.suites)


class EraseSeedPlan(Strict):
    """The first random erasure's seed, and how many starts each MLP probe has."""

    erasure: int = 0
    probe: int = Field(default=1, ge=1)


class ErasePlan(Strict):
    """Erase concepts layer by layer, then probe and judge again, beside random erasures of the same rank."""

    kind: Literal["erase"]
    concepts: list[str] = Field(min_length=1)
    at: Literal["word", "prediction"] = "word"
    layers: Literal["all"] | list[int | str] = "all"
    site: Literal["hidden", "attention_output", "mlp"] = "hidden"
    pool: Literal["first", "last", "mean", "max"] = "mean"
    methods: list[Literal["leace", "inlp", "rlace", "mean", "pca", "random", "random-norm"]] = Field(
        default=["leace", "random"]
    )
    control_concepts: list[str] = Field(default=[])
    neighbours: list[str] = Field(default=[])
    suites: list[str | SuitePlan] = Field(default=[])
    scrub: bool = False
    random_draws: int = Field(default=5, ge=1)
    neutral: int = Field(
        default=200, ge=0, description="dev sentences for KL and perplexity; 0 measures none"
    )
    probes: list[Literal["linear", "mlp"]] = Field(default=["linear", "mlp"], min_length=1)
    strength: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    bos: Literal["auto", "with", "without"] = "auto"
    pll: Literal["within_word_l2r", "original"] = "within_word_l2r"
    seeds: EraseSeedPlan = EraseSeedPlan()
    bootstrap: int = Field(default=1000, ge=100)

    @property
    def chosen(self) -> list[SuitePlan]:
        """Every suite as a table."""
        return as_tables(self.suites)

    @property
    def erasers(self) -> list[str]:
        """The methods that erase the concept itself; the others erase as much of something else."""
        return [method for method in dict.fromkeys(self.methods) if method not in CONTROL_METHODS]

    @model_validator(mode="after")
    def _something_to_erase(self) -> ErasePlan:
        if not self.erasers:
            raise ValueError("methods has controls only; name one that erases the concept, such as 'leace'")
        if not self.layers:
            raise ValueError("layers is empty; write 'all', or a list such as [0, 3]")
        named = [*self.concepts, *self.control_concepts]
        doubled = sorted({name for name in named if named.count(name) > 1})
        if doubled:
            raise ValueError(f"{doubled[0]!r} stands twice among concepts and control_concepts")
        return self


class ClaimPlan(Strict):
    """What the experiment claims of one of its own measurements: which row, and what its value must be.

    `where` holds fields of a measurement (model, corpus, metric, group, layer, control, split ...).
    """

    says: str
    where: dict[str, str] = Field(min_length=1)
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> ClaimPlan:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a claim needs at_least, at_most, or both")
        unknown = sorted(set(self.where) - {field.name for field in fields(Measurement)})
        if unknown:
            known = [field.name for field in fields(Measurement)]
            raise ValueError(f"a measurement has no field {unknown[0]!r}; {did_you_mean(unknown[0], known)}")
        return self


Analysis = Annotated[
    ProbePlan | JudgePlan | ErasePlan | AttendPlan | LookPlan | AdaptPlan | ChangePlan,
    Field(discriminator="kind"),
]


class Plan(Strict):
    """Everything an experiment file says, with the defaults in force."""

    name: str = ""
    question: Question = Question()
    corpus: CorpusPlan | None = None
    model: list[ModelPlan] = Field(min_length=1)
    analysis: list[Analysis] = Field(min_length=1)
    claim: list[ClaimPlan] = Field(default=[])

    @property
    def probes(self) -> list[ProbePlan]:
        return [one for one in self.analysis if isinstance(one, ProbePlan)]

    @property
    def judges(self) -> list[JudgePlan]:
        return [one for one in self.analysis if isinstance(one, JudgePlan)]

    @property
    def erasures(self) -> list[ErasePlan]:
        return [one for one in self.analysis if isinstance(one, ErasePlan)]

    @property
    def attendings(self) -> list[AttendPlan]:
        return [one for one in self.analysis if isinstance(one, AttendPlan)]

    @property
    def lookings(self) -> list[LookPlan]:
        return [one for one in self.analysis if isinstance(one, LookPlan)]

    @property
    def adaptations(self) -> list[AdaptPlan]:
        return [one for one in self.analysis if isinstance(one, AdaptPlan)]

    @property
    def changes(self) -> list[ChangePlan]:
        return [one for one in self.analysis if isinstance(one, ChangePlan)]

    @model_validator(mode="after")
    def _some_need_a_corpus(self) -> Plan:
        kind = next((one.kind for one in self.analysis if not isinstance(one, JudgePlan)), "")
        if kind and self.corpus is None:
            raise ValueError(f"an analysis of kind {kind!r} reads a corpus; add a [corpus] table")
        names = [model.name for model in self.model]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled and any(model.train for model in self.model if model.name in doubled):
            raise ValueError(f"two models are called {doubled[0]!r}; give a trained model a name of its own")
        return self


def load_plan(source: str | Path, overrides: Sequence[str] = ()) -> tuple[Plan, Path, str]:
    """The plan of a built-in name, a folder or a TOML file; its folder, for relative paths; its text as given.

    ``NAME#small`` takes the keys of the table ``[variant.small]`` in the place of the file's own.
    `overrides` are KEY=VALUE pairs such as ``corpus.conllu=en_ewt-*.conllu`` or ``model.0.twins=1``; a path given
    that way is relative to the working directory.

    Raises
    ------
    ConfigError
        for an unknown experiment, TOML that does not parse, an unknown key or a value out of range.
    """
    named, variant = parted(str(source))
    file = find_experiment(named)
    document, text = read_toml(file)
    document = take_variant(document, variant, str(file))
    document.setdefault("name", file.parent.name if file.name == "experiment.toml" else file.stem)
    if variant and isinstance(document["name"], str):
        document["name"] += f"-{variant}"
    resolve_paths(document, file.parent)
    for override in overrides:
        set_key(document, override, one_of={"corpus": CORPUS_SOURCES})
    return check_plan(document, str(file)), file.parent, text


def check_plan(document: dict[str, Any], where: str) -> Plan:
    """The plan that a document describes; ConfigError names the key at fault."""
    return check_table(Plan, document, where)


def find_experiment(source: str | Path) -> Path:
    """The TOML file that a path, a folder or a built-in name stands for."""
    path = Path(source)
    if path.is_dir() and (path / "experiment.toml").is_file():
        return path / "experiment.toml"
    if path.is_file():
        return path
    built_in = built_in_experiments()
    if str(source) in built_in:
        return built_in[str(source)]
    raise ConfigError(
        f"no experiment {str(source)!r}: neither a TOML file, nor a folder with an experiment.toml, nor built in; "
        + did_you_mean(str(source), built_in)
    )


def built_in_experiments() -> dict[str, Path]:
    """Name -> file of the experiments that come with probekit (in a wheel) or lie in the checkout."""
    package = Path(__file__).resolve().parents[1]
    found: dict[str, Path] = {}
    for folder in (package.parent / "experiments", package / "_experiments"):
        for file in sorted(folder.glob("*/experiment.toml")):
            found.setdefault(file.parent.name, file)
    return found
