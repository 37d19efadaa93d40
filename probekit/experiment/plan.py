"""An experiment file becomes a frozen plan: read, checked to the last key, before anything runs."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from probekit.errors import ConfigError, did_you_mean

CORPUS_SOURCES = ("conllu", "columns", "table", "cola", "trec", "sst", "text", "hub", "generated")
PROBES = ("linear", "mlp")


class Strict(BaseModel):
    """A table of the file: frozen, and no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Question(Strict):
    """What is asked, and what is expected, written before the run."""

    ask: str = ""
    expect: str = ""


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


class ModelPlan(Strict):
    """A model and the number of its random twins."""

    name: str
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
    layers: Literal["all"] | list[int | str] = "all"
    probes: list[Literal["linear", "mlp"]] = ["linear"]
    strengths: list[float] = [0.01, 0.1, 1.0, 10.0]
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


class Plan(Strict):
    """Everything an experiment file says, with the defaults in force."""

    name: str = ""
    question: Question = Question()
    corpus: CorpusPlan
    model: list[ModelPlan] = Field(min_length=1)
    analysis: list[ProbePlan] = Field(min_length=1)


def load_plan(source: str | Path, overrides: Sequence[str] = ()) -> tuple[Plan, Path, str]:
    """The plan of a built-in name, a folder or a TOML file; its folder, for relative paths; its text as given.

    `overrides` are KEY=VALUE pairs such as ``corpus.conllu=en_ewt-*.conllu`` or ``model.0.twins=1``; a path given
    that way is relative to the working directory.

    Raises
    ------
    ConfigError
        for an unknown experiment, TOML that does not parse, an unknown key or a value out of range.
    """
    file = find_experiment(source)
    try:
        text = file.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{file}: not valid TOML: {problem}") from None
    document.setdefault("name", file.parent.name if file.name == "experiment.toml" else file.stem)
    _resolve_paths(document, file.parent)
    for override in overrides:
        _set(document, override)
    return check_plan(document, str(file)), file.parent, text


def check_plan(document: dict[str, Any], where: str) -> Plan:
    """The plan that a document describes; ConfigError names the key at fault."""
    try:
        return Plan.model_validate(document)
    except ValidationError as problem:
        raise ConfigError("\n".join(f"{where}: {line}" for line in _spoken(problem))) from None


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


def _resolve_paths(document: dict[str, Any], folder: Path) -> None:
    """Paths in the file are relative to the file."""
    corpus = document.get("corpus")
    if not isinstance(corpus, dict):
        return
    for name in CORPUS_SOURCES[:7]:
        given = corpus.get(name)
        if isinstance(given, str):
            corpus[name] = str(folder / given)
        elif isinstance(given, list):
            corpus[name] = [str(folder / item) if isinstance(item, str) else item for item in given]
    models = document.get("model")
    for model in models if isinstance(models, list) else []:
        folder_name = model.get("name") if isinstance(model, dict) else None
        if isinstance(folder_name, str) and folder_name.startswith("."):
            model["name"] = str(folder / folder_name)


def _set(document: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"--set {override!r}: expected KEY=VALUE, such as corpus.conllu=treebank-*.conllu")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word or a path
    place: Any = document
    *parents, last = key.strip().split(".")
    try:
        for part in parents:
            place = place[_number(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[_number(last)] = parsed
        else:
            if parents == ["corpus"] and last in CORPUS_SOURCES:
                for other in CORPUS_SOURCES:  # another source takes the first one's place
                    place.pop(other, None)
            place[last] = parsed
    except (ValueError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"--set {override!r}: no such place in the experiment file") from None


def _number(part: str) -> int:
    """A place in a list, counted from 0. Raises ValueError; a minus sign would count from the end."""
    if not part.isdecimal():
        raise ValueError(part)
    return int(part)


def _spoken(problem: ValidationError) -> list[str]:
    """One line per mistake: a key that is missing because it is misspelt is one mistake, and so is a value that
    fits none of several types."""
    errors = problem.errors(include_url=False)
    misspelt = {
        (*error["loc"][:-1], near)
        for error in errors
        if error["type"] == "extra_forbidden"
        for near in difflib.get_close_matches(str(error["loc"][-1]), _keys_at(error["loc"][:-1]), n=1)
    }
    lines: list[str] = []
    values: dict[str, tuple[list[str], str]] = {}  # place -> what it should be, what it is
    for error in errors:
        place = ".".join(str(part) for part in error["loc"] if not _TYPE.fullmatch(str(part))) or "the file"
        if error["type"] == "extra_forbidden":
            hint = did_you_mean(str(error["loc"][-1]), _keys_at(error["loc"][:-1]))
            lines.append(f"unknown key {place!r}; {hint}")
        elif error["type"] != "missing":
            wanted, _ = values.setdefault(place, ([], _got(error)))
            wanted.append(_WORDS.get(error["type"]) or error["msg"].removeprefix("Input should be "))
        elif error["loc"] not in misspelt:
            lines.append(f"missing key {place!r}")
    for place, (wanted, got) in values.items():
        if not any(other.startswith(place + ".") for other in values):  # the inner place says it better
            lines.append(f"{place}: {_expected(wanted)}{got}")
    return lines


_TYPE = re.compile(r"str|bool|int|float|(literal|list|dict)\[.*\]")
"""What pydantic puts into the place of a value that may be of several types."""

_WORDS = {
    "model_type": "a table", "dict_type": "a table", "list_type": "a list", "string_type": "a string",
    "int_type": "an integer", "float_type": "a number", "bool_type": "true or false",
}  # fmt: skip


def _expected(wanted: Sequence[str]) -> str:
    """What pydantic says of a value, or of each type that it might have been."""
    if len(wanted) == 1 and wanted[0].startswith("Value error, "):
        return wanted[0].removeprefix("Value error, ")
    return "should be " + " or ".join(wanted)


def _got(error: ErrorDetails) -> str:
    got = "" if isinstance(error["input"], dict) else f"; got {error['input']!r}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        known = re.findall(r"'(.*?)'", error["ctx"]["expected"])
        near = difflib.get_close_matches(error["input"], known, n=1)
        got += f"; did you mean {near[0]!r}?" if near else ""
    return got


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at a place may have."""
    tables: dict[str, type[Strict]] = {
        "question": Question, "corpus": CorpusPlan, "hub": HubPlan, "generated": GeneratedPlan,
        "model": ModelPlan, "analysis": ProbePlan, "seeds": SeedPlan,
    }  # fmt: skip
    names = [part for part in place if part in tables]
    table = tables[str(names[-1])] if names else Plan
    return list(table.model_fields)
