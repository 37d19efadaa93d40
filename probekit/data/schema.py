"""The form of a task file, checked with pydantic; every complaint names the file, the key and a way out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from probekit.data.lines import read_text_file
from probekit.data.properties import PROPERTIES
from probekit.data.sentence import MISSING
from probekit.data.task import Example, Task
from probekit.data.where import parse_where
from probekit.errors import ConfigError, did_you_mean

LATER_UNITS = ("pair", "span")
METRICS = {"classes": ("accuracy", "macro_f1", "weighted_f1", "mcc"), "number": ("r2", "spearman")}

Said = Annotated[str, Field(min_length=1)]
SplitName = Literal["given", "sentence", "document", "word-type"]
ControlName = Literal["word-type", "shuffled", "majority", "word-identity", "random-twin"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SplitTable(_Table):
    by: SplitName
    fractions: Annotated[list[float], Field(min_length=3, max_length=3)] = [0.8, 0.1, 0.1]
    seed: int = 0


class OptionsTable(_Table):
    words: Annotated[int, Field(ge=2)]
    skip: Annotated[int, Field(ge=0)]


class ExampleTable(_Table):
    text: Said
    columns: dict[str, str] = {}
    attributes: dict[str, str] = {}
    labels: str | dict[str, str | int | float] = {}
    label: str | int | float = MISSING


class TaskFile(_Table):
    name: Said
    question: Said
    unit: Literal["word", "sentence"]
    label: Annotated[str, Field(pattern=r"^(?:(?:feats|misc|attribute)\.)?[^\s.]+$")]
    kind: Literal["classes", "number"] = "classes"
    where: str = ""
    names: dict[str, str] = {}
    bins: list[float] = []
    options: OptionsTable | None = None
    split: SplitName | SplitTable = "given"
    metric: Literal["accuracy", "macro_f1", "weighted_f1", "mcc", "r2", "spearman"]
    controls: list[ControlName] = ["word-type", "shuffled", "majority", "word-identity", "random-twin"]
    cite: str = ""
    licence: str = ""
    example: list[ExampleTable] = []
    example_options: OptionsTable | None = None


def read_task(path: Path) -> Task:
    """The task that a TOML file defines; ConfigError for every wrong key or value, DataError where it is not text."""
    try:
        raw = tomllib.loads(read_text_file(path))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: not TOML: {problem}") from None
    if raw.get("unit") in LATER_UNITS:
        raise ConfigError(f"{path}: unit = {raw['unit']!r} is not available yet; use 'word' or 'sentence'")
    try:
        table = TaskFile.model_validate(raw)
    except ValidationError as problem:
        raise ConfigError(f"{path}: " + "; ".join(_complaints(problem, raw))) from None
    try:
        _check(table)
        return _task(table, str(path))
    except ConfigError as problem:
        raise ConfigError(f"{path}: {problem}") from None


def _task(table: TaskFile, file: str) -> Task:
    split = SplitTable(by=table.split) if isinstance(table.split, str) else table.split
    train, dev, test = split.fractions
    return Task(
        name=table.name,
        question=table.question,
        unit=table.unit,
        label=table.label,
        kind=table.kind,
        where=table.where,
        names=table.names,
        bins=tuple(table.bins),
        options=table.options.model_dump() if table.options else {},
        split=split.by,
        fractions=(train, dev, test),
        seed=split.seed,
        metric=table.metric,
        controls=tuple(table.controls),
        cite=table.cite,
        licence=table.licence,
        examples=tuple(_example(number, e, table) for number, e in enumerate(table.example, 1)),
        example_options=table.example_options.model_dump() if table.example_options else {},
        file=file,
    )


def _check(table: TaskFile) -> None:
    """What no single key shows: label, unit, kind, metric and filter must go together."""
    known = PROPERTIES.get(table.label)
    unit = known.unit if known else "sentence" if table.label == "word_content" else ""
    if unit and unit != table.unit:
        raise ConfigError(f"label {table.label!r} labels a {unit}; set unit = {unit!r}")
    if table.unit == "sentence" and not unit and not table.label.startswith("attribute."):
        raise ConfigError(
            f"a sentence has no {table.label!r}; use 'attribute.NAME' or a property of sentences"
        )
    if known and not table.bins and known.kind != table.kind:
        cut = ", or cut it into classes with bins = [...]" if known.kind == "number" else ""
        raise ConfigError(f"label {table.label!r} gives {known.kind}; set kind = {known.kind!r}{cut}")
    if table.bins and (table.kind != "classes" or sorted(set(table.bins)) != table.bins):
        raise ConfigError("bins are rising numbers that cut a number into classes (kind = 'classes')")
    if table.metric not in METRICS[table.kind]:
        fitting = ", ".join(METRICS[table.kind])
        raise ConfigError(f"metric {table.metric!r} is not for {table.kind}; use one of {fitting}")
    if (table.label == "word_content") != (table.options is not None):
        raise ConfigError("[options] with words and skip belong to label = 'word_content', and to no other")
    if table.where:
        for name in sorted(parse_where(table.where).names):
            if name == "word_content" or (name in PROPERTIES and PROPERTIES[name].kind == "number"):
                raise ConfigError(f"where = {table.where!r}: {name!r} cannot be filtered by")
            if table.unit == "sentence" and not name.startswith("attribute."):
                raise ConfigError(
                    f"where = {table.where!r}: sentences are filtered by 'attribute.NAME', not {name!r}"
                )


def _example(number: int, table: ExampleTable, task: TaskFile) -> Example:
    words = tuple(table.text.split())
    columns = {name: tuple(values.split()) for name, values in table.columns.items()}
    if task.unit == "sentence":
        given: list[str] = [str(table.label)]
    elif isinstance(table.labels, str):
        given = table.labels.split()
    else:
        for word in table.labels:
            times = words.count(word)
            if times != 1:
                raise ConfigError(
                    f"example {number}: {word!r} stands {times} times in {table.text!r}, not once"
                )
        given = [str(table.labels.get(word, MISSING)) for word in words]
    for what, values in (*columns.items(), ("labels", given)):
        if len(values) != len(words) and (what != "labels" or task.unit == "word"):
            raise ConfigError(f"example {number}: {len(values)} values in {what!r} for {len(words)} words")
    return Example(
        text=table.text,
        columns=columns,
        attributes=table.attributes,
        labels=tuple(None if v == MISSING else float(v) if task.kind == "number" else v for v in given),
    )


def _complaints(problem: ValidationError, raw: dict[str, Any]) -> list[str]:
    """One line per fault, with the nearest known key or value."""
    found = []
    for error in problem.errors():
        # pydantic puts the union's branch into the place; a reader of TOML wants keys only
        place = [p for p in error["loc"] if isinstance(p, int) or not p.startswith(_BRANCHES)]
        key = ".".join(str(p + 1) if isinstance(p, int) else p for p in place)
        if error["type"] == "extra_forbidden":
            model = _TABLES.get(str(place[0]), TaskFile) if len(place) > 1 else TaskFile
            found.append(f"unknown key {key!r}; {did_you_mean(str(place[-1]), model.model_fields)}")
        elif error["type"] == "missing":
            found.append(f"key {key!r} is missing")
        elif error["type"] == "literal_error":
            values = [v.strip("' ") for v in error["ctx"]["expected"].replace(" or ", ",").split(",")]
            found.append(
                f"{key} = {error['input']!r} is unknown; {did_you_mean(str(error['input']), values)}"
            )
        elif not (error["loc"][-1] in ("SplitTable",) and isinstance(raw.get("split"), str)):
            found.append(f"{key} = {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}")
    return list(dict.fromkeys(found))


_BRANCHES = ("literal[", "SplitTable", "str", "dict[", "int", "float")
_TABLES: dict[str, type[_Table]] = {
    "split": SplitTable, "options": OptionsTable, "example_options": OptionsTable, "example": ExampleTable,
}  # fmt: skip
