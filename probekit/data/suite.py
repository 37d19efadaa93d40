"""Behavioural suites: items in several conditions, texts cut into regions, and predictions over their surprisals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

from probekit.data.formula import Formula, Region, parse_formula
from probekit.errors import DataError, did_you_mean
from probekit.results.files import tagged_hash

Kind = Literal["sentence", "target", "regions", "acceptability"]
SENTENCE = parse_formula("(*;%bad%) > (*;%good%)")
TARGET = parse_formula("(2;%bad%) > (2;%good%)")
TARGET_REGIONS = ("before", "target", "after")


@dataclass(frozen=True)
class Condition:
    """A text and where its regions stand: (start, end) in characters, in order; an empty region is (k, k).

    `source` is what the encoder of an encoder-decoder model reads.
    """

    name: str
    text: str
    regions: tuple[tuple[int, int], ...]
    source: str = ""

    def span(self, region: Region) -> tuple[int, int]:
        """Characters of a region (from 1), or of the whole text (``*``).

        >>> from probekit.data.suite import Condition
        >>> Condition.of_parts("good", ["The keys", "are", "here"]).span(2)
        (9, 12)
        """
        return (0, len(self.text)) if region == "*" else self.regions[int(region) - 1]

    @classmethod
    def of_text(cls, name: str, text: str, source: str = "") -> Condition:
        """A condition whose one region is its whole text."""
        return cls(name, text, ((0, len(text)),), source)

    @classmethod
    def of_parts(cls, name: str, parts: list[str], source: str = "") -> Condition:
        """A condition from the texts of its regions, joined by single spaces; empty ones take no room."""
        text, regions = "", []
        for part in parts:
            part = part.strip()
            text += " " if text and part else ""
            regions.append((len(text), len(text) + len(part)))
            text += part
        return cls(name, text, tuple(regions), source)

    @classmethod
    def of_slot(cls, name: str, before: str, target: str, after: str, source: str = "") -> Condition:
        """A condition of three regions from running text: no space is added, and regions begin at their words."""
        before, after = before.lstrip(), after.rstrip()
        start, end = len(before), len(before) + len(target)
        text = before + target + after
        follows = min(end + len(after) - len(after.lstrip()), len(text))
        return cls(name, text, ((0, len(before.rstrip())), (start, end), (follows, len(text))), source)


@dataclass(frozen=True)
class Item:
    """The conditions that are compared with each other.

    Intervals resample `cluster` ("" = the item alone). `groups` is what results are told apart by: phenomenon, field,
    attractors, distance (words between the head of the subject and the target), nonce, number, construction,
    label. `place` is file:line, for messages.
    """

    id: str
    conditions: tuple[Condition, ...]
    cluster: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    def __getitem__(self, name: str) -> Condition:
        for condition in self.conditions:
            if condition.name == name:
                return condition
        raise KeyError(name)

    @property
    def phenomenon(self) -> str:
        return self.groups.get("phenomenon", "")

    @property
    def said(self) -> str:
        """The item in a message."""
        return f"{self.place}: item {self.id!r}" if self.place else f"item {self.id!r}"


@dataclass(frozen=True)
class Prediction:
    """A formula, about the items of one phenomenon ("" = about all)."""

    name: str
    formula: Formula
    phenomenon: str = ""


@dataclass(frozen=True)
class Anchor:
    """Texts with hand-given surprisals (``"REGION;CONDITION"`` -> bits) and whether the prediction must hold of them.

    Anchors say which way round a suite is meant. A bar between spaces cuts a text into its regions.
    """

    texts: Mapping[str, str]
    scores: Mapping[str, float]
    expect: bool
    prediction: str = ""


@dataclass(frozen=True)
class Suite:
    """Items, and what is predicted of them. Checked when it is made: DataError names item, condition and region.

    Kinds: ``sentence`` (good and bad whole texts), ``target`` (good and bad word in place: before, target, after),
    ``regions`` (any conditions and formulas), ``acceptability`` (one sentence with a label, nothing predicted).

    >>> suite = pk.load_suite("simple-agreement")
    >>> suite.kind, str(suite.predictions[0].formula)
    ('target', '(2;%bad%) > (2;%good%)')
    """

    name: str
    items: tuple[Item, ...]
    predictions: tuple[Prediction, ...]
    kind: Kind
    region_names: tuple[str, ...] = ()
    question: str = ""
    source: str = ""
    licence: str = ""
    cite: str = ""
    anchors: tuple[Anchor, ...] = ()
    text_rule: str = "as given"

    def __post_init__(self) -> None:
        check_suite(self)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __hash__(self) -> int:
        return hash(self.hash)

    @cached_property
    def hash(self) -> str:
        """Content hash of all that a judgement depends on: texts, regions, clusters, groups, predictions."""
        items = [
            [i.id, i.cluster, dict(i.groups), [[c.name, c.text, c.regions, c.source] for c in i.conditions]]
            for i in self.items
        ]
        predictions = [[p.name, str(p.formula), p.phenomenon] for p in self.predictions]
        return tagged_hash("probekit.suite.1", [self.kind, predictions, items])

    @cached_property
    def phenomena(self) -> tuple[str, ...]:
        """The phenomena, in the order of the items; ("",) where there are none."""
        return tuple(dict.fromkeys(item.phenomenon for item in self.items))

    def predictions_of(self, item: Item) -> tuple[Prediction, ...]:
        """The predictions that are about an item."""
        return self._by_phenomenon[item.phenomenon]

    def needs_of(self, item: Item) -> tuple[tuple[Region, str], ...]:
        """(region, condition) of every score that an item's predictions name, sorted; all texts of acceptability."""
        if self.kind == "acceptability":
            return (("*", "sentence"),)
        return self._needs[item.phenomenon]

    @cached_property
    def _by_phenomenon(self) -> dict[str, tuple[Prediction, ...]]:
        return {
            name: tuple(p for p in self.predictions if p.phenomenon in ("", name)) for name in self.phenomena
        }

    @cached_property
    def _needs(self) -> dict[str, tuple[tuple[Region, str], ...]]:
        return {
            name: tuple(sorted({need for p in about for need in p.formula.needs}, key=_order))
            for name, about in self._by_phenomenon.items()
        }


def pair_suite(
    name: str, items: list[Item], kind: Literal["sentence", "target"], prediction: str = "good over bad"
) -> Suite:
    """A suite of good and bad texts with the prediction of its kind: the good one is the less surprising."""
    formula = SENTENCE if kind == "sentence" else TARGET
    regions = () if kind == "sentence" else TARGET_REGIONS
    return Suite(name, tuple(items), (Prediction(prediction, formula),), kind, regions)


def sentence_pair(good: str, bad: str, source: str = "") -> tuple[Condition, Condition]:
    """The two conditions of an item of kind ``sentence``."""
    return Condition.of_text("good", good, source), Condition.of_text("bad", bad, source)


def target_pair(
    before: str, good: str, bad: str, after: str, source: str = ""
) -> tuple[Condition, Condition]:
    """The two conditions of an item of kind ``target``; the parts are joined by single spaces."""
    return (
        Condition.of_parts("good", [before, good, after], source),
        Condition.of_parts("bad", [before, bad, after], source),
    )


def check_suite(suite: Suite) -> None:
    """DataError for items, conditions, regions and predictions that do not go together."""
    if not suite.items:
        raise DataError(f"suite {suite.name!r} has no items")
    _check_predictions(suite)
    seen: dict[str, Item] = {}
    first: dict[str, Item] = {}
    fixed = {"sentence": ("good", "bad"), "target": ("good", "bad"), "acceptability": ("sentence",)}
    n_regions = {"sentence": 1, "target": 3, "acceptability": 1}
    for item in suite.items:
        if item.id in seen:
            raise DataError(f"{item.said}: this id is also that of {seen[item.id].said}; ids are unique")
        seen[item.id] = item
        names = [condition.name for condition in item.conditions]
        if len(set(names)) != len(names):
            raise DataError(f"{item.said}: two conditions have one name: {', '.join(names)}")
        if suite.kind != "regions" and set(names) != set(fixed[suite.kind]):
            wanted = " and ".join(map(repr, fixed[suite.kind]))
            raise DataError(
                f"{item.said}: an item of kind {suite.kind!r} has {wanted}, got {', '.join(names)}"
            )
        other = first.setdefault(item.phenomenon, item)
        known = {condition.name for condition in other.conditions}
        if set(names) != known:
            missing, extra = sorted(known - set(names)), sorted(set(names) - known)
            what = f"condition {missing[0]!r} is missing" if missing else f"condition {extra[0]!r} is new"
            raise DataError(f"{item.said}: {what}; {other.said} has {', '.join(sorted(known))}")
        for condition in item.conditions:
            _check_regions(item, condition)
            if suite.kind != "regions" and len(condition.regions) != n_regions[suite.kind]:
                raise DataError(
                    f"{item.said}, condition {condition.name!r}: {len(condition.regions)} regions, and kind"
                    f" {suite.kind!r} has {n_regions[suite.kind]}"
                )
        if suite.kind == "acceptability" and item.groups.get("label") not in ("0", "1"):
            raise DataError(f"{item.said}: the group 'label' must be '0' or '1' for kind 'acceptability'")
        for region, name in suite.needs_of(item):
            _check_need(item, region, name)


def _check_predictions(suite: Suite) -> None:
    if not suite.predictions and suite.kind != "acceptability":
        raise DataError(f"suite {suite.name!r} predicts nothing; give it at least one formula")
    names = [prediction.name for prediction in suite.predictions]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"suite {suite.name!r}: two predictions have the name {name!r}")
    for prediction in suite.predictions:
        if prediction.phenomenon and prediction.phenomenon not in suite.phenomena:
            hint = did_you_mean(prediction.phenomenon, suite.phenomena)
            raise DataError(
                f"prediction {prediction.name!r}: no item is about {prediction.phenomenon!r}; {hint}"
            )


def _check_regions(item: Item, condition: Condition) -> None:
    before = 0
    for number, (start, end) in enumerate(condition.regions, 1):
        if not before <= start <= end <= len(condition.text):
            raise DataError(
                f"{item.said}, condition {condition.name!r}, region {number}: characters {start} to {end} do not"
                f" follow the region before it within the {len(condition.text)} characters of the text"
            )
        before = end


def _check_need(item: Item, region: Region, name: str) -> None:
    names = [condition.name for condition in item.conditions]
    if name not in names:
        raise DataError(
            f"{item.said}: the prediction names condition {name!r}, which the item lacks; {did_you_mean(name, names)}"
        )
    n = len(item[name].regions)
    if region != "*" and int(region) > n:
        raise DataError(
            f"{item.said}, condition {name!r}: region {region} is missing; the prediction needs it, and the text"
            f" has {n} regions"
        )


def _order(need: tuple[Region, str]) -> tuple[int, str]:
    region, condition = need
    return (0 if region == "*" else int(cast("int", region)), condition)
