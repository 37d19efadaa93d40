"""Tables of TOML files, checked to the last key, with mistakes told in words."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from probekit.errors import ConfigError, did_you_mean


class Strict(BaseModel):
    """A table of a file: frozen, and no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Table = TypeVar("Table", bound=Strict)


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """What a TOML file says, and its text as given. Raises ConfigError where it is no TOML."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{file}: not valid TOML: {problem}") from None


def check_table(table: type[Table], document: dict[str, Any], where: str) -> Table:
    """The table that a document describes; ConfigError with one line per mistake, each naming its key."""
    try:
        return table.model_validate(document)
    except ValidationError as problem:
        raise ConfigError("\n".join(f"{where}: {line}" for line in _spoken(table, problem))) from None


def set_key(
    document: dict[str, Any], override: str, *, one_of: dict[str, Sequence[str]] | None = None
) -> None:
    """Change a document by KEY=VALUE, where KEY is a path such as ``model.0.twins`` and VALUE is TOML or a word.

    `one_of` names tables in which one of several keys stands: setting one takes the others away.
    """
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
            others = (one_of or {}).get(".".join(parents), ())
            for other in others if last in others else ():
                place.pop(other, None)
            place[last] = parsed
    except (ValueError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"--set {override!r}: no such place in the file") from None


def _number(part: str) -> int:
    """A place in a list, counted from 0. Raises ValueError; a minus sign would count from the end."""
    if not part.isdecimal():
        raise ValueError(part)
    return int(part)


def _spoken(table: type[Strict], problem: ValidationError) -> list[str]:
    """One line per mistake: a key that is missing because it is misspelt is one mistake, and so is a value that
    fits none of several types."""
    errors = problem.errors(include_url=False)
    misspelt = {
        (*error["loc"][:-1], near)
        for error in errors
        if error["type"] == "extra_forbidden"
        for near in difflib.get_close_matches(str(error["loc"][-1]), keys_at(table, error["loc"][:-1]), n=1)
    }
    lines: list[str] = []
    values: dict[str, tuple[list[str], str]] = {}  # place -> what it should be, what it is
    for error in errors:
        place = _place(table, error["loc"])
        if error["type"] == "extra_forbidden":
            hint = did_you_mean(str(error["loc"][-1]), keys_at(table, error["loc"][:-1]))
            lines.append(f"unknown key {place!r}; {hint}")
        elif error["type"] in ("union_tag_invalid", "union_tag_not_found"):
            tag = error["ctx"]["discriminator"].strip("'")
            got = error["input"].get(tag) if isinstance(error["input"], dict) else error["input"]
            known = " or ".join(repr(kind) for kind in kinds_at(table, error["loc"]))
            if got is None:
                lines.append(f"missing key {f'{place}.{tag}'!r}: {known}")
            else:
                lines.append(f"{place}.{tag}: should be {known}; got {got!r}")
        elif error["type"] != "missing":
            wanted, _ = values.setdefault(place, ([], _got(error)))
            wanted.append(_WORDS.get(error["type"]) or error["msg"].removeprefix("Input should be "))
        elif error["loc"] not in misspelt:
            lines.append(f"missing key {place!r}")
    for place, (wanted, got) in values.items():
        if not any(other.startswith(place + ".") for other in values):  # the inner place says it better
            lines.append(f"{place}: {_expected(wanted)}{got}")
    return lines


_TYPE = re.compile(r"str|bool|int|float|\w*Plan|(literal|list|dict)\[.*\]")
"""What pydantic puts into the place of a value that may be of several types."""

_WORDS = {
    "model_type": "a table", "dict_type": "a table", "list_type": "a list", "string_type": "a string",
    "int_type": "an integer", "float_type": "a number", "bool_type": "true or false",
}  # fmt: skip


def _expected(wanted: Sequence[str]) -> str:
    """What pydantic says of a value, or of each type that it might have been."""
    if len(wanted) == 1 and wanted[0].startswith("Value error, "):
        return wanted[0].removeprefix("Value error, ")
    return "should be " + " or ".join(dict.fromkeys(wanted))


def _got(error: ErrorDetails) -> str:
    got = "" if isinstance(error["input"], dict) else f"; got {error['input']!r}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        known = re.findall(r"'(.*?)'", error["ctx"]["expected"])
        near = difflib.get_close_matches(error["input"], known, n=1)
        got += f"; did you mean {near[0]!r}?" if near else ""
    return got


def keys_at(table: type[Strict], loc: Sequence[int | str]) -> list[str]:
    """The keys that the table at a place may have."""
    found: list[str] = []
    for one in _tables_at(table, loc):
        found += [name for name in one.model_fields if name not in found]
    return found


def kinds_at(table: type[Strict], loc: Sequence[int | str]) -> list[str]:
    """The values that `kind` may have in the table at a place."""
    return [kind for one in _tables_at(table, loc) for kind in _kinds(one)]


def _kinds(table: type[Strict]) -> tuple[str, ...]:
    field = table.model_fields.get("kind")
    return get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()


def _tables_at(table: type[Strict], loc: Sequence[int | str]) -> list[type[Strict]]:
    tables = [table]
    for part in loc:
        tagged = [one for one in tables if part in _kinds(one)]
        if tagged:
            tables = tagged
            continue
        inner = [
            found
            for one in tables
            if part in one.model_fields
            for found in _inside(one.model_fields[str(part)].annotation)
        ]
        tables = inner or tables
    return tables


def _inside(annotation: Any) -> Iterator[type[Strict]]:
    """The tables that a value of this type may be or hold."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    elif get_origin(annotation) in (list, tuple, dict, Union, UnionType, Annotated):
        for argument in get_args(annotation):
            yield from _inside(argument)


def _place(table: type[Strict], loc: Sequence[int | str]) -> str:
    """``analysis.0.layers``: the keys on the way, without the types and kinds that pydantic puts between them."""
    parts = []
    for number, part in enumerate(loc):
        is_kind = part in kinds_at(table, loc[:number]) and part not in keys_at(table, loc[:number])
        if not is_kind and not _TYPE.fullmatch(str(part)):
            parts.append(str(part))
    return ".".join(parts) or "the file"
