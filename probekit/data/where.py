"""Filters of tasks: ``upos in [NOUN, PROPN] and feats.Number != _``, parsed and never evaluated as code.

    filter     = disjunct {"or" disjunct}
    disjunct   = part {"and" part}
    part       = "not" part | "(" filter ")" | comparison
    comparison = name ("=" | "!=") value | name ["not"] "in" "[" value {"," value} "]"

A name is what a label may be (a column, ``feats.X``, ``attribute.X``, ``word``, ``relation``); a value is bare or in
double quotes; ``_`` means "not annotated".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from probekit.errors import ConfigError

_TOKEN = re.compile(r'\s*(?:(?P<sign>!=|=|\(|\)|\[|\]|,)|"(?P<quoted>[^"]*)"|(?P<bare>[^\s!=()\[\],"]+))')
_KEYWORDS = {"and", "or", "not", "in"}


@dataclass(frozen=True)
class Comparison:
    """``name`` has one of ``values`` (or, negated, none of them)."""

    name: str
    values: frozenset[str]
    negated: bool = False

    def __call__(self, value: Callable[[str], str]) -> bool:
        return (value(self.name) in self.values) is not self.negated

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.name})


@dataclass(frozen=True)
class Combination:
    """All (``and``) or any (``or``) of the parts, or not the one part (``not``)."""

    sign: str
    parts: tuple[Filter, ...]

    def __call__(self, value: Callable[[str], str]) -> bool:
        if self.sign == "not":
            return not self.parts[0](value)
        return (all if self.sign == "and" else any)(part(value) for part in self.parts)

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(part.names for part in self.parts))


Filter = Comparison | Combination
"""Called with a function name -> value of one unit; `names` are the names it asks for."""


def parse_where(text: str) -> Filter:
    """The filter that `text` says; ConfigError with the position where it says none.

    >>> parse_where("upos = NOUN and not feats.Number = _")({"upos": "NOUN", "feats.Number": "Sing"}.__getitem__)
    True
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[int, str, str]] = []  # position, kind, value
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                start = len(text) - len(text[position:].lstrip())
                raise self.error(start, "cannot be read")
            kind, value = match.lastgroup, match[match.lastgroup]
            if kind == "bare" and value in _KEYWORDS:
                kind = "keyword"
            self.tokens.append((match.start(match.lastgroup), kind, value))
            position = match.end()
        self.at = 0

    def error(self, position: int, problem: str) -> ConfigError:
        return ConfigError(f"where = {self.text!r}: {problem} at character {position + 1}")

    def next_is(self, *values: str) -> bool:
        """Take the next token if it is one of these signs or keywords."""
        if self.at == len(self.tokens):
            return False
        _, kind, value = self.tokens[self.at]
        found = kind in ("sign", "keyword") and value in values
        self.at += found
        return found

    def expect(self, *values: str) -> str:
        if not self.next_is(*values):
            raise self.error(self.position, " or ".join(map(repr, values)) + f" expected, got {self.got}")
        return self.tokens[self.at - 1][2]

    @property
    def position(self) -> int:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else len(self.text)

    @property
    def got(self) -> str:
        return repr(self.tokens[self.at][2]) if self.at < len(self.tokens) else "the end"

    def parse(self) -> Filter:
        found = self.any_of()
        if self.at < len(self.tokens):
            raise self.error(self.position, f"'and' or 'or' expected, got {self.got}")
        return found

    def any_of(self) -> Filter:
        parts = [self.all_of()]
        while self.next_is("or"):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Combination("or", tuple(parts))

    def all_of(self) -> Filter:
        parts = [self.part()]
        while self.next_is("and"):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Combination("and", tuple(parts))

    def part(self) -> Filter:
        if self.next_is("not"):
            return Combination("not", (self.part(),))
        if self.next_is("("):
            inner = self.any_of()
            self.expect(")")
            return inner
        name = self.value("a name", kinds=("bare",))
        if self.next_is("="):
            return Comparison(name, frozenset({self.value("a value")}))
        if self.next_is("!="):
            return Comparison(name, frozenset({self.value("a value")}), negated=True)
        negated = self.next_is("not")
        if not self.next_is("in"):
            raise self.error(self.position, f"'=', '!=' or 'in' expected, got {self.got}")
        self.expect("[")
        values = [self.value("a value")]
        while self.expect(",", "]") == ",":
            values.append(self.value("a value"))
        return Comparison(name, frozenset(values), negated)

    def value(self, what: str, kinds: tuple[str, ...] = ("bare", "quoted")) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][1] in kinds:
            self.at += 1
            return self.tokens[self.at - 1][2]
        raise self.error(self.position, f"{what} expected, got {self.got}")
