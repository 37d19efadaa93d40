"""A training file becomes a frozen configuration: read, checked to the last key, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from probekit.data.strict import Strict, check_table, read_toml, set_key
from probekit.errors import ConfigError, did_you_mean

SOURCES = ("text", "agreement", "generated", "hub")
FAMILIES = ("gpt2", "llama", "bert", "roberta", "roberta-prelayernorm")
CAUSAL = ("gpt2", "llama")


class HubPlan(Strict):
    """A data set of the hub, by name and revision."""

    name: str
    revision: str | None = None
    config: str | None = None
    text: str = "text"


class CorpusPlan(Strict):
    """What is read: one source, what one text of it is, and which share is kept for evaluation."""

    text: str | list[str] | None = None
    agreement: dict[str, Any] | None = None
    generated: dict[str, Any] | None = None
    hub: HubPlan | None = None
    unit: Literal["line", "paragraph"] = "line"
    tags: str = Field(default="", max_length=1)
    held_out: float = Field(default=0.05, gt=0, lt=1)
    held_out_by: Literal["text", "document"] = "text"
    licence: str = ""

    @property
    def source(self) -> str:
        return next(name for name in SOURCES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_source(self) -> CorpusPlan:
        named = [name for name in SOURCES if getattr(self, name) is not None]
        if len(named) != 1:
            got = "none" if not named else " and ".join(named)
            raise ValueError(f"name one source of {', '.join(SOURCES)}; got {got}")
        return self


class TokenizerPlan(Strict):
    """A tokenizer trained here (`kind`, `size`), or an existing one (`from`)."""

    kind: Literal["bpe", "wordpiece", "words"] = "bpe"
    size: int = Field(default=8000, ge=8)
    lower: bool = False
    existing: str | None = Field(default=None, alias="from")


class AlsoMask(Strict):
    """A marked word of each sentence that is masked besides: its column and in which share of the sentences."""

    column: str
    share: float = Field(default=0.5, gt=0, le=1)


class ObjectivePlan(Strict):
    """What is predicted: the next piece, or pieces that were masked."""

    kind: Literal["causal", "masked"]
    share: float = Field(default=0.15, gt=0, lt=1)
    also_mask: AlsoMask | None = None

    @model_validator(mode="after")
    def _masks(self) -> ObjectivePlan:
        if self.kind == "causal" and (self.share != 0.15 or self.also_mask is not None):
            raise ValueError("share and also_mask belong to the masked objective")
        return self


class ModelPlan(Strict):
    """One of transformers' architectures, and its size."""

    family: Literal["gpt2", "llama", "bert", "roberta", "roberta-prelayernorm"]
    layers: int = Field(default=4, ge=1)
    width: int = Field(default=256, ge=4)
    heads: int = Field(default=4, ge=1)
    inner: int | None = Field(default=None, ge=1)
    positions: int | None = Field(default=None, ge=2)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    init: float = Field(default=0.02, gt=0)

    @model_validator(mode="after")
    def _divisible(self) -> ModelPlan:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.family == "llama" and self.width // self.heads % 2:
            raise ValueError(f"llama needs an even width per head; got {self.width} / {self.heads}")
        return self


class BatchPlan(Strict):
    """Pieces per batch, the length of a row, and whether texts are packed into rows of exactly that length."""

    pieces: int = Field(default=2048, ge=2)
    length: int = Field(default=128, ge=2)
    pack: bool = True

    @model_validator(mode="after")
    def _a_row(self) -> BatchPlan:
        if self.pieces < self.length:
            raise ValueError(f"pieces {self.pieces} is less than one row of length {self.length}")
        return self


class OptimizerPlan(Strict):
    """AdamW and its schedule."""

    rate: float = Field(default=1e-3, gt=0)
    warmup: int = Field(default=100, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, ge=0)
    betas: tuple[float, float] = Field(default=(0.9, 0.999), strict=False)


class TrainingConfig(Strict):
    """Everything a training file says, with the defaults in force."""

    name: str = Field(default="", pattern=r"^[\w.-]*$")
    seed: int = Field(default=0, ge=0)
    steps: int | None = Field(default=None, ge=1)
    epochs: float | None = Field(default=None, gt=0)
    evaluate: int | list[int] | Literal["log", "end"] = "log"
    evaluate_pieces: int = Field(default=100_000, ge=1)
    checkpoints: Literal["none", "log"] | list[int] = "none"
    save_seconds: float = Field(default=60.0, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str | None = None
    corpus: CorpusPlan
    tokenizer: TokenizerPlan = TokenizerPlan()
    objective: ObjectivePlan
    model: ModelPlan
    batches: BatchPlan = BatchPlan()
    optimizer: OptimizerPlan = OptimizerPlan()

    @model_validator(mode="after")
    def _together(self) -> TrainingConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("say how long to train: either steps or epochs")
        if (self.objective.kind == "causal") != (self.model.family in CAUSAL):
            fitting = [f for f in FAMILIES if (f in CAUSAL) == (self.objective.kind == "causal")]
            raise ValueError(
                f"model.family {self.model.family!r} cannot be trained with the {self.objective.kind} objective; "
                f"use one of {', '.join(fitting)}"
            )
        if self.model.positions is not None and self.model.positions < self.batches.length:
            raise ValueError(
                f"model.positions {self.model.positions} is less than batches.length {self.batches.length}"
            )
        if isinstance(self.evaluate, int) and self.evaluate < 1:
            raise ValueError(
                f"evaluate every {self.evaluate} steps; write a number above 0, a list, 'log' or 'end'"
            )
        also = self.objective.also_mask
        if also is not None and self.corpus.source not in ("agreement", "generated"):
            raise ValueError("objective.also_mask needs a generated corpus, whose sentences are annotated")
        return self


def load_config(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> TrainingConfig:
    """The configuration of a TOML file or a mapping, checked to the last key.

    ``file.toml#gpu`` is the file with the keys of its table ``[variant.gpu]`` in the place of its own.
    Paths in a file are relative to the file; paths in a mapping, and in `overrides` such as
    ``model.layers=2``, to the working directory. Raises ConfigError with one line per mistake.
    """
    if isinstance(source, Mapping):
        document, where = _copy(source), "training configuration"
        document.setdefault("name", "model")
    else:
        name, _, variant = str(source).partition("#")
        file = Path(name)
        if not file.is_file():
            raise ConfigError(f"no training configuration {name!r}; name a TOML file")
        document, where = _chosen(read_toml(file)[0], variant, name), str(source)
        document.setdefault("name", file.stem)
        _resolve_paths(document, file.parent)
    for override in overrides:
        set_key(document, override, one_of={"corpus": SOURCES, "": ("steps", "epochs")})
    return check_table(TrainingConfig, document, where)


def _chosen(document: dict[str, Any], variant: str, where: str) -> dict[str, Any]:
    """The document with the keys of one of its variants."""
    variants = document.pop("variant", {})
    if variant and variant not in variants:
        raise ConfigError(f"{where}: no [variant.{variant}]; {did_you_mean(variant, variants)}")
    return _merged(document, variants[variant]) if variant else document


def _merged(table: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with every key of `other` in its place, tables within tables likewise."""
    found = dict(table)
    for key, value in other.items():
        inner = found.get(key)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        found[key] = _merged(inner, value) if both and isinstance(inner, dict) else value
    return found


def _copy(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def _resolve_paths(document: dict[str, Any], folder: Path) -> None:
    corpus, tokenizer = document.get("corpus"), document.get("tokenizer")
    given = corpus.get("text") if isinstance(corpus, dict) else None
    if isinstance(corpus, dict) and isinstance(given, str):
        corpus["text"] = str(folder / given)
    elif isinstance(corpus, dict) and isinstance(given, list):
        corpus["text"] = [str(folder / item) if isinstance(item, str) else item for item in given]
    existing = tokenizer.get("from") if isinstance(tokenizer, dict) else None
    if isinstance(tokenizer, dict) and isinstance(existing, str) and existing.startswith("."):
        tokenizer["from"] = str(folder / existing)
