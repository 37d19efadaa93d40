"""Predictions as formulas over surprisals: ``[(6;%what%) > (6;%that%)] & [(7;%what%) < (7;%that%)]``.

    formula    = comparison {"&" comparison} | comparison {"|" comparison}
    comparison = sum ("<" | ">" | "=") sum | bracketed formula
    sum        = term {("+" | "-") term}
    term       = "(" REGION ";%" CONDITION "%)" | number | bracketed sum

REGION is a number from 1, or ``*`` for the whole text; round and square brackets group alike. The grammar is that of
SyntaxGym (Gauthier, Hu, Wilcox, Qian and Levy 2020, "SyntaxGym: an online platform for targeted evaluation of
language models", ACL demonstrations), with two things refused that it reads in a way nobody expects: ``&`` beside
``|`` without brackets (it takes them from left to right), and ``a < b < c``. Formulas are parsed, never run as code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from probekit.errors import DataError

Region = int | str
Bits = Callable[[Region, str], float]

EQUAL_BITS, EQUAL_SHARE = 1e-3, 1e-5
"""``=`` holds within 0.001 bits + 0.00001 of the right side, as in SyntaxGym."""
DEEPEST, LONGEST = 100, 500

_TOKEN = re.compile(
    r"\s*(?:\(\s*(?P<region>\d{1,6}|\*)\s*;\s*%\s*(?P<condition>[^%;]*?)\s*%\s*\)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<sign>[-+<>=&|()\[\]]))"
)


@dataclass(frozen=True)
class Verdict:
    """What became of a formula: whether it holds, whether it failed by a tie, and by how much (bits)."""

    holds: bool
    tie: bool
    margin: float


@dataclass(frozen=True)
class Score:
    """The surprisal of a region in a condition, in bits."""

    region: Region
    condition: str


@dataclass(frozen=True)
class Number:
    """A number of bits."""

    value: float


@dataclass(frozen=True)
class Operation:
    """Two parts joined by a sign: ``+ -`` of sums, ``< > =`` of comparisons, ``& |`` of formulas."""

    sign: str
    left: Node
    right: Node


Node = Score | Number | Operation


@dataclass(frozen=True)
class Formula:
    """A parsed prediction, about surprisals in bits (-log2 p).

    >>> from probekit.data.formula import parse_formula
    >>> formula = parse_formula("(2;%bad%) > (2;%good%)")
    >>> formula.judge(lambda region, condition: {"good": 1.5, "bad": 4.0}[condition])
    Verdict(holds=True, tie=False, margin=2.5)
    """

    root: Operation
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return _spell(self.root)

    @property
    def needs(self) -> frozenset[tuple[Region, str]]:
        """(region, condition) of every score that the formula names."""
        return frozenset((s.region, s.condition) for s in _scores(self.root))

    @property
    def shared_prefix_cancels(self) -> bool:
        """Whether what all texts share at their beginning may go unscored without changing the verdict.

        So it is where the formula names whole texts only, and adding one constant to all their scores changes no
        comparison: ``(*;%bad%) > (*;%good%)``, and not ``(*;%good%) < 20``.
        """
        whole = all(region == "*" for region, _ in self.needs)
        return whole and all(_count(c.left) == _count(c.right) for c in _comparisons(self.root))

    def judge(self, bits: Bits) -> Verdict:
        """Whether the formula holds of the surprisals that `bits` gives for (region, condition).

        The margin of ``a < b`` is b - a, of ``a > b`` a - b, of ``a = b`` -abs(a - b); of ``&`` the least, of ``|``
        the greatest of its parts. ``<`` and ``>`` are strict: equal scores are a tie and do not hold. Where a score
        is NaN (not scored), nothing holds and the margin is NaN.
        """
        known = {(s.region, s.condition): float(bits(s.region, s.condition)) for s in _scores(self.root)}
        if any(math.isnan(value) for value in known.values()):
            return Verdict(False, False, math.nan)
        holds, margin = _truth(self.root, known)
        if math.isnan(margin):  # infinity less infinity
            return Verdict(False, False, margin)
        return Verdict(holds, not holds and margin == 0, margin)


def parse_formula(text: str) -> Formula:
    """The formula that `text` says; DataError with the place marked where it says none.

    >>> str(parse_formula("5-4-3<(*;%a%)"))
    '5 - 4 - 3 < (*;%a%)'
    """
    return _Parser(text).parse()


def _scores(node: Node) -> Iterator[Score]:
    if isinstance(node, Score):
        yield node
    elif isinstance(node, Operation):
        yield from _scores(node.left)
        yield from _scores(node.right)


def _comparisons(node: Node) -> Iterator[Operation]:
    if isinstance(node, Operation) and node.sign in "&|":
        yield from _comparisons(node.left)
        yield from _comparisons(node.right)
    elif isinstance(node, Operation):
        yield node


def _count(node: Node) -> int:
    """How often a constant added to every score comes into a sum."""
    if isinstance(node, Operation):
        right = _count(node.right)
        return _count(node.left) + (right if node.sign == "+" else -right)
    return int(isinstance(node, Score))


def _value(node: Node, known: dict[tuple[Region, str], float]) -> float:
    if isinstance(node, Score):
        return known[node.region, node.condition]
    if isinstance(node, Number):
        return node.value
    left, right = _value(node.left, known), _value(node.right, known)
    return left + right if node.sign == "+" else left - right


def _truth(node: Node, known: dict[tuple[Region, str], float]) -> tuple[bool, float]:
    """(holds, margin) of a comparison or of several."""
    if not isinstance(node, Operation):
        raise TypeError("a sum has no truth")  # the parser lets no such formula through
    if node.sign in "&|":
        (first, a), (second, b) = _truth(node.left, known), _truth(node.right, known)
        if math.isnan(a) or math.isnan(b):
            return False, math.nan
        return (first and second, min(a, b)) if node.sign == "&" else (first or second, max(a, b))
    left, right = _value(node.left, known), _value(node.right, known)
    if node.sign == "=":
        return abs(left - right) <= EQUAL_BITS + EQUAL_SHARE * abs(right), 0.0 - abs(left - right)
    margin = right - left if node.sign == "<" else left - right
    return (left < right if node.sign == "<" else left > right), margin


def _spell(node: Node) -> str:
    """The formula in one spelling, with the brackets it needs."""
    if isinstance(node, Score):
        return f"({node.region};%{node.condition}%)"
    if isinstance(node, Number):
        return repr(node.value).removesuffix(".0")
    left, right = _spell(node.left), _spell(node.right)
    if node.sign in "+-":
        right = f"[{right}]" if isinstance(node.right, Operation) else right
    elif node.sign in "&|":
        same = isinstance(node.left, Operation) and node.left.sign == node.sign
        left, right = left if same else f"[{left}]", f"[{right}]"
    return f"{left} {node.sign} {right}"


def _is_truth(node: Node) -> bool:
    return isinstance(node, Operation) and node.sign not in "+-"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[int, str, Node | None]] = []  # position, sign or "", score or number
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            start = len(text) - len(text[position:].lstrip())
            if match is None:
                raise self.error(start, f"{text[start]!r} cannot be read; a score is (REGION;%CONDITION%)")
            self.tokens.append((start, match["sign"] or "", self.leaf(match, start)))
            position = match.end()
            if len(self.tokens) > LONGEST:
                raise self.error(start, f"more than {LONGEST} parts")
        self.at = 0
        self.depth = 0

    def leaf(self, match: re.Match[str], start: int) -> Node | None:
        if match["region"]:
            if match["region"] != "*" and int(match["region"]) == 0:
                raise self.error(start, "regions are counted from 1")
            if not match["condition"]:
                raise self.error(start, "the condition has no name")
            return Score("*" if match["region"] == "*" else int(match["region"]), match["condition"])
        if match["number"]:
            if not math.isfinite(float(match["number"])):
                raise self.error(start, "this number is too large")
            return Number(float(match["number"]))
        return None

    def error(self, position: int, problem: str) -> DataError:
        shown = re.sub(r"\s", " ", self.text)
        return DataError(f"formula: {problem}, at character {position + 1}\n  {shown}\n  {' ' * position}^")

    @property
    def position(self) -> int:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else len(self.text)

    @property
    def sign(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    @property
    def got(self) -> str:
        if self.at == len(self.tokens):
            return "the end"
        end = self.tokens[self.at + 1][0] if self.at + 1 < len(self.tokens) else len(self.text)
        return repr(self.text[self.position : end].strip())

    def parse(self) -> Formula:
        found = self.formula()
        if self.at < len(self.tokens):
            raise self.error(self.position, f"an operator or the end expected, got {self.got}")
        if not isinstance(found, Operation) or not _is_truth(found):
            raise self.error(len(self.text), "a formula compares, and '<', '>' or '=' is missing")
        return Formula(found, self.text)

    def formula(self) -> Node:
        found, joined = self.comparison(), ""
        while self.sign in ("&", "|"):
            position, sign = self.position, self.sign
            if joined not in ("", sign):
                raise self.error(position, "'&' beside '|' needs brackets to say which comes first")
            joined = sign
            self.at += 1
            start, right = self.position, self.comparison()
            if not _is_truth(found) or not _is_truth(right):
                raise self.error(start if _is_truth(found) else position, f"{sign!r} joins comparisons")
            found = Operation(sign, found, right)
        return found

    def comparison(self) -> Node:
        found = self.sum()
        if self.sign in ("<", ">", "="):
            position, sign = self.position, self.sign
            self.at += 1
            right = self.sum()
            if _is_truth(found) or _is_truth(right):
                raise self.error(position, f"{sign!r} compares numbers, not comparisons")
            found = Operation(sign, found, right)
            if self.sign in ("<", ">", "="):
                raise self.error(self.position, "comparisons cannot be chained; join two with '&'")
        return found

    def sum(self) -> Node:
        found = self.term()
        while self.sign in ("+", "-"):
            position, sign = self.position, self.sign
            self.at += 1
            right = self.term()
            if _is_truth(found) or _is_truth(right):
                raise self.error(position, f"{sign!r} is for numbers, not for comparisons")
            found = Operation(sign, found, right)
        return found

    def term(self) -> Node:
        position, sign = self.position, self.sign
        if sign in ("(", "["):
            self.at += 1
            self.depth += 1
            if self.depth > DEEPEST:
                raise self.error(position, f"more than {DEEPEST} brackets within each other")
            found = self.formula()
            closing = ")" if sign == "(" else "]"
            if self.sign != closing:
                raise self.error(self.position, f"{closing!r} expected, got {self.got}")
            self.at += 1
            self.depth -= 1
            return found
        if sign in ("+", "-") and self.at + 1 < len(self.tokens):
            number = self.tokens[self.at + 1][2]
            if isinstance(number, Number):
                self.at += 2
                return Number(-number.value if sign == "-" else number.value)
        leaf = self.tokens[self.at][2] if self.at < len(self.tokens) else None
        if leaf is None:
            raise self.error(position, f"a score, a number or a bracket expected, got {self.got}")
        self.at += 1
        return leaf
