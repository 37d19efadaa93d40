"""How the cases of a suite are divided: by phenomenon, by number of attractors, by distance, natural and nonce ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.questions import Questions
from probekit.data.suite import Suite

Array = NDArray[Any]

KNOWN = ("phenomenon", "field", "construction", "attractors", "distance", "nonce", "number")
"""The groups of items that rows are made for, in this order."""

DISTANCES = (1, 2, 3, 4, 6, 9, 13, 21)
"""Where each bin of distances begins; the last is open."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """A division of cases: `code` int32 (cases,) into `names` ("attractors=2"), -1 for a case that has no such group.

    ``cases`` of one group stand in one row; `key` names the division ("attractors", "attractors nonce").
    """

    key: str
    names: tuple[str, ...]
    code: Array


def grouping(suite: Suite, questions: Questions) -> list[Grouping]:
    """Every division that a suite has, the whole first; a division into one group is left away.

    Predictions are a division where an item has several; attractors and nonce are crossed where both vary.
    """
    items = [suite.items[case.item] for case in questions.cases]
    found = [Grouping("", ("",), np.zeros(len(items), np.int32))]
    values = {key: [_value(key, item.groups.get(key, "")) for item in items] for key in KNOWN}
    for key in KNOWN:
        found += _divide(key, [f"{key}={value}" if value else "" for value in values[key]])
    if len({case.item for case in questions.cases}) < len(questions.cases):
        names = [f"prediction={suite.predictions[case.prediction].name}" for case in questions.cases]
        found += _divide("prediction", names)
    crossed = [
        f"attractors={a} nonce={b}" if a and b else ""
        for a, b in zip(values["attractors"], values["nonce"], strict=True)
    ]
    if {"attractors", "nonce"} <= {one.key for one in found}:
        found += _divide("attractors nonce", crossed)
    return found


def distance_bin(distance: int) -> str:
    """The bin of a distance in words, as text that sorts.

    >>> [distance_bin(d) for d in (1, 4, 5, 30)]
    ['1', '4-5', '4-5', '21+']
    """
    for begin, end in pairwise(DISTANCES):
        if begin <= distance < end:
            return str(begin) if end == begin + 1 else f"{begin}-{end - 1}"
    return f"{DISTANCES[-1]}+" if distance >= DISTANCES[-1] else str(distance)


def _value(key: str, value: str) -> str:
    if key == "distance" and value.lstrip("-").isdigit():
        return distance_bin(int(value))
    return value


def _divide(key: str, names: Sequence[str]) -> list[Grouping]:
    """A grouping of names, sorted so that numbers stand by size; nothing where there is but one."""
    found = sorted(set(names) - {""}, key=natural)
    if len(found) < 2 and key != "phenomenon":
        return []
    place: dict[str, int] = {name: code for code, name in enumerate(found)} | {"": -1}
    return [Grouping(key, tuple(found), np.array([place[name] for name in names], np.int32))] if found else []


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers inside names by size: "2" before "10", "9-12" before "13-20".

    >>> sorted(["distance=13-20", "distance=2"], key=natural)
    ['distance=2', 'distance=13-20']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
