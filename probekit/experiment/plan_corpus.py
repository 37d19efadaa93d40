"""Where the sentences of an experiment come from, as its file says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from probekit.data.strict import Strict
from probekit.errors import ConfigError
from probekit.experiment.plan_paths import CORPUS_FILES

CORPUS_SOURCES = (*CORPUS_FILES, "hub", "generated", "agreement")


class HubPlan(Strict):
    """A data set of the hub, by name and revision."""

    name: str
    revision: str | None = None
    config: str | None = None
    text: str = "text"
    label: str | None = "label"


class GeneratedPlan(Strict):
    """The corpus that the built-in grammar generates."""

    train: int = Field(default=1600, ge=1)
    dev: int = Field(default=300, ge=1)
    test: int = Field(default=400, ge=1)
    seed: int = 0


class AgreementPlan(Strict):
    """The corpus that the agreement grammar generates (`generate_agreement`)."""

    train: int = Field(default=20_000, ge=1)
    dev: int = Field(default=1_000, ge=1)
    test: int = Field(default=1_000, ge=1)
    seed: int = 0
    attractors: list[int] = Field(default=[0, 1, 2])
    constructions: list[str] | dict[str, float] | None = None
    cue: Literal["none", "spurious"] = "none"

    @model_validator(mode="after")
    def _names_are_known(self) -> AgreementPlan:
        from probekit.data.agreement import planned_cells
        from probekit.data.agreement_frames import frames

        try:
            planned_cells(frames(), self.constructions, self.attractors)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        return self


class CorpusPlan(Strict):
    """Where the sentences come from: one source, and how its format is read."""

    conllu: str | list[str] | None = None
    columns: str | list[str] | None = None
    table: str | list[str] | None = None
    cola: str | list[str] | None = None
    trec: str | list[str] | None = None
    sst: str | list[str] | None = None
    text: str | list[str] | None = None
    hub: HubPlan | None = None
    generated: GeneratedPlan | None = None
    agreement: AgreementPlan | None = None
    name: str = ""
    licence: str = ""
    options: dict[str, str | bool | list[str] | dict[str, str]] = Field(
        default={}, description="what the reader of the format takes: label, columns, quoting ..."
    )
    text_form: Literal["surface", "words"] | None = None
    length: Literal["truncate", "error", "window"] = "truncate"

    @property
    def source(self) -> str:
        return next(name for name in CORPUS_SOURCES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_source(self) -> CorpusPlan:
        named = [name for name in CORPUS_SOURCES if getattr(self, name) is not None]
        if len(named) != 1:
            got = "none" if not named else " and ".join(named)
            raise ValueError(f"name one source of {', '.join(CORPUS_SOURCES)}; got {got}")
        return self
