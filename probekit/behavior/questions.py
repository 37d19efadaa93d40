"""From a suite to what a scorer is asked: which spans of which texts, and which formula each answer serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from probekit.data.suite import Item, Suite
from probekit.models.scoring.asks import Ask

Place: TypeAlias = tuple[int | str, str]
"""A region (its number from 1, or "*" for the whole text) and a condition, as formulas name them."""

NO_TEXT = -1
"""The span of an empty region: it has no piece, and 0 bits."""

IDENTICAL = "identical"


@dataclass(frozen=True)
class Case:
    """One prediction asked of one item: what can be right or wrong.

    ``spans`` leads from the places that the formula needs to the numbers of spans in `Questions`; ``asks`` are the
    numbers of the texts they stand in. ``left_out`` is a reason known before any model is asked.
    """

    id: str
    item: int
    prediction: int
    spans: Mapping[Place, int]
    asks: tuple[int, ...]
    left_out: str = ""


@dataclass(frozen=True, eq=False)
class Questions:
    """Everything that is asked about a suite, in an order that depends on the suite alone.

    ``groups`` are the texts of each item, for `Scorer.score`; spans are numbered through all of them.
    ``shared_prefix_cancels`` holds where no formula changes when one number is added to all scores of an item.
    """

    groups: tuple[tuple[Ask, ...], ...]
    cases: tuple[Case, ...]
    shared_prefix_cancels: bool
    n_asks: int
    n_spans: int


def ask_suite(suite: Suite) -> Questions:
    """The questions of a suite: only spans that a formula needs, nothing for items whose conditions are identical.

    Region "*" is the whole text. An empty region is not asked about: it has 0 bits.
    """
    if suite.kind == "acceptability":
        return _acceptability(suite)
    numbered = {prediction.name: k for k, prediction in enumerate(suite.predictions)}
    needs_of = {prediction.name: prediction.formula.needs for prediction in suite.predictions}
    several = any(len(suite.predictions_of(item)) > 1 for item in suite.items)
    groups: list[tuple[Ask, ...]] = []
    cases: list[Case] = []
    n_asks = n_spans = 0
    for number, item in enumerate(suite.items):
        about = suite.predictions_of(item)
        same = {one.name for one in about if _identical(item, needs_of[one.name])}
        needs = {place for one in about if one.name not in same for place in needs_of[one.name]}
        asks, spans, ask_of = _asks(item, needs, n_asks, n_spans)
        n_asks += len(asks)
        n_spans += sum(len(ask.spans) for ask in asks)
        groups.append(asks)
        for one in about:
            name = f"{item.id}|{one.name}" if several else item.id
            if one.name in same:
                cases.append(Case(name, number, numbered[one.name], {}, (), IDENTICAL))
                continue
            places = {place: spans[place] for place in sorted(needs_of[one.name], key=_order)}
            read = tuple(dict.fromkeys(ask_of[place] for place in places if place in ask_of))
            cases.append(Case(name, number, numbered[one.name], places, read))
    cancels = all(prediction.formula.shared_prefix_cancels for prediction in suite.predictions)
    return Questions(tuple(groups), tuple(cases), cancels, n_asks, n_spans)


def score_of(case: Case, bits: Sequence[float]) -> Callable[[int | str, str], float]:
    """What a formula reads its numbers from: the bits of a place, 0 for an empty region."""

    def read(region: int | str, condition: str) -> float:
        span = case.spans[region, condition]
        return 0.0 if span == NO_TEXT else float(bits[span])

    return read


def _asks(
    item: Item, needs: AbstractSet[Place], n_asks: int, n_spans: int
) -> tuple[tuple[Ask, ...], dict[Place, int], dict[Place, int]]:
    """The texts of one item that must be read, and for every place the number of its span and of its text."""
    asks: list[Ask] = []
    spans: dict[Place, int] = {}
    ask_of: dict[Place, int] = {}
    for condition in item.conditions:
        needed = sorted((place for place in needs if place[1] == condition.name), key=_order)
        filled = [p for p in needed if p[0] == "*" or len(range(*condition.span(p[0])))]
        spans |= dict.fromkeys(needed, NO_TEXT)
        spans |= {place: n_spans + at for at, place in enumerate(filled)}
        ask_of |= dict.fromkeys(filled, n_asks + len(asks))
        n_spans += len(filled)
        if filled:
            asked = tuple(condition.span(place[0]) for place in filled)
            asks.append(Ask(condition.text, asked, condition.source))
    return tuple(asks), spans, ask_of


def _identical(item: Item, needs: AbstractSet[Place]) -> bool:
    """Whether all conditions that a prediction compares are one and the same text, read in the same places."""
    conditions = {condition for _, condition in needs}
    seen = set()
    for name in conditions:
        one = item[name]
        places = frozenset(one.span(region) for region, condition in needs if condition == name)
        seen.add((one.text, one.source, places))
    return len(conditions) > 1 and len(seen) == 1


def _acceptability(suite: Suite) -> Questions:
    """One whole sentence per item."""
    groups = []
    cases = []
    for number, item in enumerate(suite.items):
        [condition] = item.conditions
        groups.append((Ask(condition.text, ((0, len(condition.text)),), condition.source),))
        cases.append(Case(item.id, number, -1, {("*", condition.name): number}, (number,)))
    return Questions(tuple(groups), tuple(cases), False, len(cases), len(cases))


def _order(place: Place) -> tuple[str, int, str]:
    region, condition = place
    return condition, region if isinstance(region, int) else 0, str(region)
